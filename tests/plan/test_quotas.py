"""Largest remainder, shares, caps and the spread of copies, against by-hand and brute force."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.plan.quotas import (
    apportion,
    apportion_targets,
    clamp,
    decimal,
    solve_shares,
    spread,
)

_SETTINGS = settings(deadline=None, max_examples=100, derandomize=True)
_WEIGHTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.integers(1, 1000), min_size=1, max_size=12
)


def test_a_number_is_the_decimal_that_was_written() -> None:
    assert decimal(0.1) == Fraction(1, 10)
    assert decimal(1e-05) == Fraction(1, 100_000)


def test_largest_remainder_with_ties_by_name() -> None:
    assert apportion(10, {"c": 1, "b": 1, "a": 1}) == {"a": 4, "b": 3, "c": 3}
    assert apportion(7, {"a": 5, "b": 3, "c": 2}) == {"a": 4, "b": 2, "c": 1}
    assert apportion(0, {"a": 1}) == {"a": 0}
    assert apportion(0, {}) == {}


def test_what_cannot_be_apportioned() -> None:
    with pytest.raises(ValueError, match="3 rows to apportion and no positive weight"):
        apportion(3, {"a": 0})
    with pytest.raises(ValueError, match="must not be negative"):
        apportion(-1, {"a": 1})


@_SETTINGS
@given(st.integers(0, 10_000), _WEIGHTS)
def test_parts_are_floors_or_ceilings_and_sum_to_the_total(
    total: int, weights: dict[str, int]
) -> None:
    parts = apportion(total, weights)
    whole = sum(weights.values())
    assert sum(parts.values()) == total
    assert all(abs(parts[name] - Fraction(total * w, whole)) < 1 for name, w in weights.items())
    assert apportion(total, dict(reversed(weights.items()))) == parts


@_SETTINGS
@given(_WEIGHTS, st.integers(1, 97))
def test_every_part_lies_within_one_of_its_target(weights: dict[str, int], divisor: int) -> None:
    targets = {name: Fraction(w, divisor) for name, w in weights.items()}
    parts = apportion_targets(targets)
    assert sum(parts.values()) == round(sum(targets.values()))
    assert all(abs(parts[name] - t) <= 1 for name, t in targets.items())


def test_rounding_the_total_never_pushes_a_part_beyond_one() -> None:
    # the sum 20.45 rounds to 20: by remainders of 20 alone "big" would get 10 of 11.0x
    targets = {"big": Fraction(1105, 100)} | {f"s{i}": Fraction(94, 100) for i in range(10)}
    parts = apportion_targets(targets)
    assert sum(parts.values()) == 20
    assert all(abs(parts[name] - t) <= 1 for name, t in targets.items())


def test_shares_are_solved_together() -> None:
    assert solve_shares([Fraction(1, 5), Fraction(3, 10)], 100) == [40, 60]  # of 200 rows
    with pytest.raises(ValueError, match=r"sum to 1\.1; expected less than 1"):
        solve_shares([Fraction(1, 2), Fraction(6, 10)], 100)


def test_caps_clamp() -> None:
    assert clamp(50, 10, None, None) == 50
    assert clamp(50, 10, 20, None) == 20
    assert clamp(50, 10, 20, 1.5) == 15
    assert clamp(50, 7, None, 0.29) == 2  # floor(2.03), and not of the binary float
    assert clamp(50, 100, None, 0.29) == 29  # 0.29 * 100 is 28.999... as a float


@_SETTINGS
@given(st.integers(0, 200), st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_copies_spread_parent_by_parent(total: int, groups: list[int]) -> None:
    parents = [g for g, n in enumerate(groups) for _ in range(n)]
    if not parents:
        total = 0
    given_to = [0] * len(groups)
    for copy in range(total):  # deal copies to parents in turn
        given_to[parents[copy % len(parents)]] += 1
    assert spread(total, groups) == given_to


def test_copies_need_parents() -> None:
    with pytest.raises(ValueError, match="3 copies of 0 parents"):
        spread(3, [0, 0])
