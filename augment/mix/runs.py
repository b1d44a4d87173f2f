"""Ranks of part of an index set within the whole set.

Cost grows with the part, not with the whole: a job has many row groups.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from augment.intervals import Interval, Intervals


def clip(members: Intervals, start: int, stop: int) -> Intervals:
    """The members in [start, stop)."""
    spans = members.spans
    lo = bisect_right(spans, start, key=lambda span: span[1])
    hi = bisect_left(spans, stop, key=lambda span: span[0])
    return Intervals((max(a, start), min(b, stop)) for a, b in spans[lo:hi])


def ranked_runs(part: Intervals, whole: Intervals) -> Iterator[tuple[Intervals, int]]:
    """`part`, a subset of `whole`, as sets whose ranks in `whole` are consecutive, each with
    its first rank, ascending."""
    run: list[Interval] = []
    first = following = -1
    for start, stop in part.spans:
        rank = whole.rank(start)
        if run and rank != following:
            yield Intervals(run), first
            run = []
        if not run:
            first = rank
        run.append((start, stop))
        following = rank + stop - start
    if run:
        yield Intervals(run), first
