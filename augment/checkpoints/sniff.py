"""What a file or folder is, by its content; an ending that says otherwise is a note.

A file is looked at, not read: the list of an archive, the first instructions of a pickle, a
header. What is found decides which reader may have it, or why none may. Knows no generator
family.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from augment.checkpoints.blob import Blob, Source, open_blob
from augment.checkpoints.container import MAGIC, ZIP_START, zip_kind
from augment.checkpoints.inert import opening
from augment.checkpoints.limits import MAX_FILE_BYTES, MAX_JSON_BYTES
from augment.checkpoints.nvidia import PERSISTENT, TENSORFLOW
from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.stored_zip import Archive
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tree import folder_bytes
from augment.errors import StorageError, UnsafeCheckpoint

FileKind = Literal[
    "safetensors", "torch-zip", "torch-legacy", "nvidia-pickle", "onnx",
    "tensorflow-pickle", "torchscript", "pt2", "joblib", "cloudpickle", "pickle", "zip",
    "numpy", "hdf5", "gzip", "zlib", "tar", "unknown",
]  # fmt: skip
FolderKind = Literal["generator", "diffusers", "parts", "pythae", "model", "folder"]
"""`model`: one network with a config.json, of transformers, diffusers or others. `parts`:
components of diffusers in folders of their own, and no model_index.json that lists them."""

PARTS = ("unet", "transformer", "scheduler", "vae", "vqvae", "text_encoder", "tokenizer",
         "text_encoder_2", "tokenizer_2", "feature_extractor", "safety_checker")  # fmt: skip
"""What pipelines call their components."""

READABLE = ("safetensors", "torch-zip", "torch-legacy", "nvidia-pickle", "onnx")
"""Kinds of file that hold weights as data; all others are refused or not known."""

_ENDINGS: dict[str, tuple[FileKind, ...]] = {
    ".safetensors": ("safetensors",),
    ".onnx": ("onnx",),
    ".pt": ("torch-zip", "torch-legacy"),
    ".pth": ("torch-zip", "torch-legacy"),
    ".ckpt": ("torch-zip", "torch-legacy"),
    ".bin": ("torch-zip", "torch-legacy"),
    ".pkl": ("nvidia-pickle", "tensorflow-pickle", "pickle"),
    ".h5": ("hdf5",),
    ".npz": ("zip",),
    ".npy": ("numpy",),
    ".pt2": ("pt2",),
    ".joblib": ("joblib",),
}
_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (b"\x93NUMPY", "numpy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x1f\x8b", "gzip"),
    (b"\x78\x01", "zlib"),
    (b"\x78\x5e", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
)
_NAMED: tuple[tuple[str, FileKind], ...] = (
    (PERSISTENT.rpartition(".")[0], "nvidia-pickle"),
    (TENSORFLOW.rpartition(".")[0], "tensorflow-pickle"),
    ("joblib", "joblib"),
    ("cloudpickle", "cloudpickle"),
)
"""Modules that only one kind of pickle names near its start."""

_MARKERS: tuple[tuple[FolderKind, tuple[str, ...]], ...] = (
    ("generator", ("generator.json",)),
    ("diffusers", ("model_index.json",)),
    ("pythae", ("model_config.json", "environment.json")),
    ("pythae", ("model_config.json", "model.pt")),
    ("model", ("config.json",)),
    ("parts", ("unet/config.json",)),
    ("parts", ("transformer/config.json",)),
)
_MODEL_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""Number -> wire type (0 a number, 2 bytes)."""
_GRAPH = 7
_MAX_FIELDS = 100_000


@dataclass(frozen=True)
class Found:
    """kind: what it is. place: its name. size: bytes of a file, or of all files of a folder.
    notes: what is odd about it."""

    kind: FileKind | FolderKind
    place: str
    size: int
    notes: tuple[str, ...] = ()


