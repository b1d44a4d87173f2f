"""Sets of whole numbers as sorted, disjoint, half-open intervals.

Index ranges of a cell, what of them a pool holds, what passed the filters and what a
job selects are all such sets; their memory grows with the number of gaps, not of samples.
A set of few intervals is kept as a tuple, one of many as two arrays: 8 bytes an interval while
its members are below 2^31, else 16, and operations that do not walk it in Python. Immutable;
knows nothing of samples.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Interval = tuple[int, int]

_MANY = 128
"""Intervals from which on a set is kept as arrays."""
_END = np.iinfo(np.int64).max
_SHORT = np.iinfo(np.int32).max


class Intervals:
    """An immutable set of whole numbers >= 0, kept as half-open intervals [start, stop)."""

    __slots__ = ("_few", "_len", "_ranks", "_starts", "_stops")
    _starts: np.ndarray
    _stops: np.ndarray

    def __init__(self, spans: Iterable[Interval] = ()) -> None:
        merged: list[Interval] = []
        for start, stop in sorted((int(a), int(b)) for a, b in spans):
            if start < 0:
                raise ValueError(f"interval [{start}, {stop}) starts below 0")
            if stop <= start:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
            else:
                merged.append((start, stop))
        self._keep(merged)

    def _keep(self, spans: list[Interval]) -> None:
        """Sorted and disjoint ones, between which something lies."""
        if len(spans) >= _MANY:
            pairs = np.array(spans, dtype=np.int64)
            self._hold(pairs[:, 0].copy(), pairs[:, 1].copy())
            return
        self._few: tuple[Interval, ...] | None = tuple(spans)
        self._len = sum(stop - start for start, stop in spans)
        self._ranks: Any = None

    def _hold(self, starts: np.ndarray, stops: np.ndarray) -> None:
        """As `_keep`, of arrays."""
        if starts.size < _MANY:
            self._keep(list(zip(starts.tolist(), stops.tolist(), strict=True)))
            return
        kind: type[Any] = np.int32 if int(stops[-1]) <= _SHORT else np.int64
        self._few = None
        self._starts, self._stops = starts.astype(kind), stops.astype(kind)
        self._len = int((stops - starts).sum(dtype=np.int64))
        self._ranks = None

    @property
    def _before(self) -> Any:
        """How many members lie before each interval, and in all; kept once it was asked for."""
        if self._ranks is None:
            if self._few is None:
                lengths = np.cumsum(self._stops - self._starts, dtype=np.int64)
                self._ranks = np.concatenate(([0], lengths))
            else:
                self._ranks = [0, *itertools.accumulate(b - a for a, b in self._few)]
        return self._ranks

    @classmethod
    def of(cls, members: Iterable[int] | np.ndarray) -> Intervals:
        """The set of `members`, in any order, repeats allowed."""
        values = np.unique(np.fromiter(members, dtype=np.int64))
        return cls.between(values, values + 1)

    @classmethod
    def between(cls, starts: np.ndarray, stops: np.ndarray) -> Intervals:
        """The union of the intervals from `starts` to `stops`: (n,) int64 each, in any order,
        none of them empty or below 0."""
        if starts.size and int(starts.min()) < 0:
            raise ValueError(f"interval starts below 0, at {int(starts.min())}")
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], np.maximum.accumulate(stops[order])
        first = np.concatenate(([True], starts[1:] > stops[:-1])) if starts.size else starts > 0
        last = np.concatenate((first[1:], [True])) if starts.size else first
        return cls._made(starts[first], stops[last])

    @classmethod
    def _made(cls, starts: np.ndarray, stops: np.ndarray) -> Intervals:
        out = cls.__new__(cls)
        out._hold(starts, stops)
        return out

    @property
    def spans(self) -> tuple[Interval, ...]:
        """The intervals, sorted; between two of them something lies."""
        if self._few is not None:
            return self._few
        return tuple(zip(self._starts.tolist(), self._stops.tolist(), strict=True))

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        if self._few is None:
            return self._starts, self._stops
        pairs = np.array(self._few, dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def __len__(self) -> int:
        return self._len

    def __bool__(self) -> bool:
        return self._few is None or bool(self._few)

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.spans:
            yield from range(start, stop)

    def __contains__(self, x: int) -> bool:
        if self._few is None:
            i = int(np.searchsorted(self._starts, x, "right")) - 1
            return i >= 0 and bool(x < self._stops[i])
        i = bisect_right(self._few, (x, float("inf"))) - 1
        return i >= 0 and self._few[i][0] <= x < self._few[i][1]

    def meets(self, start: int, stop: int) -> bool:
        """Whether a member lies in [start, stop)."""
        if self._few is None:
            i = int(np.searchsorted(self._stops, start, "right"))
            return i < self._stops.size and bool(self._starts[i] < stop) and start < stop
        return any(a < stop and start < b for a, b in self._few) and start < stop

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return False
        if self._few is None and other._few is None:
            same = np.array_equal(self._starts, other._starts)
            return same and np.array_equal(self._stops, other._stops)
        return self._few == other._few

    def __hash__(self) -> int:
        if self._few is None:
            return hash((self._starts.tobytes(), self._stops.tobytes()))
        return hash(self._few)

    def __repr__(self) -> str:
        return f"Intervals({list(self.spans)!r})"

    def __or__(self, other: Intervals) -> Intervals:
        if self._few is not None and other._few is not None:
            return Intervals((*self._few, *other._few))
        (a0, a1), (b0, b1) = self._arrays(), other._arrays()
        if a0.size and b0.size and a1[-1] <= b0[0]:  # most sets grow at their end
            seam = int(a1[-1] == b0[0])
            starts = np.concatenate((a0, b0[seam:]))
            return Intervals._made(starts, np.concatenate((a1[: a1.size - seam], b1)))
        return Intervals.between(np.concatenate((a0, b0)), np.concatenate((a1, b1)))

    def __and__(self, other: Intervals) -> Intervals:
        if self._few is None or other._few is None:
            return Intervals._made(*_common(*self._arrays(), *other._arrays()))
        mine, theirs = self._few, other._few
        out: list[Interval] = []
        i = j = 0
        while i < len(mine) and j < len(theirs):
            (a0, a1), (b0, b1) = mine[i], theirs[j]
            if max(a0, b0) < min(a1, b1):
                out.append((max(a0, b0), min(a1, b1)))
            if a1 < b1:
                i += 1
            else:
                j += 1
        return Intervals(out)

    def __sub__(self, other: Intervals) -> Intervals:
        if self._few is None or other._few is None:
            starts, stops = other._arrays()
            gaps = np.concatenate(([0], stops)), np.concatenate((starts, [_END]))
            return Intervals._made(*_common(*self._arrays(), *gaps))
        mine, theirs = self._few, other._few
        out: list[Interval] = []
        j = 0
        for start, stop in mine:
            while j and theirs[j - 1][1] > start:
                j -= 1
            at = start
            while j < len(theirs) and theirs[j][0] < stop:
                b0, b1 = theirs[j]
                if b0 > at:
                    out.append((at, min(b0, stop)))
                at = max(at, b1)
                j += 1
            if at < stop:
                out.append((at, stop))
        return Intervals(out)

    def rank(self, x: int) -> int:
        """How many members are smaller than `x`."""
        if self._few is None:
            i = int(np.searchsorted(self._starts, x, "left"))
            over = max(0, int(self._stops[i - 1]) - x) if i else 0
            return int(self._before[i]) - over
        i = bisect_right(self._few, (x, -1))
        if i and self._few[i - 1][1] > x:
            return int(self._before[i - 1] + x - self._few[i - 1][0])
        return int(self._before[i])

    def take(self, lo: int, hi: int) -> Intervals:
        """The members of rank lo .. hi-1 (the smallest has rank 0); fewer where there are fewer."""
        if self._few is None:
            return self._taken(max(0, lo), min(hi, len(self)))
        out = []
        for (start, stop), before in zip(self._few, self._before, strict=False):
            a, b = max(start, start + lo - before), min(stop, start + hi - before)
            if a < b:
                out.append((a, b))
        return Intervals(out)

    def _taken(self, lo: int, hi: int) -> Intervals:
        if lo >= hi:
            return Intervals()
        i = int(np.searchsorted(self._before, lo, "right")) - 1
        j = int(np.searchsorted(self._before, hi, "left"))
        starts, stops = self._starts[i:j].copy(), self._stops[i:j].copy()
        starts[0] += lo - int(self._before[i])
        stops[-1] -= int(self._before[j]) - hi
        return Intervals._made(starts, stops)

    def to_json(self) -> list[list[int]]:
        return [[a, b] for a, b in self.spans]


def _common(
    a0: np.ndarray, a1: np.ndarray, b0: np.ndarray, b1: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What two sets have in common, from a0 to a1 and from b0 to b1; intervals of b may touch."""
    low = np.searchsorted(b1, a0, "right")
    count = np.maximum(0, np.searchsorted(b0, a1, "left") - low)
    mine = np.repeat(np.arange(a0.size), count)
    theirs = np.arange(mine.size) - np.repeat(np.cumsum(count) - count, count) + low[mine]
    starts, stops = np.maximum(a0[mine], b0[theirs]), np.minimum(a1[mine], b1[theirs])
    some = starts < stops
    return starts[some], stops[some]
