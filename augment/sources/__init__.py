"""Real data: what is there (the census) and its bytes, read lazily.

    take_census   lists every source of a job; labels come without reading a pixel
    open_source   the bytes of census rows, in the order asked for

One file per format (imagefolder.py, parquet.py); census.py joins them. Knows nothing of
quotas, units or Ray.
"""

from __future__ import annotations

from typing import assert_never

from augment.sources.census import Census, take_census
from augment.sources.left_out import LeftOut, read_left_out
from augment.sources.parquet import ParquetReader, look_at_parquet
from augment.sources.reading import FileReader, SourceReader
from augment.spec.models import ImageFolderSource, ParquetSource, SourceSpec
from augment.storage import Options

__all__ = [
    "Census",
    "LeftOut",
    "SourceReader",
    "look_at_parquet",
    "open_source",
    "read_left_out",
    "take_census",
]


def open_source(name: str, spec: SourceSpec, options: Options | None = None) -> SourceReader:
    """The reader of one source. options: fsspec options by protocol. Opens nothing yet."""
    match spec:
        case ImageFolderSource():
            return FileReader(name, spec, options)
        case ParquetSource():
            return ParquetReader(name, spec, options)
        case _:
            assert_never(spec)
