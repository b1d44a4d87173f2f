"""Names of the images that stand in Parquet files, to see which are equal byte for byte.

Their bytes lie in the column, so all of it is read: only of files that are not too large together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import StorageError
from augment.sources.equal_files import names_of
from augment.sources.listing import Listing
from augment.sources.parquet_reading import locate
from augment.spec.models import ParquetSource
from augment.storage import Folder, Options

_ROWS = 64  # images that are held at once


def hash_images(
    spec: ParquetSource, listing: Listing, most: int, options: Options | None = None
) -> np.ndarray | str:
    """(rows, 2) uint64 in the order of the listing: 16 bytes of the SHA-256 of each image, of its
    path where the column holds paths; (0, 0) where it cannot be read. A text where nothing was
    read, and why: the files have more than `most` bytes.

    Raises:
        StorageError: the source cannot be reached.
    """
    folder, _ = locate(spec, options)
    size = sum(folder.info(file).size for file in listing.row_groups)
    if size > most:
        return f"its files have {size} bytes, of which up to {most} are read for it"
    names = {f: names_of(list(_digests(folder, f, spec))) for f in listing.row_groups}
    out = np.zeros((listing.table.num_rows, 2), np.uint64)
    for at, locator in enumerate(listing.table.column("locator").to_pylist()):
        file, _, row = locator.rpartition("#")
        if int(row) < len(names[file]):
            out[at] = names[file][int(row)]
    return out


def _digests(folder: Folder, file: str, spec: ParquetSource) -> Iterator[bytes]:
    """Of each row of a file; of fewer where it breaks off, which its rows will tell."""
    column = spec.columns.image
    try:
        with folder.open(file) as opened, pq.ParquetFile(opened) as parquet:
            for batch in parquet.iter_batches(_ROWS, columns=[column]):
                yield from map(_digest, batch.column(0).to_pylist())
    except (pa.ArrowException, OSError):
        return
    except StorageError:
        if not folder.is_local:
            raise


def _digest(value: Any) -> bytes:
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        value = path if data is None else data
    if not value:
        return b""
    kind, raw = (b"path:", value.encode()) if isinstance(value, str) else (b"bytes:", value)
    return hashlib.sha256(kind + raw).digest()
