"""Names of the images that stand in Parquet files, to see which are equal byte for byte.

Their bytes lie in the column, so all of it is read: only where it is not too much. Where the column
holds paths, the files are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import RequestError, SampleError, StorageError
from augment.sources.equal_files import equal_files, names_of
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


def hash_images(
    spec: ParquetSource, listing: Listing, most: int, options: Options | None = None
) -> np.ndarray | str:
    """(rows, 2) uint64 in the order of the listing: equal for equal images, (0, 0) where one
    cannot be read. An image in a column and one in a file are not compared. A text where nothing
    was compared, and why: the images take more than `most` bytes.

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
    files = dict(zip(texts, _of_files(folder, texts), strict=True))
    names = {
        file: names_of([files[x] if isinstance(x, str) else x for x in some])
        for file, some in found.items()
    }
    out = np.zeros((listing.table.num_rows, 2), np.uint64)
    for at, locator in enumerate(listing.table.column("locator").to_pylist()):
        file, _, row = locator.rpartition("#")
        if int(row) < len(names[file]):
            out[at] = names[file][int(row)]
    return out


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
        """A digest of the bytes of each row of a file, or its path; of fewer rows where it breaks
        off, which these will tell. Raises: _TooMuch."""
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
        return hashlib.sha256(b"bytes:" + item).digest()


def _raise_if_away(folder: Folder, error: Exception) -> None:
    if isinstance(error, StorageError) and not about_one_file(folder, error):
        raise error


# ---- files that rows name --------------------------------------------------------------


def _of_files(folder: Folder, texts: Sequence[str]) -> Iterator[bytes]:
    """A digest for each path, equal for files of equal bytes; b"" for what is no file."""
    infos = list(in_order(lambda text: _file(folder, text), texts, in_threads=not folder.is_local))
    there = sorted({info for info in infos if info is not None})
    columns = zip(*there, strict=True) if there else ((), (), ())
    kinds = (pa.string(), pa.int64(), pa.string())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    groups = equal_files(folder, pa.table(arrays, names=["locator", "size", "token"])).tolist()
    first: dict[int, str] = {}
    names: dict[str, str] = {}
    for info, group in zip(there, groups, strict=True):
        names[info.path] = info.path if group < 0 else first.setdefault(group, info.path)
    for found in infos:
        name = None if found is None else names[found.path]
        yield b"" if name is None else hashlib.sha256(b"path:" + name.encode()).digest()


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
