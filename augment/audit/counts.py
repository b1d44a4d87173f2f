"""Counts of rows by cell, from the rows themselves and from the log, and whether they agree.

The log's figures are the cubes that each commit left in `_provenance/`, joined to the live
shards. Everything is grouped batch by batch; no Python object is made per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import CELL, Facts
from augment.audit.findings import Finding
from augment.audit.table import DataSet, provenance_batches, read_provenance
from augment.sample import COUNTS_SCHEMA, GENERATED_ORIGINS

_LOG_CELL = ("shard", "split", "label_name", "origin", "generator")
_SIDES = [*_LOG_CELL, "rows", "log"]
_MERGED = 64  # parts of a sum that are held at once
_MOST = 20  # disagreeing cells that are listed one by one
_COUNT_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        *((name, pa.bool_() if name == "generated" else pa.string()) for name in CELL),
        ("n", pa.int64()),
    ]
)


class Counter:
    """Counts rows by (shard, cell) as batches pass by."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []

    def add(self, facts: Facts) -> None:
        """Count a batch."""
        cells = facts.rows.select(CELL).group_by(list(CELL)).aggregate([([], "count_all")])
        shard = pa.array([facts.shard] * cells.num_rows, pa.string())
        columns = [shard, *(cells[name] for name in CELL), cells["count_all"]]
        self._parts.append(pa.table(columns, schema=_COUNT_SCHEMA))

    def take(self, counts: pa.Table) -> None:
        """Add what was counted elsewhere, as `table` gives it."""
        self._parts.append(counts)

    def table(self) -> pa.Table:
        """shard, `CELL` columns, n (int64); one row per cell of a shard."""
        if not self._parts:
            return _COUNT_SCHEMA.empty_table()
        return total(pa.concat_tables(self._parts), ("shard", *CELL))


