"""Images of one source that are equal byte for byte, whatever its format.

Asked only where splits are drawn by shares: an image that stands there twice must not be drawn
into two splits. What was not looked at, because that would read very much, is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from augment.sources.equal_files import equal_files, grouped
from augment.sources.fence import fenced
from augment.sources.listing import Listing
from augment.sources.parquet_equal import hash_images
from augment.spec.models import ImageFolderSource, ParquetSource, SourceSpec
from augment.storage import Folder, Options

MAX_PARQUET_BYTES = 1 << 30
"""Of the images of a Parquet source, above which they are not compared: their bytes lie in the
column, so that all of it would be read for every plan."""


@dataclass(frozen=True)
class EqualTold:
    """images: of the source. equal: of these, images with a twin. groups: different ones among
    those. skipped: why none was looked for, or ""."""

    images: int
    equal: int
    groups: int
    skipped: str = ""


@dataclass(frozen=True)
class Equal:
    """groups: (rows,) int64 in the order of the listing: one number for equal images, -1 for an
    image alone."""

    groups: np.ndarray
    skipped: str = ""

    @property
    def told(self) -> EqualTold:
        shared = self.groups[self.groups >= 0]
        return EqualTold(self.groups.size, shared.size, np.unique(shared).size, self.skipped)


def find_equal(spec: SourceSpec, listing: Listing, options: Options | None = None) -> Equal:
    """The equal images among those that are listed.

    Raises:
        StorageError: the source cannot be reached.
    """
    match spec:
        case ImageFolderSource():
            folder = fenced(Folder(spec.uri, options), spec)
            return Equal(equal_files(folder, listing.table))
        case ParquetSource():
            names = hash_images(spec, listing, MAX_PARQUET_BYTES, options)
            if isinstance(names, str):
                return Equal(np.full(listing.table.num_rows, -1, np.int64), names)
            return Equal(grouped(names))
        case _:
            assert_never(spec)
