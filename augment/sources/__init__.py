"""Real data: what is there (the census) and its bytes, read lazily.

    take_census   lists every source of a job; labels come without reading a pixel
    open_source   the bytes of census rows, in the order asked for

One file per format (imagefolder.py, parquet.py); census.py joins them. Knows nothing of
quotas, units or Ray.
"""

from __future__ import annotations

from typing import assert_never

from augment.sources.census import Census, take_census
from augment.sources.imagefolder import ImageFolderReader
from augment.sources.parquet import ParquetReader
from augment.sources.reading import SourceReader
from augment.spec.models import ImageFolderSource, ParquetSource
from augment.storage import Options

__all__ = ["Census", "SourceReader", "block_of", "open_source", "take_census"]

_ROWS_READ_TOGETHER = 1000


def open_source(
    name: str, spec: ImageFolderSource | ParquetSource, options: Options | None = None
) -> SourceReader:
    """The reader of one source. options: fsspec options by protocol. Opens nothing yet."""
    match spec:
        case ImageFolderSource():
            return ImageFolderReader(name, spec, options)
        case ParquetSource():
            return ParquetReader(name, spec, options)
        case _:
            assert_never(spec)


def block_of(locator: str, format: str) -> str:
    """What is likely read together with a row, from its locator alone; "": the row alone.
    `Census.blocks` knows the true row groups."""
    if format != "parquet":
        return ""
    file, _, row = locator.rpartition("#")
    return f"{file}#{int(row) // _ROWS_READ_TOGETHER}"
