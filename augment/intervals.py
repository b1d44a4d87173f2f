"""Sets of whole numbers as sorted, disjoint, half-open intervals.

Index ranges of a cell, what of them a pool holds, what passed the filters and what a
job selects are all such sets; their memory grows with the number of gaps, not of samples.
Immutable; knows nothing of samples.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import numpy as np

Interval = tuple[int, int]


class Intervals:
    """An immutable set of whole numbers >= 0, kept as half-open intervals [start, stop)."""

    __slots__ = ("_before", "spans")

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
        self.spans: tuple[Interval, ...] = tuple(merged)
        before, total = [], 0
        for start, stop in merged:
            before.append(total)
            total += stop - start
        self._before = (*before, total)

    @classmethod
    def of(cls, members: Iterable[int] | np.ndarray) -> Intervals:
        """The set of `members`, in any order, repeats allowed."""
        values = np.unique(np.fromiter(members, dtype=np.int64))
        if not values.size:
            return cls()
        breaks = np.flatnonzero(np.diff(values) != 1)
        starts = values[np.concatenate(([0], breaks + 1))]
        stops = values[np.concatenate((breaks, [values.size - 1]))] + 1
        return cls(zip(starts.tolist(), stops.tolist(), strict=True))

    def __len__(self) -> int:
        return self._before[-1]

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.spans:
            yield from range(start, stop)

    def __contains__(self, x: int) -> bool:
        i = bisect_right(self.spans, (x, float("inf"))) - 1
        return i >= 0 and self.spans[i][0] <= x < self.spans[i][1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __repr__(self) -> str:
        return f"Intervals({list(self.spans)!r})"

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals((*self.spans, *other.spans))

    def __and__(self, other: Intervals) -> Intervals:
        out: list[Interval] = []
        i = j = 0
        while i < len(self.spans) and j < len(other.spans):
            (a0, a1), (b0, b1) = self.spans[i], other.spans[j]
            if max(a0, b0) < min(a1, b1):
                out.append((max(a0, b0), min(a1, b1)))
            if a1 < b1:
                i += 1
            else:
                j += 1
        return Intervals(out)

    def __sub__(self, other: Intervals) -> Intervals:
        out: list[Interval] = []
        j = 0
        for start, stop in self.spans:
            while j and other.spans[j - 1][1] > start:
                j -= 1
            at = start
            while j < len(other.spans) and other.spans[j][0] < stop:
                b0, b1 = other.spans[j]
                if b0 > at:
                    out.append((at, min(b0, stop)))
                at = max(at, b1)
                j += 1
            if at < stop:
                out.append((at, stop))
        return Intervals(out)

    def rank(self, x: int) -> int:
        """How many members are smaller than `x`."""
        i = bisect_right(self.spans, (x, -1))
        if i and self.spans[i - 1][1] > x:
            return self._before[i - 1] + x - self.spans[i - 1][0]
        return self._before[i]

    def take(self, lo: int, hi: int) -> Intervals:
        """The members of rank lo .. hi-1 (the smallest has rank 0); fewer where there are fewer."""
        out = []
        for (start, stop), before in zip(self.spans, self._before, strict=False):
            a, b = max(start, start + lo - before), min(stop, start + hi - before)
            if a < b:
                out.append((a, b))
        return Intervals(out)

    def to_json(self) -> list[list[int]]:
        return [[a, b] for a, b in self.spans]
