"""Which rows of a committed data set a retry makes: those that were left out, and samples of
the pool that failed and have been made since, for the cells that they left short.

Pure index work over records; the units are frozen by `retry.py` before the first is built.
Rows that are committed are never touched: new ones get the ranks after theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from augment.intervals import Intervals
from augment.mix import MixUnit, PoolSlice, cut_mix_units
from augment.plan import Draw, Plan
from augment.run.mixing.mix import Arrangement
from augment.run.mixing.retry_unit import Part, RetryUnit
from augment.run.prepare import Frozen
from augment.run.synthesis.accounts import Synthesis
from augment.write import Record

_LEAST_ROWS = 1000
Cell = tuple[str, str, str]
"""generator, class, split"""


@dataclass
class Outstanding:
    """Rows that were planned and are not in the data set. rows: sample id -> quarantine row.
    homes: sample id -> the unit that it was first part of."""

    rows: dict[str, Mapping[str, Any]]
    homes: dict[str, MixUnit]


def outstanding(
    arrangement: Arrangement, first: Iterable[Record], later: Iterable[tuple[Record, RetryUnit]]
) -> Outstanding:
    """What the first run left out, less what later retries made. later: in their order."""
    units = {unit.name: unit for unit in arrangement.units}
    found = Outstanding({}, {})
    for record in first:
        _add(found, record, units.get(record["unit"]))
    for record, unit in later:
        tried = {i: found.homes.pop(i, None) for i in record["tried"]}
        for sample_id in tried:
            found.rows.pop(sample_id, None)
        for row in record["quarantine"]:
            home = tried.get(row["sample_id"]) or unit.fresh
            _add(found, {**record, "quarantine": [row]}, home)
    return found


def _add(found: Outstanding, record: Record, home: MixUnit | None) -> None:
    for row in record["quarantine"]:
        found.rows[row["sample_id"]] = {**row, "unit": record["unit"]}
        if home is not None:
            found.homes[row["sample_id"]] = home


def again_units(found: Outstanding, attempt: int, rows_per_unit: int) -> list[RetryUnit]:
    """Units that make the outstanding rows; each holds parts of some earlier units."""
    by_home: dict[int, tuple[MixUnit, list[Mapping[str, Any]]]] = {}
    for sample_id, home in sorted(found.homes.items()):
        by_home.setdefault(id(home), (home, []))[1].append(found.rows[sample_id])
    parts = sorted((_part(*one) for one in by_home.values()), key=lambda p: p.unit.name)
    out: list[RetryUnit] = []
    for split in sorted({part.unit.split for part in parts}):
        own = [part for part in parts if part.unit.split == split]
        groups = list(_grouped(own, rows_per_unit))
        out += [RetryUnit(split, attempt, i, tuple(g)) for i, g in enumerate(groups)]
    return out


def _part(home: MixUnit, rows: Sequence[Mapping[str, Any]]) -> Part:
    real = frozenset((r["source"], r["locator"]) for r in rows if r["locator"] is not None)
    made = any(r["locator"] is None for r in rows)
    return Part(home, frozenset(r["sample_id"] for r in rows), real, made)


def _grouped(parts: Iterable[Part], rows: int) -> Iterator[list[Part]]:
    group: list[Part] = []
    for part in parts:
        if group and sum(len(p.ids) for p in group) + len(part.ids) > rows:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def fresh_units(
    frozen: Frozen,
    synthesis: Synthesis,
    taken: Mapping[Cell, Intervals],
    attempt: int,
    first: Mapping[str, int],
) -> list[RetryUnit]:
    """Units of pool rows that short cells can take now. taken: what the data set has of each
    cell. first: split -> the number of its first unit."""
    more = lacking(frozen.plan.draws, synthesis.accepted, taken)
    rows: dict[str, int] = {}
    for (_, _, split), indexes in more.items():
        rows[split] = rows.get(split, 0) + len(indexes)
    counts = {s: -(-n // rows_per_unit(frozen.plan, s)) for s, n in rows.items() if n}
    wanted = {cell: indexes for cell, indexes in more.items() if indexes}
    cut = cut_mix_units(counts, {}, synthesis.groups(), wanted, frozen.prepared.job.spec.seed)
    return [
        RetryUnit(
            unit.split,
            attempt,
            first.get(unit.split, 0) + unit.number,
            fresh=replace(unit, pool=tuple(_later(part, taken) for part in unit.pool)),
        )
        for unit in cut
        if unit.pool
    ]


def rows_per_unit(plan: Plan, split: str) -> int:
    """About as many as the split's first units have."""
    rows = sum(cell.n for cell in plan.cells if cell.split == split)
    return max(_LEAST_ROWS, rows // max(1, plan.units.get(split, 1)))


def taken_of(arrangement: Arrangement, later: Iterable[RetryUnit]) -> dict[Cell, Intervals]:
    """The pool indexes that a data set drew."""
    out: dict[Cell, Intervals] = {}
    units = [*arrangement.units, *(u.fresh for u in later if u.fresh is not None)]
    for unit in units:
        for part in unit.pool:
            for label, indexes, _ in part.selected:
                cell = (part.generator, label, part.split)
                out[cell] = out.get(cell, Intervals()) | indexes
    return out


def lacking(
    draws: Sequence[Draw],
    accepted: Mapping[tuple[str, str], Intervals],
    taken: Mapping[Cell, Intervals],
) -> dict[Cell, Intervals]:
    """What each cell lacks and can have: its exact indexes, else the lowest that nobody took.
    accepted: (generator, class) -> indexes that passed."""
    free = dict(accepted)
    for (generator, label, _), indexes in taken.items():
        key = (generator, label)
        free[key] = free.get(key, Intervals()) - indexes
    have = {cell: len(indexes) for cell, indexes in taken.items()}
    out: dict[Cell, Intervals] = {}
    for draw in sorted(draws, key=lambda d: d.exact is None):
        cell = (draw.generator, draw.label_name, draw.split)
        key = (draw.generator, draw.label_name)
        rest = free.get(key, Intervals())
        spent = min(draw.n, have.get(cell, 0))
        have[cell] = have.get(cell, 0) - spent
        got = rest & draw.exact if draw.exact is not None else rest.take(0, draw.n - spent)
        free[key] = rest - got
        out[cell] = out.get(cell, Intervals()) | got
    return out


def _later(part: PoolSlice, taken: Mapping[Cell, Intervals]) -> PoolSlice:
    """The slice with the ranks that come after those of the rows that are there."""
    return replace(
        part,
        selected=tuple(
            (label, indexes, rank + len(taken.get((part.generator, label, part.split), ())))
            for label, indexes, rank in part.selected
        ),
    )
