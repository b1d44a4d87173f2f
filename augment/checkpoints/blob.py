"""The bytes of a checkpoint under the name that errors give them.

A local file is mapped, not read: a checkpoint of gigabytes costs the pages that are looked
at. Arrays made from a blob are views into it and keep it alive. Knows no format.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
from typing import IO, cast

from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.errors import CheckpointError, StorageError, UnsafeCheckpoint

OTHER_FILE = "take another file, best the weights as .safetensors"
DAMAGED = "fetch it again"


class Blob:
    """Bytes that are only looked at. name: what errors call it. view: read-only."""

    def __init__(self, name: str, data: bytes | mmap.mmap) -> None:
        self.name = name
        self.view = memoryview(data)
        self._data = data

    def __len__(self) -> int:
        return len(self.view)

    def stream(self, at: int = 0) -> IO[bytes]:
        """The bytes as a file that stands at `at`; one at a time may be in use."""
        stream = io.BytesIO(self._data) if isinstance(self._data, bytes) else self._data
        stream.seek(at)
        return cast(IO[bytes], stream)

    def refusal(
        self, came: str, expected: str, way_out: str = OTHER_FILE, at: int | None = None
    ) -> UnsafeCheckpoint:
        """The error that says what is wrong with this file; at: the byte where it stands."""
        place = "" if at is None else f" at byte {at}"
        return UnsafeCheckpoint(f"{self.name}: {came}{place}; expected {expected}; {way_out}")


Source = str | os.PathLike[str] | bytes | Blob
"""A local path, the bytes themselves, or what was opened before."""


def open_blob(source: Source, name: str | None = None, max_bytes: int = MAX_FILE_BYTES) -> Blob:
    """The bytes of a regular local file, or the bytes given, under `name` (of the file).

    Raises:
        CheckpointError: there is no such file, or it is not a regular file.
        UnsafeCheckpoint: it is larger than `max_bytes`.
        StorageError: it cannot be read.
    """
    if isinstance(source, Blob):
        blob = source
    elif isinstance(source, bytes):
        blob = Blob(name or "checkpoint", source)
    else:
        blob = Blob(name or os.path.basename(source), _mapped(source, max_bytes, name))
    if len(blob) > max_bytes:
        raise _too_large(blob.name, len(blob), max_bytes)
    return blob


def shown(value: object) -> str:
    """A text or number from a file, safe to print: escaped and short."""
    if isinstance(value, str):
        return f"{value[:100]!r:.100}"
    return f"{value!r:.100}" if isinstance(value, int | float) else type(value).__name__


def _mapped(path: str | os.PathLike[str], max_bytes: int, name: str | None) -> bytes | mmap.mmap:
    called = name or os.path.basename(path)
    try:
        # without O_NONBLOCK, opening a named pipe waits for somebody to write to it
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise CheckpointError(f"{called}: no such file: {os.fspath(path)}") from None
    except OSError as error:
        raise StorageError(f"{os.fspath(path)}: cannot be read: {error}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(f"{called}: not a regular file; expected a checkpoint file")
        if found.st_size > max_bytes:
            raise _too_large(called, found.st_size, max_bytes)
        if found.st_size == 0:
            return b""  # nothing to map
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _too_large(name: str, size: int, limit: int) -> UnsafeCheckpoint:
    return UnsafeCheckpoint(
        f"{name}: has {size} bytes; expected at most {limit}; take a smaller file"
    )
