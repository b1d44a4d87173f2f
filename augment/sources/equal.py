"""Images that are equal byte for byte, within a source and across sources, whatever their formats.

Asked only where splits are drawn by shares: an image that stands there twice must not be drawn
into two splits. What was not looked at, because that would read very much, is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from augment.sources.equal_files import Images, equal_files
from augment.sources.fence import fenced
from augment.sources.listing import Listing
from augment.sources.parquet_equal import see_images
from augment.spec.models import ImageFolderSource, ParquetSource, SourceSpec
from augment.storage import Folder, Options

MAX_PARQUET_BYTES = 1 << 30
"""Of the images of a Parquet source, above which they are not compared: their bytes lie in the
column, so that all of it would be read for every plan."""


@dataclass(frozen=True)
class EqualTold:
    """images: of the source. equal: of these, images with a twin in any source. groups: different
    ones among those. skipped: why none was looked for, or "". apart: of `equal`, images of which
    a twin stands in another split, because no split could be the same."""

    images: int
    equal: int
    groups: int
    skipped: str = ""
    apart: int = 0


@dataclass(frozen=True)
class Equal:
    """groups: (rows,) int64 in the order of the listing: one number for equal images of all
    sources, -1 for an image alone. skipped: why none was looked for, or ""."""

    groups: np.ndarray
    skipped: str = ""


Compared = tuple[SourceSpec, Listing]


def find_equal(
    wanted: Sequence[Compared], others: Sequence[Compared] = (), options: Options | None = None
) -> list[Equal]:
    """For each source, those of `wanted` first, the images among those listed that equal one of
    `wanted`: in this source or in another one.

    Raises:
        StorageError: a source cannot be reached.
    """
    seen = [_images(spec, listing, options) for spec, listing in [*wanted, *others]]
    known = [images for images in seen if not isinstance(images, str)]
    about = [at < len(wanted) for at, images in enumerate(seen) if not isinstance(images, str)]
    groups = iter(equal_files(known, about))
    return [
        Equal(np.full(listing.table.num_rows, -1, np.int64), images)
        if isinstance(images, str)
        else Equal(next(groups))
        for images, (_, listing) in zip(seen, [*wanted, *others], strict=True)
    ]


def _images(spec: SourceSpec, listing: Listing, options: Options | None) -> Images | str:
    """What is compared of a source; a text where nothing is, and why."""
    match spec:
        case ImageFolderSource():
            table = listing.table
            sizes = table.column("size").to_numpy()
            folder = fenced(Folder(spec.uri, options), spec)
            return Images(folder, table.column("locator"), sizes, table.column("token"))
        case ParquetSource():
            return see_images(spec, listing, MAX_PARQUET_BYTES, options)
        case _:
            assert_never(spec)
