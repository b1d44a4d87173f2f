"""Opening a Parquet file of somebody else: what it is not is said before a library stumbles.

Knows nothing of what columns mean.
"""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from augment.sources.parquet_images import plain
from augment.storage import Folder

MAX_FOOTER_BYTES = 64 << 20
"""A row group and column take some hundred bytes of it: room for a hundred thousand of them."""
MAX_GROUP_ROWS = 1 << 24
"""Labels of a row group are read at once."""
MAX_IMAGE_BYTES = 8 << 30
"""And so are its images, as far as they are needed."""
_READ = 64  # rows of images
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


def group_bytes(file: pq.ParquetFile, group: int) -> int:
    """What a row group takes, decompressed, as the footer has it; a value that a dictionary holds
    counts once. Of all its columns: to ask for one of them ends the process where a footer's
    histograms are damaged (pyarrow 26: `terminate called`)."""
    size: int = file.metadata.row_group(group).total_byte_size
    return size


_AT_ONCE = 1 << 30


def rows_at_once(file: pq.ParquetFile, group: int, most: int) -> int:
    """1 to `most` rows, that take no more than 1 GiB in memory whatever they hold, or it is one
    row: a value that the file holds once may stand in each of them."""
    return max(1, min(most, _AT_ONCE // max(1, group_bytes(file, group))))


def read_rows(
    file: pq.ParquetFile,
    group: int,
    column: str,
    numbers: Sequence[int],
    most: int = MAX_IMAGE_BYTES,
) -> pa.ChunkedArray:
    """These rows of a row group, ascending; the others are let go while they are read.

    Raises:
        NotParquet: the row group, or these rows of it, takes more than `most` bytes.
    """
    _check_size(group_bytes(file, group), most)
    parts: list[pa.Array] = []
    start = taken = size = 0
    rows = rows_at_once(file, group, _READ)
    for batch in file.iter_batches(rows, row_groups=[group], columns=[column]):
        stop = bisect_left(numbers, start + batch.num_rows, taken)
        if stop > taken:
            wanted = pa.array([n - start for n in numbers[taken:stop]], pa.int64())
            part = plain(pa.chunked_array([batch.column(column)])).take(wanted)
            size += part.nbytes
            _check_size(size, most)
            parts += part.chunks
        start, taken = start + batch.num_rows, stop
        if taken == len(numbers):
            break
    return pa.chunked_array(parts)


def _check_size(size: int, most: int) -> None:
    if not 0 <= size <= most:
        raise NotParquet(f"it takes {size} bytes in memory, more than {most}")


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
