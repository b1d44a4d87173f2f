"""Mix units: what each shard of a data set is made of.

Of every split, unit i of U gets an equal slice of the frozen census and whole row groups
of the pool, as evenly as whole row groups can be; only where there are fewer row groups
than units is a row group shared. Pure: same arguments, same units.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from augment.intervals import Intervals
from augment.mix.runs import clip, ranked_runs
from augment.mix.select import Cell
from augment.seeds import Permutation

Selected = tuple[tuple[str, Intervals, int], ...]


@dataclass(frozen=True)
class PoolGroup:
    """One row group of a pool shard. accepted: class -> indexes in it that passed."""

    shard: str
    row_group: int
    generator: str
    accepted: Mapping[str, Intervals]


@dataclass(frozen=True)
class PoolSlice:
    """The rows that a unit takes of a row group.

    selected: (class, indexes, first rank): the j-th smallest of the indexes has the rank
    `first rank + j` within split x class x generator. A class may come more than once.
    """

    shard: str
    row_group: int
    generator: str
    split: str
    selected: Selected

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes, _ in self.selected)

    def to_json(self) -> dict[str, Any]:
        selected = [[name, indexes.to_json(), rank] for name, indexes, rank in self.selected]
        return {
            "shard": self.shard,
            "row_group": self.row_group,
            "generator": self.generator,
            "split": self.split,
            "selected": selected,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PoolSlice:
        selected = tuple((name, Intervals(spans), rank) for name, spans, rank in value["selected"])
        return cls(**{**value, "selected": selected})


@dataclass(frozen=True)
class MixUnit:
    """One shard to be made. census: (start, stop) of its rows in the frozen census."""

    split: str
    number: int
    census: tuple[int, int]
    pool: tuple[PoolSlice, ...] = ()

    @property
    def name(self) -> str:
        """`<split>-00007`: unique within a job."""
        return f"{self.split}-{self.number:05d}"

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "number": self.number,
            "census": list(self.census),
            "pool": [part.to_json() for part in self.pool],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MixUnit:
        start, stop = value["census"]
        pool = tuple(PoolSlice.from_json(part) for part in value["pool"])
        return cls(value["split"], value["number"], (start, stop), pool)


def cut_mix_units(
    units: Mapping[str, int],
    census_rows: Mapping[str, tuple[int, int]],
    groups: Sequence[PoolGroup],
    selected: Mapping[Cell, Intervals],
    seed: int,
) -> list[MixUnit]:
    """All units of a job: split by split in order of name, numbered from 0.

    units: split -> number of its units. census_rows: split -> (start, stop) in the frozen
    census. selected: (generator, class, split) -> indexes, as `select` gives them. Every
    selected index stands in exactly one unit; a split's units differ in selected rows by
    no more than its largest row group has, and by at most one row where groups are shared.

    Raises:
        ValueError: rows of a split that has no units; a selected index that no row group
        holds, or two do.
    """
    _check_splits(units, census_rows, selected)
    out: list[MixUnit] = []
    for split in sorted(units):
        start, stop = census_rows.get(split, (0, 0))
        n, count = stop - start, units[split]
        wanted = {(g, c): s for (g, c, at), s in selected.items() if at == split and s}
        pool = _spread(_slices(groups, wanted, split), count, (seed, "pool", split))
        out += [
            MixUnit(split, i, (start + i * n // count, start + (i + 1) * n // count), pool[i])
            for i in range(count)
        ]
    return out


def _check_splits(
    units: Mapping[str, int],
    census_rows: Mapping[str, tuple[int, int]],
    selected: Mapping[Cell, Intervals],
) -> None:
    rows = {split for split, (start, stop) in census_rows.items() if stop > start}
    rows |= {split for (_, _, split), indexes in selected.items() if indexes}
    for split in sorted(rows):
        if units.get(split, 0) < 1:
            raise ValueError(
                f"split {split} has rows and {units.get(split, 0)} units; expected one"
            )


def _slices(
    groups: Sequence[PoolGroup], wanted: Mapping[tuple[str, str], Intervals], split: str
) -> list[PoolSlice]:
    """What each row group gives to `split`, in order of shard and row group."""
    found = dict.fromkeys(wanted, 0)
    slices: list[PoolSlice] = []
    for group in sorted(groups, key=lambda g: (g.shard, g.row_group)):
        runs: list[tuple[str, Intervals, int]] = []
        for name in sorted(group.accepted):
            all_of_it = wanted.get((group.generator, name))
            if all_of_it is None:
                continue
            mine = _common(all_of_it, group.accepted[name])
            found[group.generator, name] += len(mine)
            runs += [(name, run, rank) for run, rank in ranked_runs(mine, all_of_it)]
        if runs:
            slices.append(
                PoolSlice(group.shard, group.row_group, group.generator, split, tuple(runs))
            )
    for (generator, name), n in found.items():
        if n != len(wanted[generator, name]):
            raise ValueError(
                f"{split}, {generator}, {name}: {len(wanted[generator, name])} indexes are "
                f"selected, the row groups hold {n} of them; expected each in exactly one"
            )
    return slices


def _common(all_of_it: Intervals, accepted: Intervals) -> Intervals:
    if not accepted:
        return accepted
    return clip(all_of_it, accepted.spans[0][0], accepted.spans[-1][1]) & accepted


def _spread(
    slices: Sequence[PoolSlice], count: int, key: tuple[int, str, str]
) -> list[tuple[PoolSlice, ...]]:
    """The slices of each of `count` units, in a permuted order."""
    if not slices:
        return [()] * count
    order = Permutation(len(slices), key)(np.arange(len(slices)))
    permuted = [slices[i] for i in order]
    if len(slices) < count:
        return _shared(permuted, count)
    return _whole(permuted, count)


def _whole(slices: Sequence[PoolSlice], count: int) -> list[tuple[PoolSlice, ...]]:
    """Each slice to the unit that has the fewest rows so far."""
    out: list[list[PoolSlice]] = [[] for _ in range(count)]
    fill = [(0, unit) for unit in range(count)]
    for part in slices:
        rows, unit = fill[0]
        out[unit].append(part)
        heapq.heapreplace(fill, (rows + len(part), unit))
    return [tuple(parts) for parts in out]


def _shared(slices: Sequence[PoolSlice], count: int) -> list[tuple[PoolSlice, ...]]:
    """Equal runs of all rows; a row group that is cut gives each part all its classes."""
    total, before = sum(map(len, slices)), 0
    out: list[list[PoolSlice]] = [[] for _ in range(count)]
    for part in slices:
        after = before + len(part)
        cuts = [min(max(u * total // count, before), after) - before for u in range(count + 1)]
        for unit, piece in enumerate(_pieces(part, cuts)):
            if piece.selected:
                out[unit].append(piece)
        before = after
    return [tuple(parts) for parts in out]


def _pieces(part: PoolSlice, cuts: Sequence[int]) -> Iterator[PoolSlice]:
    """`part` cut at these numbers of its rows, its runs spread evenly over the pieces."""
    sizes = [len(indexes) for _, indexes, _ in part.selected]
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
    run = np.repeat(np.arange(len(sizes)), sizes)[np.argsort(place, kind="stable")]
    upto = np.array([np.bincount(run[:cut], minlength=len(sizes)) for cut in cuts])
    for lows, highs in zip(upto[:-1].tolist(), upto[1:].tolist(), strict=True):
        yield replace(
            part,
            selected=tuple(
                (name, indexes.take(lo, hi), rank + lo)
                for (name, indexes, rank), lo, hi in zip(part.selected, lows, highs, strict=True)
                if hi > lo
            ),
        )
