"""The images that stand in Parquet files, as they are compared byte for byte.

Their bytes lie in the column, so all of it is read: only where it is not too much. Where the column
holds paths, the files are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import RequestError, SampleError, StorageError
from augment.sources.equal_files import Images, name_parts
from augment.sources.listing import Listing
from augment.sources.parquet_file import group_bytes, open_parquet, rows_at_once
from augment.sources.parquet_images import ImagePath, Item, items, plain
from augment.sources.parquet_paths import relative, too_long
from augment.sources.parquet_reading import locate
from augment.sources.reading import about_one_file, in_order
from augment.spec.models import ParquetSource
from augment.storage import FileInfo, Folder, Options

_ROWS = 64  # images that are held at once
MAX_REMOTE_PATHS = 100_000
"""Files that rows name in a remote store, of which each is asked for by itself."""


class _TooMuch(Exception):  # noqa: N818 - it ends a count
    """There is more than may be read."""


def see_images(
    spec: ParquetSource, listing: Listing, most: int, options: Options | None = None
) -> Images | str:
    """The images in the order of the listing. A text where none was looked at, and why: they take
    more than `most` bytes, or name too many files.

    Raises:
        StorageError: the source cannot be reached.
    """
    folder, _ = locate(spec, options)
    column = spec.columns.image
    size = sum(_size(folder, file) for file in listing.row_groups)
    if size > most:
        return f"its row groups take {size} bytes, of which up to {most} are read for it"
    try:
        seen = _Seen(folder, column, most)
        found = {file: seen.rows(file) for file in listing.row_groups}
    except _TooMuch:
        return f"its images take over {most} bytes, and no more are read for it"
    texts = sorted({x for some in found.values() for x in some if isinstance(x, str)})
    if not folder.is_local and len(texts) > MAX_REMOTE_PATHS:
        return f"its rows name {len(texts)} files, of which up to {MAX_REMOTE_PATHS} are asked for"
    infos = in_order(lambda text: _file(folder, text), texts, in_threads=not folder.is_local)
    files = dict(zip(texts, infos, strict=True))
    return _images(folder, listing.table.column("locator").to_pylist(), found, files)


def _images(
    folder: Folder,
    locators: Sequence[str],
    found: Mapping[str, Sequence[bytes | str]],
    files: Mapping[str, FileInfo | None],
) -> Images:
    """Of each row what is known of it: its file, or its parts; its size is 0 where neither is."""
    rows = np.zeros((len(locators), 1 + 3 * 2), np.uint64)
    there: list[FileInfo | None] = []
    for at, locator in enumerate(locators):
        file, _, row = locator.rpartition("#")
        one = found[file][int(row)] if int(row) < len(found[file]) else b""
        there.append(files[one] if isinstance(one, str) else None)
        if isinstance(one, bytes) and one:
            rows[at] = np.frombuffer(one, np.uint64)
    sizes = rows[:, 0].astype(np.int64)
    filed = [at for at, info in enumerate(there) if info is not None]
    sizes[filed] = [info.size for info in there if info is not None]
    return Images(
        folder,
        pa.array([info and info.path for info in there], pa.string()),
        sizes,
        pa.array([info and info.token for info in there], pa.string()),
        rows[:, 1:].reshape(-1, 3, 2),
    )


def _size(folder: Folder, file: str) -> int:
    """What it takes in memory, as its footer says; 0 where it cannot be read any more."""
    try:
        with open_parquet(folder, file) as parquet:
            return sum(group_bytes(parquet, group) for group in range(parquet.num_row_groups))
    except (pa.ArrowException, OSError, StorageError) as error:
        _raise_if_away(folder, error)
        return 0


class _Seen:
    """The rows of files, as what names their images; counts what is read."""

    def __init__(self, folder: Folder, column: str, most: int) -> None:
        self._folder, self._column, self._left = folder, column, most

    def rows(self, file: str) -> list[bytes | str]:
        """The size and the names of the parts of each row of a file (b"" where it is no image), or
        its path; of fewer rows where it breaks off, which these will tell. Raises: _TooMuch."""
        found: list[bytes | str] = []
        try:
            with open_parquet(self._folder, file) as parquet:
                for batch in self._batches(parquet):
                    column = plain(pa.chunked_array([batch.column(0)]))
                    found += map(self._named, items(column, file))
        except (pa.ArrowException, OSError, StorageError) as error:
            _raise_if_away(self._folder, error)
        return found

    def _batches(self, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        for group in range(file.num_row_groups):
            rows = rows_at_once(file, group, _ROWS)
            yield from file.iter_batches(rows, row_groups=[group], columns=[self._column])

    def _named(self, item: Item) -> bytes | str:
        if isinstance(item, SampleError):
            return b""
        if isinstance(item, ImagePath):
            return b"" if too_long(item.text) else item.text
        self._left -= len(item)
        if self._left < 0:
            raise _TooMuch
        return len(item).to_bytes(8, sys.byteorder) + name_parts(item) if item else b""


def _raise_if_away(folder: Folder, error: Exception) -> None:
    if isinstance(error, StorageError) and not about_one_file(folder, error):
        raise error


def _file(folder: Folder, text: str) -> FileInfo | None:
    """The file that a text of an image column means, as it is read for its row."""
    for path in relative(text, folder.uri):
        try:
            return folder.info(path)
        except (FileNotFoundError, RequestError):
            continue
        except StorageError as error:
            _raise_if_away(folder, error)
            return None
    return None
