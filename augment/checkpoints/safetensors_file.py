"""A `.safetensors` file: a header of names, types and shapes in front of plain numbers.

The header alone decides whether the file is read: tensors lie one after the other, fill
the file to its end, and have the bytes that their shapes need. Arrays are made when asked
for, read-only views of the mapped file; bfloat16, which numpy lacks, becomes float32.

Source: the format as in safetensors/src/tensor.rs (0.8, Apache-2.0). Stricter than it: the
header may have 16 MiB, no key may stand twice, and types without a numpy form are refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.checkpoints.blob import DAMAGED, Blob, Source, open_blob, shown
from augment.checkpoints.limits import (
    MAX_DIMENSIONS,
    MAX_ELEMENTS,
    MAX_FILE_BYTES,
    MAX_HEADER_BYTES,
    MAX_TENSORS,
)
from augment.checkpoints.plain import is_shape, is_sizes
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tensors import BFLOAT16, Storage, itemsize, numbers

_CODES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": BFLOAT16, "I64": "i8", "I32": "i4",
    "I16": "i2", "I8": "i1", "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "b1",
}  # fmt: skip
_AGAIN = "save it again with the safetensors library"

DTYPES = tuple(_CODES)
FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Entry:
    """A tensor as the header has it. start, stop: bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class SafeTensors(Mapping[str, np.ndarray]):
    """The arrays by name, in the order of the header, each made when it is asked for.

    entries: the header. metadata: its free texts.
    """

    def __init__(self, data: memoryview, entries: dict[str, Entry], metadata: dict[str, str]):
        self.entries = entries
        self.metadata = metadata
        self._data = data

    @property
    def elements(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(entry.shape) for entry in self.entries.values())

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self.entries[name]
        stored = Storage(self._data[entry.start : entry.stop], _CODES[entry.dtype])
        return numbers(stored, entry.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True)
class Header:
    """What stands before the numbers. entries: in the order of the header. start: the byte
    where the numbers begin."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    start: int


def read_safetensors(
    source: Source,
    name: str | None = None,
    *,
    dtypes: Collection[str] = DTYPES,
    max_bytes: int = MAX_FILE_BYTES,
) -> SafeTensors:
    """The file, its header checked.

    name: what errors call it. dtypes: the types that a tensor may have.

    Raises:
        UnsafeCheckpoint: no safetensors file, cut off, too large, or of other types.
        CheckpointError, StorageError: it cannot be opened.
    """
    blob = open_blob(source, name, max_bytes)
    found = _header(blob, len(blob), dtypes)
    return SafeTensors(blob.view[found.start :], found.entries, found.metadata)


def header_bytes(start: bytes) -> int:
    """How many bytes a file's header has, with its length before it, by the file's first 8."""
    return 8 + min(int.from_bytes(start[:8], "little"), MAX_HEADER_BYTES + 1)


def read_header(head: bytes, size: int, name: str, *, dtypes: Collection[str] = DTYPES) -> Header:
    """The header of a file that is read from its start. head: its first `header_bytes` bytes.
    size: of the whole file.

    Raises:
        UnsafeCheckpoint: as `read_safetensors`.
    """
    return _header(Blob(name, head), size, dtypes)


def array_of(entry: Entry, data: bytes) -> np.ndarray:
    """A tensor's numbers from its bytes."""
    return numbers(Storage(memoryview(data), _CODES[entry.dtype]), entry.shape)


def _header(blob: Blob, size: int, dtypes: Collection[str]) -> Header:
    """blob: the file, or its start. size: of the file."""
    length = int.from_bytes(blob.view[:8], "little")
    if len(blob) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, len(blob) - 8):
        came = "not a safetensors file (its header does not fit in it)"
        raise blob.refusal(came, f"at most {MAX_HEADER_BYTES} bytes of header", DAMAGED)
    header = read_object(blob, blob.view[8 : 8 + length], what="header", constants=False)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise blob.refusal("header has a __metadata__ that is none", "texts by name", _AGAIN)
    if len(header) > MAX_TENSORS:
        raise blob.refusal(f"{len(header)} tensors", f"at most {MAX_TENSORS}", _AGAIN)
    entries = {key: _entry(blob, key, value, dtypes) for key, value in header.items()}
    _check_order(blob, entries, size - 8 - length)
    return Header(entries, metadata, 8 + length)


def _entry(blob: Blob, key: str, value: Any, dtypes: Collection[str]) -> Entry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise blob.refusal(f"tensor {shown(key)} is none", "dtype, shape and data_offsets", _AGAIN)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in dtypes:
        came = f"tensor {shown(key)} has dtype {shown(dtype)}"
        raise blob.refusal(came, f"one of {', '.join(dtypes)}", _AGAIN)
    if not is_shape(shape):
        came = f"tensor {shown(key)} has shape {shape!r:.80}"
        raise blob.refusal(
            came, f"at most {MAX_DIMENSIONS} sizes and {MAX_ELEMENTS} elements", _AGAIN
        )
    if not is_sizes(offsets) or len(offsets) != 2:
        raise blob.refusal(
            f"tensor {shown(key)} has offsets {offsets!r:.80}", "start and end", _AGAIN
        )
    entry = Entry(dtype, tuple(shape), offsets[0], offsets[1])
    needed = math.prod(shape) * itemsize(_CODES[dtype])
    if entry.stop - entry.start != needed:
        came = f"tensor {shown(key)} has {entry.stop - entry.start} bytes"
        raise blob.refusal(came, f"{needed} for {dtype} {shape}", DAMAGED)
    return entry


def _check_order(blob: Blob, entries: Mapping[str, Entry], size: int) -> None:
    """Neither holes, where anything could be hidden, nor two tensors in one place."""
    at = 0
    for key, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != at:
            came = f"tensor {shown(key)} starts at {entry.start}"
            raise blob.refusal(came, f"{at}, where the one before it ends", DAMAGED)
        at = entry.stop
    if at != size:
        came = f"not a whole safetensors file ({size} bytes after the header)"
        raise blob.refusal(came, f"{at}, where the last tensor ends", DAMAGED)
