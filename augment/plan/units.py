"""Cutting planned work into units, and which indexes a cell needs next.

A unit is a set of ranges; nothing here holds one object per sample. Unit sizes are
constants of the plan: they never depend on how or where a job runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from augment.intervals import Intervals
from augment.seeds import hash128

MAX_MIX_ROWS = 16_384
"""Rows of a data-set unit at most: some ten seconds of work for one core. Only small images reach
it; of others a shard has its bytes before."""
MAX_POOL_ROWS = 4096
POOL_UNIT_BYTES = 64 << 20


def mix_unit_count(rows: int, expected_bytes: int, target_bytes: int) -> int:
    """Units (= shards) of a split: as many as its bytes need at `target_bytes` each, and so
    many that none has more than `MAX_MIX_ROWS`; at least 1, at most one per row."""
    wanted = max(-(-expected_bytes // target_bytes), -(-rows // MAX_MIX_ROWS), 1)
    return max(1, min(wanted, rows))


def pool_unit_rows(image_bytes: int, unit_bytes: int = POOL_UNIT_BYTES) -> int:
    """Rows of a pool unit of `unit_bytes` for images of so many expected bytes."""
    return max(1, min(MAX_POOL_ROWS, unit_bytes // max(1, image_bytes)))


# ---- rounds --------------------------------------------------------------------------


def next_needs(quota: int, cap: int, decided: Intervals, accepted: Intervals) -> Intervals:
    """Indexes of a cell to make now, so that the `quota` lowest accepted ones get known.

    The first indexes asked for are 0 .. quota-1; when all of those are decided and some
    were not accepted, as many more follow as are missing, and so on, below `cap`. What was
    decided for other reasons (another job's work) is used and changes nothing else.

    Args:
        quota: samples wanted. cap: indexes that may be looked at, >= quota.
        decided: indexes that were made and judged, or that failed.
        accepted: those of `decided` that passed.
    """
    known = _first_undecided(decided)
    stop = min(quota, cap)
    while True:
        if stop > known:
            return Intervals([(0, stop)]) - decided
        short = quota - accepted.rank(stop)
        if short <= 0 or stop >= cap:
            return Intervals()
        stop = min(cap, stop + short)


def certain_needs(
    quota: int, cap: int, decided: Intervals, claimed: Intervals, accepted: Intervals
) -> Intervals | None:
    """What `next_needs` will ask for beyond what is claimed, once all of that is decided, however
    it goes; None where it depends on that.

    Args:
        quota, cap, decided, accepted: as `next_needs` takes them.
        claimed: indexes that somebody has claimed, decided or not.
    """
    stop = min(quota, cap)
    while True:
        asked = Intervals([(0, stop)])
        if new := asked - claimed - decided:
            return new
        if (asked & claimed) - decided:
            return None
        short = quota - accepted.rank(stop)
        if short <= 0 or stop >= cap:
            return Intervals()
        stop = min(cap, stop + short)


def first_of(needs: Mapping[str, Intervals], limit: int) -> dict[str, Intervals]:
    """The lowest indexes of each class, about `limit` (>= 1) in all, in the proportion of what
    classes need and at least one of each: a round is bounded, however much is wanted."""
    total = sum(len(need) for need in needs.values())
    if total <= limit:
        return dict(needs)
    return {
        label: need.take(0, -(-len(need) * limit // total)) for label, need in needs.items() if need
    }


def considered(quota: int, cap: int, decided: Intervals, accepted: Intervals) -> tuple[int, int]:
    """(attempted, selected) of a cell: the indexes looked at are 0 .. attempted-1, up to and
    including the quota-th accepted one or, where there are fewer, all decided ones before
    the first undecided (at most `cap`). Does not depend on rounds, nor on what else the
    pool holds."""
    known = min(cap, _first_undecided(decided))
    found = accepted.rank(known)
    if quota and found >= quota:
        return accepted.take(quota - 1, quota).spans[0][0] + 1, quota
    return (known, found) if quota else (0, 0)


def _first_undecided(decided: Intervals) -> int:
    return decided.spans[0][1] if decided and decided.spans[0][0] == 0 else 0


# ---- pool units ----------------------------------------------------------------------


@dataclass(frozen=True)
class PoolUnit:
    """Ranges of a universe that are made together and become one shard of the pool.

    generator: the job's name for it, for messages only; another job may use another.
    ranges: (class, start, stop), classes by name, ascending within a class. again: 0, or
    how many times before these indexes were tried and failed.
    """

    universe: str
    generator: str
    ranges: tuple[tuple[str, int, int], ...]
    again: int = 0

    @property
    def name(self) -> str:
        """From universe, ranges and try alone, so that jobs share work."""
        parts = [part for one in self.ranges for part in one]
        if self.again:
            return f"again-{hash128('again', self.universe, self.again, *parts).hex()[:20]}"
        return f"unit-{hash128('pool-unit', self.universe, *parts).hex()[:20]}"

    @property
    def rows(self) -> int:
        return sum(stop - start for _, start, stop in self.ranges)

    def samples(self) -> list[tuple[str, int]]:
        """(class, index) of every sample, classes interleaved evenly (row t of a class with
        L rows stands at (2t + 1) / 2L of the unit), indexes ascending within a class."""
        members: dict[str, list[range]] = {}
        for label, start, stop in self.ranges:
            members.setdefault(label, []).append(range(start, stop))
        places, points = [], []
        for label, spans in members.items():
            indexes = [i for span in spans for i in span]
            n = len(indexes)
            places.append((2 * np.arange(n) + 1) / (2 * n))
            points += [(label, i) for i in indexes]
        if not points:
            return []
        order = np.argsort(np.concatenate(places), kind="stable")
        return [points[i] for i in order]

    def to_json(self) -> dict[str, Any]:
        return {
            "universe": self.universe,
            "generator": self.generator,
            "ranges": [list(r) for r in self.ranges],
            "again": self.again,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PoolUnit:
        ranges = tuple((label, start, stop) for label, start, stop in document["ranges"])
        again = document.get("again", 0)
        return cls(document["universe"], document["generator"], ranges, again)


class PoolUnits(Sequence[PoolUnit]):
    """The units that cover some needs, computed when asked for: 10^5 units of 1,000 classes
    take no more memory than one."""

    def __init__(
        self,
        universe: str,
        generator: str,
        needs: Mapping[str, Intervals],
        rows_per_unit: int,
        again: int = 0,
    ) -> None:
        if rows_per_unit < 1:
            raise ValueError(f"rows_per_unit is {rows_per_unit}; expected at least 1")
        self._universe, self._generator, self._again = universe, generator, again
        self._labels = [label for label in sorted(needs) if needs[label]]
        self._needs = [needs[label] for label in self._labels]
        rows = np.array([len(need) for need in self._needs], dtype=np.int64)
        self._n = -(-int(rows.sum()) // rows_per_unit)
        self._each, self._extra = np.divmod(rows, max(1, self._n))
        self._turn = (np.cumsum(self._extra) - self._extra) % max(1, self._n)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[PoolUnit]:
        return (self._unit(u) for u in range(self._n))

    @overload
    def __getitem__(self, at: int) -> PoolUnit: ...
    @overload
    def __getitem__(self, at: slice) -> list[PoolUnit]: ...
    def __getitem__(self, at: int | slice) -> PoolUnit | list[PoolUnit]:
        if isinstance(at, slice):
            return [self._unit(u) for u in range(self._n)[at]]
        return self._unit(range(self._n)[at])

    def _unit(self, u: int) -> PoolUnit:
        lows, highs = self._before(u), self._before(u + 1)
        ranges: list[tuple[str, int, int]] = []
        for at in np.flatnonzero(lows < highs).tolist():  # of 1,000 classes few have a row in it
            label, need, lo, hi = self._labels[at], self._needs[at], int(lows[at]), int(highs[at])
            if len(need.spans) == 1:
                start = need.spans[0][0]
                ranges.append((label, start + lo, start + hi))
            else:
                ranges += [(label, a, b) for a, b in need.take(lo, hi).spans]
        return PoolUnit(self._universe, self._generator, tuple(ranges), self._again)

    def _before(self, u: int) -> np.ndarray:
        """How many rows of each class the units 0 .. u-1 hold: (classes,) int64. The extra
        rows of a class lie one each in `extra` units from `turn` on, cyclically."""
        end = self._turn + self._extra
        straight = np.maximum(0, np.minimum(u, end) - np.minimum(u, self._turn))
        wrapped = np.minimum(u, np.maximum(0, end - self._n))
        out: np.ndarray = self._each * u + straight + wrapped
        return out


def cut_pool_units(
    universe: str,
    generator: str,
    needs: Mapping[str, Intervals],
    rows_per_unit: int,
    again: int = 0,
) -> PoolUnits:
    """Units of at most `rows_per_unit` samples that cover `needs` once.

    Each takes an equal slice of every class: a class with L rows gives L // units to each,
    and the rest one by one to the units in turn, the next class going on where the last one
    stopped; so units differ by at most one row. The order of the mapping does not matter.
    """
    return PoolUnits(universe, generator, needs, rows_per_unit, again)
