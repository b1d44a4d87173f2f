"""Which accepted indexes a draw takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals
from augment.mix import select


@dataclass(frozen=True)
class Draw:
    generator: str
    label_name: str
    split: str
    n: int
    exact: Intervals | None = None


def test_the_lowest_accepted_in_the_order_of_draws() -> None:
    accepted = {("vae", "cat"): Intervals([(0, 3), (5, 20)])}
    draws = [Draw("vae", "cat", "train", 4), Draw("vae", "cat", "val", 2)]
    taken, lacking = select(draws, accepted)
    assert taken == {
        ("vae", "cat", "train"): Intervals([(0, 3), (5, 6)]),
        ("vae", "cat", "val"): Intervals([(6, 8)]),
    }
    assert set(lacking.values()) == {0}


def test_two_draws_of_one_cell_take_consecutive_ranks() -> None:
    accepted = {("vae", "cat"): Intervals([(0, 10)])}
    taken, _ = select([Draw("vae", "cat", "train", 4), Draw("vae", "cat", "train", 3)], accepted)
    assert taken == {("vae", "cat", "train"): Intervals([(0, 7)])}


def test_more_than_there_is_is_a_shortfall() -> None:
    taken, lacking = select(
        [Draw("vae", "cat", "train", 4), Draw("gan", "cat", "train", 2)],
        {("vae", "cat"): Intervals([(1, 4)])},
    )
    assert lacking == {("vae", "cat", "train"): 1, ("gan", "cat", "train"): 2}
    assert taken["gan", "cat", "train"] == Intervals()


def test_exact_indexes_are_taken_first_and_never_replaced() -> None:
    accepted = {("vae", "cat"): Intervals([(0, 6)])}
    draws = [
        Draw("vae", "cat", "train", 3),
        Draw("vae", "cat", "val", 3, exact=Intervals([(1, 3), (9, 10)])),
    ]
    taken, lacking = select(draws, accepted)
    assert taken["vae", "cat", "val"] == Intervals([(1, 3)])
    assert lacking["vae", "cat", "val"] == 1
    assert taken["vae", "cat", "train"] == Intervals([(0, 1), (3, 5)])


sets = st.sets(st.integers(0, 40), max_size=25)
draw = st.builds(
    Draw,
    st.sampled_from(["g", "h"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["train", "val"]),
    st.integers(0, 15),
    st.none() | sets.map(Intervals.of),
)
pools = st.dictionaries(st.tuples(st.sampled_from("gh"), st.sampled_from("ab")), sets)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(draw, max_size=6), pools)
def test_against_an_independent_selection(draws: list[Draw], pool: dict) -> None:
    draws = [Draw(*_key(d), len(d.exact) if d.exact is not None else d.n, d.exact) for d in draws]
    free = {key: sorted(members) for key, members in pool.items()}
    expected: dict = defaultdict(set)
    lack: dict = defaultdict(int)
    for exact_turn in (True, False):
        for d in draws:
            if (d.exact is not None) is not exact_turn:
                continue
            there = free.get((d.generator, d.label_name), [])
            fits = [i for i in there if d.exact is None or i in set(d.exact)][: d.n]
            for i in fits:
                there.remove(i)
            expected[_key(d)] |= set(fits)
            lack[_key(d)] += d.n - len(fits)
    taken, lacking = select(draws, {key: Intervals.of(s) for key, s in pool.items()})
    assert {key: set(s) for key, s in taken.items()} == dict(expected)
    assert lacking == dict(lack)


def _key(d: Draw) -> tuple[str, str, str]:
    return d.generator, d.label_name, d.split
