"""What a source holds, as Arrow columns: built in batches, so that a listing of millions
of files never stands in Python objects. Knows nothing of formats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from augment.sources.left_out import Losses, as_text

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
    """One source. table: `LISTING_SCHEMA`. losses: what is left out. row_groups: Parquet file ->
    first row of each of its row groups. folders: class folders, those without an image too."""

    table: pa.Table
    losses: Losses = field(default_factory=Losses)
    row_groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()


SoFar = Callable[[int], None]
"""Told now and then how many images were found up to now."""
_EVERY = 1024


def nobody(n: int) -> None:
    """Nobody wants to know."""


class ListingBuilder:
    """Collects rows and keeps them as Arrow batches. seen: is told how many."""

    def __init__(self, seen: SoFar = nobody) -> None:
        self._seen, self._count = seen, 0
        self.losses = Losses()
        self.row_groups: dict[str, tuple[int, ...]] = {}
        self.folders: set[str] = set()
        self._batches: list[pa.RecordBatch] = []
        self._rows: list[tuple[str, str, str, int, str]] = []

    def add(self, locator: str, label: str, split: str, size: int, token: str) -> None:
        self._rows.append((locator, label, split, size, token))
        self._count += 1
        if self._count % _EVERY == 0:
            self._seen(self._count)
        if len(self._rows) >= _BATCH:
            self._flush()

    def add_batch(self, columns: dict[str, pa.Array]) -> None:
        """Rows that stand in Arrow already; columns as in `LISTING_SCHEMA`."""
        arrays = [columns[f.name].cast(f.type) for f in LISTING_SCHEMA]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=LISTING_SCHEMA))
        self._count += len(self._batches[-1])
        self._seen(self._count)

    def finish(self) -> Listing:
        self._flush()
        table = pa.Table.from_batches(self._batches, LISTING_SCHEMA).unify_dictionaries()
        folders = frozenset(self.folders)
        return Listing(table.combine_chunks(), self.losses, self.row_groups, folders)

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, LISTING_SCHEMA, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=LISTING_SCHEMA))
            self._rows = []


def codes_of(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """(values, code of each row) of a dictionary column."""
    coded = column.unify_dictionaries()
    if not coded.num_chunks:
        return [], np.empty(0, np.int32)
    codes = [np.asarray(chunk.indices) for chunk in coded.chunks]
    return coded.chunk(0).dictionary.to_pylist(), np.concatenate(codes).astype(np.int32)


def by_label(column: pa.ChunkedArray) -> Counter[str]:
    """Label, as text -> rows."""
    names, codes = codes_of(column)
    counts = np.bincount(codes, minlength=len(names)) if len(codes) else np.zeros(len(names), int)
    found: Counter[str] = Counter()
    for name, n in zip(names, counts.tolist(), strict=True):
        if n:
            found[as_text(name)] += n
    return found
