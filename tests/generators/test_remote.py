"""Checkpoints in an object store: copied to this machine once, and what errors name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.generators import SampleRequest, describe, load_host
from augment.generators.importing import inspect
from augment.policy import VARIABLE
from augment.spec.generators import DiffusersGenerator, VaeGenerator
from augment.storage import Folder
from augment.storage.node_cache import node_cache
from tests.storage.s3_server import S3Server

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"


def vae(checkpoint: str, **given: Any) -> VaeGenerator:
    return VaeGenerator.model_validate({"family": "vae", "checkpoint": checkpoint, **given})


@pytest.fixture
def folder(s3: S3Server) -> Folder:
    found = Folder(f"{s3.bucket()}/vae", s3.options())
    for path in DIGITS.iterdir():
        found.replace(path.name, path.read_bytes())
    found.replace("training.log", b"not needed")
    s3.seen.clear()
    return found


def test_one_fetch_for_all_that_load_it(s3: S3Server, folder: Folder) -> None:
    spec = vae(folder.uri)
    info = describe("g", spec, s3.options())
    assert info == describe("g", vae(str(DIGITS)))
    request = SampleRequest("0" * 32, "3", 0)
    hosts = [load_host("g", spec, info, options=s3.options()) for _ in range(2)]
    local = load_host("g", vae(str(DIGITS)), info)
    images = [host.generate([request]).images for host in (*hosts, local)]
    assert (images[0] == images[1]).all()
    assert (images[0] == images[2]).all()
    assert s3.count("GET", "vae/weights.safetensors") == 1
    assert s3.count("GET", "vae/generator.json") == 1
    assert s3.count("GET", "vae/training.log") == 0


def test_another_checkpoint_at_the_same_place_is_seen(s3: S3Server, folder: Folder) -> None:
    info = describe("g", vae(folder.uri), s3.options())
    weights = bytearray(folder.read("weights.safetensors"))
    weights[-1] ^= 1
    folder.replace("weights.safetensors", bytes(weights))
    with pytest.raises(CheckpointError, match=r"weights.safetensors: sha256 is .* says ffc63dc2"):
        describe("g", vae(folder.uri), s3.options())
    assert info.checkpoint_sha256.startswith("ffc63dc2")


def test_a_digest_that_is_not_the_jobs(s3: S3Server, folder: Folder) -> None:
    with pytest.raises(CheckpointError, match=rf"sha256 is ffc63dc2.*, the job says {'0' * 64}"):
        describe("g", vae(folder.uri, sha256="0" * 64), s3.options())


@pytest.mark.parametrize("file", ["generator.json", "weights.safetensors"])
def test_what_is_missing_is_missing_there(s3: S3Server, folder: Folder, file: str) -> None:
    folder.remove(file)
    with pytest.raises(CheckpointError) as told:
        describe("g", vae(folder.uri), s3.options())
    assert str(told.value).startswith(f"generators.g: {file}: no such file in {folder.uri}; ")


@pytest.mark.parametrize(
    ("key", "given", "uri", "expected"),
    [
        ("checkpoint", {}, "none", "the folder of a model"),
        ("checkpoint", {"config": "/x"}, "none/x.safetensors", "a .safetensors file"),
        ("controlnet", {"checkpoint": "/x"}, "none", "the folder of a model"),
        ("config", {"checkpoint": "/x.safetensors"}, "none", "the folder of a model"),
    ],
)
def test_nothing_where_a_pipeline_should_be(
    s3: S3Server, folder: Folder, key: str, given: dict[str, str], uri: str, expected: str
) -> None:
    raw = {"family": "diffusers", "classes": ["a"], **given, key: f"{folder.uri}/{uri}"}
    with pytest.raises(CheckpointError) as told:
        describe("g", DiffusersGenerator.model_validate(raw), s3.options())
    assert str(told.value) == (
        f"generators.g.{key}: nothing is at {folder.uri}/{uri}; expected {expected}; update "
        f"generators.g.{key}"
    )


def test_the_policy_names_the_cache(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("cache: {folder: /models, max_bytes: 12}\n")
    state = node_cache({VARIABLE: str(policy), "XDG_CACHE_HOME": "/x"}).state()
    assert (state.folder, state.max_bytes, state.entries, state.bytes) == ("/models", 12, 0, 0)


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/augment/checkpoints"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/augment/checkpoints"),
        ({"HOME": "/h"}, "/h/.cache/augment/checkpoints"),
    ],
)
def test_where_the_policy_says_nothing_it_is_the_users(
    env: dict[str, str], folder: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    empty = {VARIABLE: str(tmp_path / "empty.yaml")}
    state = node_cache(empty | env).state()
    assert (state.folder, state.max_bytes) == (folder, 100 << 30)


def test_a_user_without_a_home(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    with pytest.raises(CheckpointError) as told:
        node_cache({VARIABLE: f"{tmp_path}/empty.yaml"})
    assert str(told.value) == (
        "checkpoint cache: neither XDG_CACHE_HOME nor HOME is an absolute path; expected one of "
        f"them, or `cache: {{folder: ...}}` in {tmp_path}/empty.yaml"
    )


# ---- bounds ------------------------------------------------------------------------------


def model(folder: Folder, files: dict[str, bytes]) -> DiffusersGenerator:
    for name, data in files.items():
        folder.replace(f"m/{name}", data)
    raw = {"family": "diffusers", "classes": ["a"], "checkpoint": f"{folder.uri}/m"}
    return DiffusersGenerator.model_validate(raw)


def test_only_what_a_pipeline_needs_is_fetched(s3: S3Server, folder: Folder) -> None:
    index = b'{"_class_name": "FluxPipeline"}'
    weights = {"unet/diffusion_pytorch_model.bin": b"x" * 999, "v1.ckpt": b"y" * 999}
    spec = model(folder, {"model_index.json": index, "README.md": b"", **weights})
    s3.seen.clear()
    with pytest.raises(CheckpointError, match="is of a FluxPipeline, which is not hosted"):
        describe("g", spec, s3.options())
    assert s3.count("GET", "/m/model_index.json") == 1
    assert sum(s3.count("GET", f"/m/{name}") for name in (*weights, "README.md")) == 0


def test_a_listing_that_is_refused_costs_no_download(s3: S3Server, folder: Folder) -> None:
    spec = model(folder, {"model_index.json": b"{}", "unet/evil.py": b"", "unet/config.json": b""})
    s3.seen.clear()
    with pytest.raises(UnsafeCheckpoint) as told:
        describe("g", spec, s3.options())
    assert str(told.value) == (
        f"{folder.uri}/m/unet/evil.py: a program; expected the weights and settings of one model; "
        "nothing was fetched: upload it again into a folder of its own"
    )
    assert s3.count("GET", "/m/unet/config.json") + s3.count("GET", "/m/model_index.json") == 0


def test_a_configuration_that_is_too_large_is_not_fetched(s3: S3Server, folder: Folder) -> None:
    folder.replace("generator.json", b" " * (5 << 20))
    s3.seen.clear()
    with pytest.raises(UnsafeCheckpoint, match=r"generator\.json: 5242880 bytes, more than 41943"):
        describe("g", vae(folder.uri), s3.options())
    assert s3.count("GET", "vae/generator.json") == 0


def test_an_import_fetches_once_what_it_reads(s3: S3Server, folder: Folder, tmp_path: Path) -> None:
    """A file, and a folder under its own name."""
    import torch

    state = {"decoder.layers.0.0.weight": torch.ones(512, 2)}
    torch.save({"model_state_dict": state}, tmp_path / "model.pt")
    files = {"model.pt": (tmp_path / "model.pt").read_bytes(), "environment.json": b"{}",
             "model_config.json": b'{"name": "VAE"}', "big.msgpack": b"x"}  # fmt: skip
    for name, data in files.items():
        folder.replace(f"pythae/{name}", data)
    s3.seen.clear()
    said = inspect(f"{folder.uri}/pythae", options=s3.options())
    assert (said["kind"], said["place"]) == ("pythae", "pythae")
    assert "refused" in said
    alone = inspect(f"{folder.uri}/pythae/model.pt", options=s3.options())
    assert (alone["kind"], alone["place"]) == ("torch-zip", "model.pt")
    assert s3.count("GET", "/pythae/big.msgpack") == 0
    with pytest.raises(CheckpointError, match=r"nothing\.pt: no such file or folder"):
        inspect(f"{folder.uri}/nothing.pt", options=s3.options())