def total(table: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """`table` summed over everything but `keys`: the keys and n."""
    summed = table.group_by(list(keys)).aggregate([("n", "sum")])
    return summed.rename_columns([*keys, "n"])


def read_log(data: DataSet) -> pa.Table:
    """The cubes of all jobs, for live shards only (COUNTS_SCHEMA).

    A cube that a broken commit left behind says the same of a shard, whose name holds its
    hash; so equal lines count once.

    Raises:
        StorageError: a cube is damaged.
    """
    cubes = [cube.select(COUNTS_SCHEMA.names) for _, cube in read_provenance(data, "counts")]
    if not cubes:
        return COUNTS_SCHEMA.empty_table()
    live = pa.array([shard.path for shard in data.shards], pa.string())
    every = pa.concat_tables([cube.cast(COUNTS_SCHEMA) for cube in cubes])
    every = every.filter(pc.is_in(every["shard"], value_set=live))
    return every.group_by(COUNTS_SCHEMA.names).aggregate([]).select(COUNTS_SCHEMA.names)


@dataclass(frozen=True)
class LogCounts:
    """What cubes alone say of the live shards. cells: as `Counter.table`, summed over all shards
    (shard is ""), without sources. shards: the columns shard and n (int64), of those that a cube
    names."""

    cells: pa.Table
    shards: pa.Table


def count_log(data: DataSet) -> LogCounts:
    """The cubes of all jobs summed, a million lines in memory at a time. Of a shard that several
    cubes name the first one counts.

    Raises:
        StorageError: a cube is damaged.
    """
    wanted = pa.array([shard.path for shard in data.shards], pa.string())
    cells, shards, now = _Sum(_LOG_CELL[1:]), _Sum(("shard",)), ""
    taken: list[pa.Array] = []
    for path, batch in provenance_batches(data, "counts", COUNTS_SCHEMA.names):
        if path != now:
            for names in taken:
                wanted = wanted.filter(pc.invert(pc.is_in(wanted, value_set=names)))
            now, taken = path, []
        lines = pa.Table.from_batches([batch]).select(COUNTS_SCHEMA.names).cast(COUNTS_SCHEMA)
        lines = lines.filter(pc.is_in(lines["shard"], value_set=wanted))
        taken.append(pc.unique(lines["shard"]))
        cells.add(lines)
        shards.add(lines)
    return LogCounts(_as_counted(cells.table()), shards.table())


class _Sum:
    """n over lines of `COUNTS_SCHEMA`, by some columns."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys
        self._parts = [total(COUNTS_SCHEMA.empty_table(), keys)]

    def add(self, lines: pa.Table) -> None:
        self._parts.append(total(lines, self._keys))
        if len(self._parts) > _MERGED:
            self._parts = [self.table()]

    def table(self) -> pa.Table:
        return total(pa.concat_tables(self._parts), self._keys)


def _as_counted(cells: pa.Table) -> pa.Table:
    """A row is generated where its origin says so, or some generator stands in it."""
    origins = pa.array([origin.value for origin in GENERATED_ORIGINS], pa.string())
    generated = pc.or_(
        pc.is_in(cells["origin"], value_set=origins), pc.is_valid(cells["generator"])
    )
    columns = {name: cells[name] for name in (*_LOG_CELL[1:], "n")}
    columns["generated"] = generated
    columns["shard"] = pa.repeat(pa.scalar("", pa.string()), cells.num_rows)
    columns["source"] = pa.nulls(cells.num_rows, pa.string())
    return pa.table([columns[name] for name in _COUNT_SCHEMA.names], schema=_COUNT_SCHEMA)


def compare(rows: pa.Table, log: pa.Table) -> list[Finding]:
    """Every cell of a shard whose two figures differ, and every shard without a cube."""
    named = set(pc.unique(log["shard"]).to_pylist())
    counted = _per_shard(rows)
    found = [_no_cube(path, n) for path, n in sorted(counted.items()) if n and path not in named]
    return found + _cells(_side_by_side(rows, log, named))


def compare_lengths(data: DataSet, rows: pa.Table) -> list[Finding]:
    """Every shard whose number of rows is not what the Delta log says."""
    counted = _per_shard(rows)
    return [
        Finding(
            "log",
            f"shard {shard.path}: holds {counted.get(shard.path, 0)} rows, "
            f"the Delta log says {shard.rows}",
        )
        for shard in data.shards
        if shard.rows is not None and shard.rows != counted.get(shard.path, 0)
    ]


def _side_by_side(rows: pa.Table, log: pa.Table, named: set[str]) -> pa.Table:
    """_LOG_CELL, rows, log: the cells that differ, in order. One group_by instead of a join,
    for a join drops null keys."""
    rows = rows.filter(pc.is_in(rows["shard"], value_set=pa.array(sorted(named), pa.string())))
    sides = [
        pa.table([*(rows[k] for k in _LOG_CELL), rows["n"], _zeros(rows)], names=_SIDES),
        pa.table([*(log[k] for k in _LOG_CELL), _zeros(log), log["n"]], names=_SIDES),
    ]
    both = pa.concat_tables(sides).group_by(list(_LOG_CELL))
    both = both.aggregate([("rows", "sum"), ("log", "sum")])
    both = both.filter(pc.not_equal(both["rows_sum"], both["log_sum"]))
    return both.sort_by([(name, "ascending") for name in _LOG_CELL])


def _zeros(like: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int64()), like.num_rows)


def _cells(differing: pa.Table) -> list[Finding]:
    shown = [Finding("log", _cell_text(cell)) for cell in differing.slice(0, _MOST).to_pylist()]
    if (more := differing.num_rows - _MOST) > 0:
        shown.append(Finding("log", f"{more} more cells of rows and log differ", more))
    return shown


def _cell_text(cell: Mapping[str, object]) -> str:
    generator = f", generator {cell['generator']}" if cell["generator"] else ""
    return (
        f"shard {cell['shard']}: split {cell['split']}, class {cell['label_name']!r}, "
        f"{cell['origin']}{generator}: {cell['rows_sum']} rows, the log says {cell['log_sum']}"
    )


def _no_cube(shard: str, n: int) -> Finding:
    return Finding(
        "log",
        f"shard {shard}: no counts cube in _provenance/ names it, so its {n} rows stand "
        "outside the log",
        n,
    )


def _per_shard(rows: pa.Table) -> dict[str, int]:
    summed = total(rows, ("shard",))
    return dict(zip(summed["shard"].to_pylist(), summed["n"].to_pylist(), strict=True))
