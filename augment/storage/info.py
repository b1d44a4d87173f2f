"""What a listing says of one file, whatever the store calls it.

Knows nothing of how the store is reached.
"""

from __future__ import annotations

import datetime as dt
import os
import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple

from augment.storage.local import TEMPORARY


class FileInfo(NamedTuple):
    """A file of a folder. path: relative to the folder, '/'-separated, as it is stored.
    size: bytes. token: changes when the file does (size-mtime_ns, ETag); "" if unknown."""

    path: str
    size: int
    token: str


class Stored(NamedTuple):
    """A file or a link as who cleans sees it. path, size: as in `FileInfo`. modified: when it was
    last written, in seconds, by the clock of the store; None if unknown. target: where a link
    leads; "" if it is none."""

    path: str
    size: int
    modified: float | None
    target: str = ""

    @property
    def temporary(self) -> bool:
        """Whether it is a write that never ended (or has not ended yet)."""
        return posixpath.basename(self.path).startswith(TEMPORARY)


def local_info(path: str, found: os.stat_result) -> FileInfo:
    """Of a local file."""
    return FileInfo(path, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


_TOKENS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "mtime", "created")


def remote_info(path: str, entry: Mapping[str, Any]) -> FileInfo:
    """Of a file as fsspec lists it."""
    size = entry.get("size")
    size = -1 if size is None else int(size)
    for name in _TOKENS:
        if (value := entry.get(name)) is not None:
            if isinstance(value, dt.datetime):
                value = value.timestamp()
            return FileInfo(path, size, f"{size}-{str(value).strip(chr(34))}")
    return FileInfo(path, size, "")


_TIMES = ("LastModified", "last_modified", "mtime", "created")


def modified_at(entry: Mapping[str, Any]) -> float | None:
    """When a file was last written, as fsspec lists it; None if the store does not say."""
    found = next((v for name in _TIMES if (v := entry.get(name)) is not None), None)
    if isinstance(found, dt.datetime):
        return found.timestamp()
    return float(found) if isinstance(found, int | float) else None