def sniff(source: Source, name: str | None = None, *, max_bytes: int = MAX_FILE_BYTES) -> Found:
    """What stands there.

    Raises:
        UnsafeCheckpoint: it is too large.
        CheckpointError, StorageError: it cannot be opened.
    """
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        return _folder(pathlib.Path(source), name)
    blob = open_blob(source, name, max_bytes)
    kind, notes = _file(blob)
    ending = os.path.splitext(blob.name)[1].lower()
    if kind not in _ENDINGS.get(ending, (kind,)):
        notes += (f"the ending {ending} says otherwise",)
    return Found(kind, blob.name, len(blob), notes)


def _file(blob: Blob) -> tuple[FileKind, tuple[str, ...]]:
    start = bytes(blob.view[:8])
    if start.startswith(ZIP_START):
        return _zip(blob)
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind, ()
    if bytes(blob.view[257:262]) == b"ustar":
        return "tar", ()
    if _is_safetensors(blob):
        return "safetensors", _said(lambda: f"{len(read_safetensors(blob))} tensors")
    return _pickle(blob) or ("onnx" if _is_onnx(blob.view) else "unknown", ())


def _zip(blob: Blob) -> tuple[FileKind, tuple[str, ...]]:
    try:
        kind = zip_kind(Archive(blob).members)
    except UnsafeCheckpoint as error:
        return "zip", (str(error),)
    kinds: dict[str, FileKind] = {"torch": "torch-zip", "torchscript": "torchscript", "pt2": "pt2"}
    return kinds.get(kind, "zip"), ()


def _is_safetensors(blob: Blob) -> bool:
    length = int.from_bytes(blob.view[:8], "little")
    return bytes(blob.view[8:9]) == b"{" and length <= len(blob) - 8


def _pickle(blob: Blob) -> tuple[FileKind, tuple[str, ...]] | None:
    """By the texts and numbers at its start; protocols 0 and 1 have no first byte of their own."""
    arguments, whole = opening(blob)
    if not whole and not (bytes(blob.view[:1]) == b"\x80" and arguments):
        return None
    if MAGIC in arguments[:2]:
        return "torch-legacy", ()
    texts = {text for text in arguments if isinstance(text, str)}
    for prefix, kind in _NAMED:
        if any(text.startswith(prefix) for text in texts):
            return kind, ()
    return "pickle", ()


def _said(look: Callable[[], str]) -> tuple[str]:
    """What a look into the file says, or why the file is refused."""
    try:
        return (look(),)
    except UnsafeCheckpoint as error:
        return (str(error),)


def _is_onnx(view: memoryview) -> bool:
    """A protobuf whose outermost fields are those of ModelProto (onnx/onnx.proto of ONNX
    1.23), with a graph, and which ends where the file ends."""
    at, seen = 0, set[int]()
    for _ in range(_MAX_FIELDS):
        if at >= len(view):
            break
        tag, at = _varint(view, at)
        field, wire = tag >> 3, tag & 7
        if _MODEL_FIELDS.get(field) != wire:
            return False
        value, at = _varint(view, at)
        at += value if wire == 2 else 0
        seen.add(field)
    return at == len(view) and _GRAPH in seen


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """(number, byte after it); what is cut off or too long leads outside the file."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            break
        value |= (view[at] & 0x7F) << shift
        at += 1
        if view[at - 1] < 0x80:
            return value, at
    return 0, len(view) + 1


def _folder(path: pathlib.Path, name: str | None) -> Found:
    """By the file that its library looks for first."""
    place = name or path.name
    try:
        size = folder_bytes(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error}") from error
    for kind, markers in _MARKERS:
        if all((path / marker).is_file() for marker in markers):
            notes = _config_notes(path / markers[0]) if kind == "model" else ()
            return Found(kind, place, size, notes)
    return Found("folder", place, size)


def _config_notes(path: pathlib.Path) -> tuple[str, ...]:
    """What a config.json says that it configures."""

    def look() -> str:
        config = read_object(open_blob(path, max_bytes=MAX_JSON_BYTES))
        said: Mapping[str, object] = {
            key: config.get(key) for key in ("architectures", "_class_name")
        }
        return ", ".join(f"{key}: {value!r:.100}" for key, value in said.items() if value)

    return tuple(note for note in _said(look) if note)
