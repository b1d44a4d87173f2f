"""Rows that do not say where they come from, with what their images say: columns beside those of
the shard, made when they are first asked for and kept for as long as the data set is open.

    marks           what a file says of how it was made (`codec.marks`); none: it says nothing
    sha256          of the bytes; null where a row has none
    pixels_sha256   of the decoded picture, if asked for; null where it cannot be decoded
    generated       whether the marks say so, for shards with neither `generated` nor `origin`

An image that takes too long, or cannot be read, says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from augment.audit.patience import Patience
from augment.audit.shard_file import image_bytes
from augment.audit.sizes import most_pixels
from augment.codec import CLAIMS, decode, pixels_sha256, read_header
from augment.errors import SampleError

_AT_ONCE = 64
_THREADS = 2
_MARKS = pa.list_(pa.string())


class OpenShard(Protocol):
    """What a shard gives to whoever reads it, a Parquet file or something else."""

    @property
    def schema_arrow(self) -> pa.Schema: ...
    @property
    def num_row_groups(self) -> int: ...
    @property
    def derived(self) -> frozenset[str]:
        """Columns that were made of the images."""
        ...

    def rows_in(self, group: int) -> int: ...
    def paths(self) -> list[str]: ...
    def leaves(self, name: str) -> list[str]: ...
    def iter_batches(
        self,
        batch_size: int = ...,
        row_groups: Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.RecordBatch]: ...
    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table: ...


class Look:
    """Over the shards of one data set. pixels: whether images are decoded, too."""

    def __init__(self, pixels: bool = False) -> None:
        self._pixels = pixels
        self._found: dict[str, pa.Table] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what was seen: another process asks for other things."""
        return {"_pixels": self._pixels, "_found": {}}

    def over(self, name: str, file: OpenShard) -> OpenShard:
        """The shard, which is known by its name, with what its rows lack; the very file where they
        say it all, as ours do, or have no images."""
        names = file.schema_arrow.names
        if "marks" in names or "image" not in names:
            return file
        lacking = [n for n in ("sha256", "pixels_sha256") if n not in names]
        if "pixels_sha256" in lacking and not self._pixels:
            lacking.remove("pixels_sha256")
        if "generated" not in names and "origin" not in names:
            lacking.append("generated")
        return LookedShard(file, ("marks", *lacking), lambda: self._seen(name, file))

    def _seen(self, name: str, file: OpenShard) -> pa.Table:
        if name not in self._found:
            self._found[name] = _look(file, self._pixels)
        return self._found[name]


class LookedShard:
    """A shard with columns beside its own. made: their names. seen: gives them, for every row."""

    def __init__(self, file: OpenShard, made: Sequence[str], seen: Any) -> None:
        self._file, self._seen, self._made = file, seen, frozenset(made)
        self.derived = file.derived | self._made
        fields = [pa.field(name, _TYPES[name]) for name in made]
        own = file.schema_arrow
        self.schema_arrow = pa.schema([*own, *fields], metadata=own.metadata)

    @property
    def num_row_groups(self) -> int:
        return self._file.num_row_groups

    def rows_in(self, group: int) -> int:
        """Rows of a row group."""
        return self._file.rows_in(group)

    def paths(self) -> list[str]:
        """All that can be asked for."""
        return [*self._file.paths(), *sorted(self._made)]

    def leaves(self, name: str) -> list[str]:
        """What to ask for to have a column."""
        return [name] if name in self._made else self._file.leaves(name)

    def iter_batches(
        self,
        batch_size: int = _AT_ONCE,
        row_groups: Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """As `pyarrow.parquet.ParquetFile` gives them."""
        asked = self.schema_arrow.names if columns is None else columns
        made = [name for name in asked if name in self._made]
        own = [name for name in asked if name not in self._made]
        groups = list(range(self.num_row_groups) if row_groups is None else row_groups)
        if not made:
            yield from self._file.iter_batches(batch_size, groups, own)
            return
        starts = [0]
        for group in range(self.num_row_groups):
            starts.append(starts[-1] + self.rows_in(group))
        seen: pa.Table = self._seen().select(made)
        for group in groups:
            at, stop = starts[group], starts[group + 1]
            for batch in self._of(group, batch_size, own, stop - at):
                yield _beside(batch, seen.slice(at, batch.num_rows))
                at += batch.num_rows

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """As `pyarrow.parquet.ParquetFile` gives it."""
        return pa.Table.from_batches(list(self.iter_batches(1 << 30, [group], columns)))

    def _of(self, group: int, size: int, own: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of the shard's own columns; some are asked for where none are wanted, so that
        the numbers of rows are right."""
        if own:
            yield from self._file.iter_batches(size, [group], own)
            return
        for start in range(0, rows, size):
            none = pa.nulls(min(size, rows - start))
            yield pa.RecordBatch.from_arrays([none], [""])


def _beside(batch: pa.RecordBatch, seen: pa.Table) -> pa.RecordBatch:
    names = [name for name in batch.schema.names if name]
    columns = [batch.column(name) for name in names]
    more = [column.combine_chunks() for column in seen.columns]
    return pa.RecordBatch.from_arrays([*columns, *more], [*names, *seen.column_names])


class _Said(NamedTuple):
    marks: tuple[str, ...] = ()
    sha256: str | None = None
    pixels_sha256: str | None = None


_TYPES = {
    "marks": _MARKS,
    "sha256": pa.string(),
    "pixels_sha256": pa.string(),
    "generated": pa.bool_(),
}


def _look(file: OpenShard, pixels: bool) -> pa.Table:
    """A row for each of the shard's, in order."""

    def work(row: dict[str, Any]) -> _Said:
        return _said(row, pixels)

    columns = [n for n in ("image", "width", "height") if n in file.schema_arrow.names]
    said: list[_Said] = []
    with Patience[dict[str, Any], _Said](work, lambda _: _Said(), _THREADS) as pool:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_AT_ONCE, [group], columns):
                said += pool.map(batch.to_pylist())
    made = [bool(CLAIMS.intersection(one.marks)) for one in said]
    return pa.table(
        {
            "marks": pa.array([list(one.marks) for one in said], _MARKS),
            "sha256": pa.array([one.sha256 for one in said], pa.string()),
            "pixels_sha256": pa.array([one.pixels_sha256 for one in said], pa.string()),
            "generated": pa.array(made, pa.bool_()),
        }
    )


def _said(row: dict[str, Any], pixels: bool) -> _Said:
    data = image_bytes(row.get("image"))
    if not data:
        return _Said()
    sha256, most = (
        hashlib.sha256(data).hexdigest(),
        most_pixels(row.get("width"), row.get("height")),
    )
    try:
        marks = read_header(data, most).marks
    except SampleError:
        return _Said(sha256=sha256)
    try:
        shown = pixels_sha256(decode(data, most)) if pixels else None
    except SampleError:
        shown = None
    return _Said(marks, sha256, shown)
