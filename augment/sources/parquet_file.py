"""Opening a Parquet file of somebody else: what it is not is said before a library stumbles.

Knows nothing of columns.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from augment.storage import Folder

MAX_FOOTER_BYTES = 64 << 20
"""A row group and column take some hundred bytes of it: room for a hundred thousand of them."""
MAX_GROUP_ROWS = 1 << 24
"""Labels of a row group are read at once."""
MAX_IMAGE_BYTES = 8 << 30
"""And so are its images, as far as they are needed."""
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"


class NotParquet(OSError):  # noqa: N818 - it names the state of a file
    """A file that is not read, and why."""


@contextlib.contextmanager
def open_parquet(folder: Folder, path: str, buffered: bool = False) -> Iterator[pq.ParquetFile]:
    """The file, open. buffered: columns are read bit by bit, for who wants the first values.

    Raises: NotParquet, pyarrow.ArrowException, OSError, StorageError.
    """
    ahead = {"buffer_size": 1 << 16, "pre_buffer": False} if buffered else {}
    try:
        with folder.open(path) as opened:
            if folder.is_local:  # a remote file is not asked twice for its end
                _check_end(opened)
            with pq.ParquetFile(opened, **ahead) as file:
                _check_groups(file)
                yield file
    except (UnicodeError, OverflowError, RuntimeError) as error:  # of pyarrow, which foresaw none
        raise NotParquet(said(error)) from error


def _check_groups(file: pq.ParquetFile) -> None:
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if not 0 <= rows <= MAX_GROUP_ROWS:
            raise NotParquet(f"row group {group} has {rows} rows, more than 2^24")


def image_bytes(file: pq.ParquetFile, group: int, column: str) -> int:
    """What a column of a row group takes in memory, as the footer has it."""
    facts = file.metadata.row_group(group)
    top = column.partition(".")[0]
    return sum(
        facts.column(i).total_uncompressed_size
        for i in range(facts.num_columns)
        if facts.column(i).path_in_schema.partition(".")[0] == top
    )


def _check_end(opened: BinaryIO) -> None:
    size = opened.seek(0, os.SEEK_END)
    if size < 12:
        raise NotParquet(f"{size} bytes" if size else "an empty file")
    opened.seek(size - 8)
    end = opened.read(8)
    if end[4:] == _ENCRYPTED:
        raise NotParquet("its footer is encrypted")
    if end[4:] != _MAGIC:
        raise NotParquet("it ends without a footer: cut off, or no Parquet file")
    footer = int.from_bytes(end[:4], "little")
    if footer > MAX_FOOTER_BYTES:
        raise NotParquet(f"a footer of {footer} bytes, more than {MAX_FOOTER_BYTES}")
    opened.seek(0)


def said(error: Exception) -> str:
    """The first line of what a library says of a file, at most 300 characters of it."""
    text = " ".join((str(error) or type(error).__name__).splitlines()[:1])
    return text if len(text) <= 300 else f"{text[:297]}..."


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
