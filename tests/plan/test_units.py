"""Units cover needs exactly once and evenly; rounds end alike whatever a pool already holds."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals
from augment.plan import (
    PoolUnit,
    certain_needs,
    considered,
    cut_pool_units,
    first_of,
    mix_unit_count,
    next_needs,
    pool_unit_rows,
)

_SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)
_NEEDS = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.sets(st.integers(0, 60), max_size=40).map(Intervals.of),
    max_size=6,
)


def test_a_split_gets_as_many_units_as_its_bytes_need() -> None:
    assert mix_unit_count(1000, 10_000_000, 1 << 20) == 10
    assert mix_unit_count(1, 1, 1 << 20) == 1
    assert mix_unit_count(0, 0, 1 << 20) == 1
    assert mix_unit_count(1_000_000, 1_000_000, 1 << 30) == 62  # at most 16,384 rows each
    assert mix_unit_count(3, 1 << 40, 1 << 20) == 3  # at most one per row


def test_pool_unit_rows() -> None:
    assert pool_unit_rows(100) == 4096
    assert pool_unit_rows(1 << 20) == 64
    assert pool_unit_rows(1 << 30) == 1
    assert pool_unit_rows(0) == 4096
    assert pool_unit_rows(100, unit_bytes=1000) == 10


@_SETTINGS
@given(_NEEDS, st.integers(1, 50))
def test_units_cover_the_needs_once_and_evenly(needs: dict[str, Intervals], rows: int) -> None:
    units = cut_pool_units("u", "g", needs, rows)
    made = [point for unit in units for point in unit.samples()]
    assert sorted(made) == sorted((label, i) for label, need in needs.items() for i in need)
    sizes = [unit.rows for unit in units]
    assert len(units) == -(-len(made) // rows)
    assert max(sizes, default=0) <= rows
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    for label, need in needs.items():
        slices = [sum(b - a for c, a, b in unit.ranges if c == label) for unit in units]
        assert sum(slices) == len(need)
        assert max(slices, default=0) - min(slices, default=0) <= 1


@_SETTINGS
@given(_NEEDS, st.integers(1, 50))
def test_units_are_a_sequence_and_do_not_depend_on_the_mapping_order(
    needs: dict[str, Intervals], rows: int
) -> None:
    units = cut_pool_units("u", "g", needs, rows)
    assert list(units) == [units[i] for i in range(len(units))] == units[:]
    assert list(units) == list(cut_pool_units("u", "g", dict(reversed(needs.items())), rows))


def test_no_needs_no_units() -> None:
    assert len(cut_pool_units("u", "g", {"a": Intervals()}, 10)) == 0
    with pytest.raises(IndexError):
        cut_pool_units("u", "g", {}, 10)[0]
    with pytest.raises(ValueError, match="rows_per_unit is 0; expected at least 1"):
        cut_pool_units("u", "g", {}, 0)


def test_a_name_comes_from_universe_and_ranges_alone() -> None:
    unit = PoolUnit("u", "mine", (("a", 0, 5),))
    assert unit.name == PoolUnit("u", "yours", (("a", 0, 5),)).name
    assert unit.name != PoolUnit("v", "mine", (("a", 0, 5),)).name
    assert unit.name != PoolUnit("u", "mine", (("a", 0, 6),)).name
    assert unit.name == "unit-e61b8af663ec7d12a3cb"  # golden: jobs of all times share pools


def test_another_try_of_the_same_indexes_is_another_unit() -> None:
    needs = {"cat": Intervals([(3, 4), (9, 10)])}
    first, again, later = (cut_pool_units("u", "g", needs, 10, n)[0] for n in range(3))
    assert first == cut_pool_units("u", "g", needs, 10)[0]
    assert first.name.startswith("unit-")
    assert again.name.startswith("again-")
    assert len({first.name, again.name, later.name}) == 3
    assert first.samples() == again.samples()
    assert PoolUnit.from_json(json.loads(json.dumps(again.to_json()))) == again
    assert PoolUnit.from_json({k: v for k, v in first.to_json().items() if k != "again"}) == first


def test_samples_interleave_classes_and_ascend_within_each() -> None:
    unit = PoolUnit("u", "g", (("a", 0, 4), ("b", 7, 9)))
    order = [("a", 0), ("b", 7), ("a", 1), ("a", 2), ("b", 8), ("a", 3)]
    assert unit.samples() == order
    assert PoolUnit("u", "g", ()).samples() == []
    assert PoolUnit("u", "g", (("a", 1, 2), ("a", 5, 7))).samples() == [
        ("a", 1),
        ("a", 5),
        ("a", 6),
    ]


def test_a_unit_survives_json() -> None:
    unit = PoolUnit("u", "g", (("a", 0, 4), ("b", 7, 9)))
    assert PoolUnit.from_json(json.loads(json.dumps(unit.to_json()))) == unit


# ---- rounds --------------------------------------------------------------------------


def _play(quota: int, cap: int, good: set[int], known: set[int]) -> tuple[set[int], set[int]]:
    """Make what is needed until nothing is; (decided, accepted) at the end."""
    decided = set(known)
    while True:
        accepted = decided & good
        needs = next_needs(quota, cap, Intervals.of(decided), Intervals.of(accepted))
        if not needs:
            return decided, accepted
        assert not decided & set(needs)
        assert max(needs) < cap
        decided |= set(needs)


@_SETTINGS
@given(
    st.integers(0, 20),
    st.integers(1, 5),
    st.sets(st.integers(0, 120)),
    st.sets(st.integers(0, 120)),
)
def test_rounds_end_alike_whatever_the_pool_already_holds(
    quota: int, attempts: int, good: set[int], known: set[int]
) -> None:
    cap = quota * attempts
    decided, accepted = _play(quota, cap, good, known)
    within = sorted(x for x in good if x < cap)[:quota]  # independent: the n lowest good ones
    attempted, selected = considered(quota, cap, Intervals.of(decided), Intervals.of(accepted))
    assert selected == len(within)
    assert sorted(accepted & set(range(attempted)))[:quota] == within
    assert attempted == (within[-1] + 1 if quota and len(within) == quota else cap)


def test_a_first_round_asks_for_the_quota_and_the_next_for_what_is_short() -> None:
    nothing = Intervals()
    assert next_needs(10, 30, nothing, nothing) == Intervals([(0, 10)])
    decided, accepted = Intervals([(0, 10)]), Intervals([(0, 7)])
    assert next_needs(10, 30, decided, accepted) == Intervals([(10, 13)])
    assert next_needs(10, 10, decided, accepted) == nothing  # the cap
    assert next_needs(0, 0, nothing, nothing) == nothing
    assert next_needs(10, 30, Intervals([(2, 5)]), nothing) == Intervals([(0, 2), (5, 10)])


def test_a_low_yield_ends_at_the_cap() -> None:
    rng = random.Random(7)
    good = {i for i in range(30_000) if rng.random() < 0.05}
    decided, accepted = _play(1000, 10_000, good, set())
    assert decided == set(range(10_000))
    counted = considered(1000, 10_000, Intervals.of(decided), Intervals.of(accepted))
    assert counted == (10_000, len([x for x in good if x < 10_000]))


def test_considered_counts_only_what_is_decided_without_a_gap() -> None:
    decided, accepted = Intervals([(0, 4), (6, 9)]), Intervals([(1, 4), (6, 9)])
    assert considered(5, 15, decided, accepted) == (4, 3)
    assert considered(2, 6, decided, accepted) == (3, 2)


def test_a_round_is_bounded_whatever_is_wanted() -> None:
    needs = {
        "a": Intervals([(10, 610)]),
        "b": Intervals([(0, 100), (200, 500)]),
        "c": Intervals([(7, 8)]),
        "d": Intervals(),
    }
    assert first_of(needs, 1001) == needs
    some = first_of(needs, 100)
    assert some == {
        "a": Intervals([(10, 70)]),
        "b": Intervals([(0, 40)]),
        "c": Intervals([(7, 8)]),
    }
    vast = first_of({"a": Intervals([(0, 10**12)]), "b": Intervals([(0, 10**12)])}, 10**6)
    assert {label: len(need) for label, need in vast.items()} == {"a": 500_000, "b": 500_000}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 30), st.integers(0, 40), st.data())
def test_what_is_certain_is_what_is_needed_later_whatever_becomes_of_the_rest(
    quota: int, more: int, data: st.DataObject
) -> None:
    cap = quota + more
    below = st.frozensets(st.integers(0, cap - 1))
    decided, claimed = Intervals.of(data.draw(below)), Intervals.of(data.draw(below))
    accepted = Intervals.of(x for x in decided if data.draw(st.booleans()))
    certain = certain_needs(quota, cap, decided, claimed, accepted)
    later = []
    for outcome in range(3):
        new = [x for x in claimed - decided if data.draw(st.booleans()) or outcome == 1]
        passed = accepted | Intervals.of(new if outcome else ())
        later.append(next_needs(quota, cap, decided | claimed, passed))
    if certain is None:
        assert claimed - decided
    else:
        assert later == [certain] * 3


def test_what_depends_on_what_is_claimed_is_not_certain() -> None:
    three = Intervals([(0, 3)])
    assert certain_needs(3, 9, Intervals(), three, Intervals()) is None
    assert certain_needs(3, 9, three, three, Intervals([(0, 1)])) == Intervals([(3, 5)])
    assert certain_needs(3, 9, three, three, three) == Intervals()
    assert certain_needs(5, 9, Intervals(), three, Intervals()) == Intervals([(3, 5)])
    more = Intervals([(0, 5)])
    assert certain_needs(3, 9, three, more, Intervals([(0, 1)])) is None
    assert certain_needs(3, 3, three, three, Intervals()) == Intervals()
