"""Interval sets against Python's own sets."""

from __future__ import annotations

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
