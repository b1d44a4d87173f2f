"""Names of the images that stand in Parquet files, to see which are equal byte for byte.

Their bytes lie in the column, so all of it is read: only where it is not too much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from augment.errors import SampleError, StorageError
from augment.sources.equal_files import names_of
from augment.sources.listing import Listing
from augment.sources.parquet_file import image_bytes, open_parquet
from augment.sources.parquet_images import ImagePath, Item, items, plain
from augment.sources.parquet_reading import locate
from augment.sources.reading import about_one_file
from augment.spec.models import ParquetSource
from augment.storage import Folder, Options

_ROWS = 64  # images that are held at once


def hash_images(
    spec: ParquetSource, listing: Listing, most: int, options: Options | None = None
) -> np.ndarray | str:
    """(rows, 2) uint64 in the order of the listing: 16 bytes of the SHA-256 of each image, of its
    path where the column holds paths; (0, 0) where it cannot be read. A text where nothing was
    read, and why: the images take more than `most` bytes.

    Raises:
        StorageError: the source cannot be reached.
    """
    folder, _ = locate(spec, options)
    column = spec.columns.image
    size = sum(_size(folder, file, column) for file in listing.row_groups)
    if size > most:
        return f"its images take {size} bytes, of which up to {most} are read for it"
    names = {f: names_of(list(_digests(folder, f, column))) for f in listing.row_groups}
    out = np.zeros((listing.table.num_rows, 2), np.uint64)
    for at, locator in enumerate(listing.table.column("locator").to_pylist()):
        file, _, row = locator.rpartition("#")
        if int(row) < len(names[file]):
            out[at] = names[file][int(row)]
    return out


def _size(folder: Folder, file: str, column: str) -> int:
    """What its images take in memory; 0 where it cannot be read any more."""
    try:
        with open_parquet(folder, file) as parquet:
            groups = range(parquet.num_row_groups)
            return sum(image_bytes(parquet, group, column) for group in groups)
    except (pa.ArrowException, OSError, StorageError) as error:
        _raise_if_away(folder, error)
        return 0


def _digests(folder: Folder, file: str, column: str) -> Iterator[bytes]:
    """Of each row of a file; of fewer where it breaks off, which its rows will tell."""
    try:
        with open_parquet(folder, file) as parquet:
            for batch in parquet.iter_batches(_ROWS, columns=[column]):
                for item in items(plain(pa.chunked_array([batch.column(0)])), file):
                    yield _digest(item)
    except (pa.ArrowException, OSError, StorageError) as error:
        _raise_if_away(folder, error)


def _raise_if_away(folder: Folder, error: Exception) -> None:
    if isinstance(error, StorageError) and not about_one_file(folder, error):
        raise error


def _digest(item: Item) -> bytes:
    if isinstance(item, SampleError):
        return b""
    of_path = isinstance(item, ImagePath)
    data = item.text.encode() if isinstance(item, ImagePath) else item
    return hashlib.sha256((b"path:" if of_path else b"bytes:") + data).digest()
