"""Files of the user's, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augment.errors import CheckpointError, RequestError, UnsafeCheckpoint
from augment.features.asked import Asked, read_asked
from augment.features.files import opened, put_aside, read_tensors
from augment.places import place_of
from augment.storage import Folder
from tests.features.networks import write_dinov2


def weights(name: str = "w.safetensors") -> bytes:
    from safetensors.numpy import save

    found: bytes = save({"x": np.arange(3, dtype=np.float32)})
    return found


@pytest.fixture(params=["local", "memory"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Asked]:
    """`asked(data)`: a file of that content, in a folder or in a store."""

    def put(data: bytes) -> Asked:
        uri = str(tmp_path) if request.param == "local" else f"memory://features{tmp_path}"
        Folder(uri).replace("w.safetensors", data)
        return read_asked(f"inception={uri}/w.safetensors")

    return put


def test_the_bytes_and_their_hash(asked: Callable[[bytes], Asked]) -> None:
    with opened(asked(weights()), None) as (blob, sha256):
        assert bytes(blob.view) == weights()
        assert sha256 == hashlib.sha256(weights()).hexdigest()
        assert read_tensors(blob, "inception")["x"].tolist() == [0, 1, 2]


def test_the_hash_is_checked(asked: Callable[[bytes], Asked]) -> None:
    one, own = asked(weights()), hashlib.sha256(weights()).hexdigest()
    with opened(replace(one, sha256=own), None):
        pass
    with (
        pytest.raises(CheckpointError, match=f"expected {'0' * 64}: fetch it again, or say sha256"),
        opened(replace(one, sha256="0" * 64), None),
    ):
        pass


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04", b"\x80\x04K\x01."])
def test_what_is_no_weights_is_refused(asked: Callable[[bytes], Asked], data: bytes) -> None:
    with (
        opened(asked(data), None) as (blob, _),
        pytest.raises(UnsafeCheckpoint, match=r"w\.safetensors"),
    ):
        read_tensors(blob, "inception")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    one = read_asked(f"inception=memory://features{tmp_path}/none.pth")
    with (
        pytest.raises(CheckpointError, match="extractor inception: nothing is at memory://"),
        opened(one, None),
    ):
        pass


@pytest.mark.parametrize("kind", ["inception", "dinov2"])
def test_a_policy_is_asked_when_a_place_is_opened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").write_text("allowed_uris: [/elsewhere]\n")
    one = read_asked(f"{kind}={tmp_path}/w")
    monkeypatch.setenv("AUGMENT_POLICY", str(tmp_path / "policy.yaml"))
    take = opened if kind == "inception" else put_aside
    with (
        pytest.raises(RequestError, match=f"extractor {kind}: got .*where this machine lets nobod"),
        take(one, None),  # type: ignore[operator]
    ):
        pass


def test_a_folder_in_a_store_is_fetched(tmp_path: Path) -> None:
    folder = write_dinov2(tmp_path / "m")
    remote = Folder(f"memory://features{tmp_path}/m")
    for path in folder.iterdir():
        remote.replace(path.name, path.read_bytes())
    remote.replace("notes.txt", b"not needed")
    with put_aside(Asked("dinov2", place=place_of(remote.uri)), None) as (private, scan):
        names = {p.name for p in private.iterdir()}
        assert names == {"config.json", "preprocessor_config.json", "model.safetensors"}
        assert scan.needed.keys() == names
        (folder / "model.safetensors").write_bytes(b"changed")  # nobody's business any more
        assert len((private / "model.safetensors").read_bytes()) > 100
    assert not private.exists()
