from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zlib
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.checkpoints.limits import MAX_FOLDER_FILES
from augment.checkpoints.sniff import Found, sniff
from augment.errors import CheckpointError, UnsafeCheckpoint
from tests.checkpoints.assembly import Call, G, dumps, saved, zipped
from tests.checkpoints.nvidia_like import file, network

STATE = {"a": torch.ones(2)}
LIST = "config.json: JSON is a list; expected an object; fetch it again"
NETWORKS = tuple(Call(G("dnnlib.tflib.network", "Network"), op=b"\x81") for _ in range(3))


def written(value: object) -> bytes:
    out = io.BytesIO()
    joblib.dump(value, out)
    return out.getvalue()


def array(value: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


def model(*fields: bytes) -> bytes:
    """An ONNX model: ir_version 8, a producer, then fields."""
    return b"\x08\x08\x12\x01x" + b"".join(fields)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (save({"a": np.ones(2)}), "safetensors"),
        (saved(STATE), "torch-zip"),
        (saved(STATE, new=False), "torch-legacy"),
        (file(network()), "nvidia-pickle"),
        (file(network(), 3), "nvidia-pickle"),
        (dumps(NETWORKS), "tensorflow-pickle"),
        (model(b"\x3a\x02\x0a\x00", b"\x42\x02\x10\x11"), "onnx"),
        (zipped({}, {"a/code/x.py": b"", "a/constants.pkl": b""}), "torchscript"),
        (zipped({}, {"a/archive_format": b"pt2"}), "pt2"),
        (zipped({}).replace(b"a/data.pkl", b"a/word.xml"), "zip"),
        (zipped({})[:-10], "zip"),
        (written({"a": np.ones(2)}), "joblib"),
        (cloudpickle.dumps(lambda: 1), "cloudpickle"),
        (pickle.dumps([1]), "pickle"),
        (pickle.dumps([1], 0), "pickle"),
        (pickle.dumps([1])[:-1], "pickle"),
        (array(np.ones(2)), "numpy"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (zlib.compress(b"x"), "zlib"),
        (bytes(257) + b"ustar", "tar"),
        (model(), "unknown"),
        (model(b"\x3a\x7f"), "unknown"),
        (model(b"\x3a\x01\x0a", b"\x4a\x00"), "unknown"),
        (b"\x08" + b"\xff" * 20, "unknown"),
        (b"", "unknown"),
        (b"hello, this is a text", "unknown"),
    ],
)
def test_files_by_content(data: bytes, kind: str) -> None:
    found = sniff(data, "x")
    assert (found.kind, found.place, found.size) == (kind, "x", len(data))


def test_an_ending_that_says_otherwise_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(saved(STATE))
    note = "the ending .safetensors says otherwise"
    found = sniff(tmp_path / "a.safetensors")
    assert found == Found("torch-zip", "a.safetensors", found.size, (note,))
    assert sniff(saved(STATE), "a.ckpt").notes == ()


def test_what_is_wrong_with_it_is_a_note() -> None:
    (note,) = sniff(save({"a": np.ones(2)})[:-1], "a.safetensors").notes
    assert "not a whole safetensors file" in note
    assert sniff(save({"a": np.ones(2)})).notes == ("1 tensors",)


@pytest.mark.parametrize(
    ("files", "kind", "notes"),
    [
        ({"generator.json": {}, "config.json": {}}, "generator", ()),
        ({"model_index.json": {}, "config.json": {}}, "diffusers", ()),
        ({"model_config.json": {}, "environment.json": {}}, "pythae", ()),
        ({"model_config.json": {}, "model.pt": {}}, "pythae", ()),
        ({"config.json": {"_class_name": "UNet2DModel"}}, "model", ("_class_name: 'UNet2DModel'",)),
        ({"config.json": {}}, "model", ()),
        ({"config.json": [1]}, "model", (LIST,)),
        ({"unet/config.json": {}, "scheduler/scheduler_config.json": {}}, "parts", ()),
        ({"transformer/config.json": {}}, "parts", ()),
        ({"model_index.json": {}, "unet/config.json": {}}, "diffusers", ()),
        ({"x.json": {}}, "folder", ()),
        ({}, "folder", ()),
    ],
)  # fmt: skip
def test_folders_by_their_files(
    tmp_path: Path, files: dict[str, object], kind: str, notes: tuple[str, ...]
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    size = sum(len(json.dumps(content)) for content in files.values())
    assert sniff(tmp_path, "m") == Found(kind, "m", size, notes)  # type: ignore[arg-type]


def test_a_folder_is_looked_at_within_bounds(tmp_path: Path) -> None:
    """Neither circles nor the number of its files make the look longer."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(bytes(7))
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a" / "x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert sniff(tmp_path).size == 14
    for n in range(MAX_FOLDER_FILES):
        os.link(tmp_path / "a" / "x", tmp_path / f"{n}")
    assert sniff(tmp_path).size <= 7 * MAX_FOLDER_FILES


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        sniff(tmp_path / "x")
    with pytest.raises(UnsafeCheckpoint, match="expected at most 3"):
        sniff(b"1234", max_bytes=3)
