"""A file of a remote store, open for reading, whose troubles are told as storage's own.

A store may go away between two reads of one file. Readers above (Parquet, downloads) tell
such a moment from a bad file by the kind of error alone. Knows nothing of how the store is
reached.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

Telling = Callable[[], AbstractContextManager[None]]
"""Turns what is raised inside into FileNotFoundError or StorageError."""


class RemoteFile(io.BufferedIOBase):
    """Seekable. file: as fsspec opened it."""

    def __init__(self, file: Any, telling: Telling) -> None:
        self._file = file
        self._telling = telling

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with self._telling():
            return cast(bytes, self._file.read(-1 if size is None else size))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
