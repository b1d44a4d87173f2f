"""Interval sets against Python's own sets."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=6,
)


def members(spans: list[tuple[int, int]]) -> set[int]:
    return {x for a, b in spans for x in range(a, b)}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SPANS, SPANS)
def test_algebra_equals_that_of_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left, right = Intervals(a), Intervals(b)
    assert set(left) == members(a)
    assert len(left) == len(members(a))
    assert set(left | right) == members(a) | members(b)
    assert set(left & right) == members(a) & members(b)
    assert set(left - right) == members(a) - members(b)
    assert Intervals.of(members(a)) == left
    assert all((x in left) == (x in members(a)) for x in range(60))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SPANS, st.integers(0, 60), st.integers(0, 60))
def test_rank_and_take_are_inverse(a: list[tuple[int, int]], x: int, lo: int) -> None:
    left, ordered = Intervals(a), sorted(members(a))
    assert left.rank(x) == sum(m < x for m in ordered)
    assert list(left.take(lo, lo + 7)) == ordered[lo : lo + 7]


def test_intervals_stay_few() -> None:
    assert Intervals([(0, 5), (5, 9), (7, 12)]).spans == ((0, 12),)
    assert Intervals([(3, 3)]).spans == ()
    assert not Intervals()
    assert Intervals([(1, 2)]).to_json() == [[1, 2]]


def test_nothing_lies_below_zero() -> None:
    with pytest.raises(ValueError, match="starts below 0"):
        Intervals([(-1, 3)])


# ---- many intervals: kept as arrays ----------------------------------------------------


def many(seed: int, n: int) -> list[tuple[int, int]]:
    """So many spans cost hypothesis a second for ten lists, drawn one by one."""
    starts, lengths = random.Random(seed).choices(range(3001), k=n), random.Random(~seed)
    return [(start, start + lengths.randint(1, 4)) for start in starts]


MANY = st.builds(many, st.integers(0, 2**32), st.integers(300, 700))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(MANY, st.one_of(MANY, SPANS), st.integers(0, 3010), st.integers(-5, 3010))
def test_many_intervals_are_the_same_sets(
    a: list[tuple[int, int]], b: list[tuple[int, int]], x: int, lo: int
) -> None:
    left, right = Intervals(a), Intervals(b)
    mine, theirs = members(a), members(b)
    assert left | right == Intervals.of(mine | theirs) == right | left
    assert left & right == Intervals.of(mine & theirs) == right & left
    assert left - right == Intervals.of(mine - theirs)
    assert right - left == Intervals.of(theirs - mine)
    assert (x in left) == (x in mine)
    assert left.rank(x) == sum(m < x for m in mine)
    assert list(left.take(lo, lo + 300)) == sorted(mine)[max(0, lo) : max(0, lo + 300)]
    assert (list(left), len(left)) == (sorted(mine), len(mine))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.one_of(MANY, SPANS), st.integers(0, 3010), st.integers(-2, 40))
def test_meets_looks_at_one_span(a: list[tuple[int, int]], start: int, length: int) -> None:
    assert Intervals(a).meets(start, start + length) == bool(
        members(a) & set(range(start, start + length))
    )


@pytest.mark.parametrize("gap", [0, 1, 5])
def test_sets_that_follow_one_another_are_put_together(gap: int) -> None:
    """As each round's set follows the one before."""
    first = [(3 * i, 3 * i + 2) for i in range(400)]
    after = [(a + first[-1][1] + gap, b + first[-1][1] + gap) for a, b in first]
    for later in (after, after[:1]):
        both = Intervals(first) | Intervals(later)
        assert both == Intervals([*first, *later]) == Intervals(later) | Intervals(first)
        assert set(both) == members(first) | members(later)


@pytest.mark.parametrize("top", [(1 << 31) - 1, 1 << 31, 1 << 40])
def test_members_may_be_large(top: int) -> None:
    spans = [(top - 3 * i, top - 3 * i + 1) for i in range(500)]
    many, ordered = Intervals(spans), sorted(a for a, _ in spans)
    assert list(many) == ordered
    assert many.rank(top) == 499
    assert list(many.take(490, 600)) == ordered[490:]
    assert many | Intervals([(0, top)]) == Intervals([(0, top + 1)])
    assert many - Intervals([(top, top + 9)]) == Intervals(spans[1:])
    assert many & Intervals([(top, 2 * top)]) == Intervals([(top, top + 1)])
    assert many.meets(top, top + 1)
    assert not many.meets(top + 1, 2 * top)


def test_an_interval_takes_eight_bytes() -> None:
    many = Intervals([(3 * i, 3 * i + 1) for i in range(100_000)])
    assert len(many) == many.rank(1 << 30) == 100_000
    fresh = many | Intervals()
    assert len(pickle.dumps(fresh)) < 8 * 100_000 + 1000


def test_a_set_is_one_value_however_it_was_made() -> None:
    spans = [(3 * i, 3 * i + 1 + i % 2) for i in range(1000)]
    whole, again = (
        Intervals(spans),
        Intervals.of(x for a, b in reversed(spans) for x in range(a, b)),
    )
    assert whole == again != Intervals(spans[:-1])
    assert hash(whole) == hash(again)
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert whole.spans == tuple(spans)
    assert Intervals(whole.to_json()) == whole
    few = whole & Intervals([(0, 30)])
    assert few == Intervals(spans[:10])
    assert hash(few) == hash(Intervals(spans[:10]))
    assert whole
    assert not whole - whole
    assert whole | Intervals([(0, 3000)]) == Intervals([(0, 3000)])


def test_many_intervals_do_not_lie_below_zero() -> None:
    starts = np.arange(-2, 1000, 2)
    with pytest.raises(ValueError, match="starts below 0"):
        Intervals.between(starts, starts + 1)
