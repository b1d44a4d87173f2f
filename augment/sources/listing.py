"""What a source holds, as Arrow columns: built in batches, so that a listing of millions
of files never stands in Python objects. Knows nothing of formats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

_TEXT = pa.dictionary(pa.int32(), pa.string())
LISTING_SCHEMA = pa.schema(
    [
        ("locator", pa.string()),
        ("label", _TEXT),
        ("split", _TEXT),
        ("size", pa.int64()),
        ("token", pa.string()),
    ]
)
"""locator: as stored. label: the source's own. split: of the result, "" where shares decide."""

_BATCH = 1 << 16


@dataclass(frozen=True)
class Listing:
    """One source. table: `LISTING_SCHEMA`. dropped: reason -> files or rows left out.
    row_groups: Parquet file -> first row of each of its row groups."""

    table: pa.Table
    dropped: Counter[str] = field(default_factory=Counter)
    row_groups: dict[str, tuple[int, ...]] = field(default_factory=dict)


class ListingBuilder:
    """Collects rows and keeps them as Arrow batches."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.row_groups: dict[str, tuple[int, ...]] = {}
        self._batches: list[pa.RecordBatch] = []
        self._rows: list[tuple[str, str, str, int, str]] = []

    def add(self, locator: str, label: str, split: str, size: int, token: str) -> None:
        self._rows.append((locator, label, split, size, token))
        if len(self._rows) >= _BATCH:
            self._flush()

    def add_batch(self, columns: dict[str, pa.Array]) -> None:
        """Rows that stand in Arrow already; columns as in `LISTING_SCHEMA`."""
        arrays = [columns[f.name].cast(f.type) for f in LISTING_SCHEMA]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=LISTING_SCHEMA))

    def finish(self) -> Listing:
        self._flush()
        table = pa.Table.from_batches(self._batches, LISTING_SCHEMA).unify_dictionaries()
        return Listing(table.combine_chunks(), self.dropped, self.row_groups)

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, LISTING_SCHEMA, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=LISTING_SCHEMA))
            self._rows = []
