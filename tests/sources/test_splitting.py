"""Draws and caps on numbers alone: exact, in any order, and nested."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.sources.splitting import cap_shares, draw_digest, draw_splits

LABELS = st.lists(st.integers(0, 4), max_size=60)
WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def keys_of(n: int) -> np.ndarray:
    return np.array([[i * 7919 % 61, i] for i in range(n)], np.uint64).reshape(-1, 2)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(LABELS, WEIGHTS, st.randoms(use_true_random=False))
def test_splits_do_not_depend_on_the_order_of_a_listing(
    some: list[int], weights: list[int], shuffler: Random
) -> None:
    shares = [w / sum(weights) for w in weights]
    keys, labels = keys_of(len(some)), np.array(some, np.int64)
    drawn = draw_splits(labels, keys, shares)
    order = np.array(shuffler.sample(range(len(labels)), len(labels)), np.int64)
    again = draw_splits(labels[order], keys[order], shares)
    np.testing.assert_array_equal(again, drawn[order])
    names = [str(i) for i in range(len(shares))]
    assert draw_digest(names, again, keys[order]) == draw_digest(names, drawn, keys)
    for label in range(5):
        n = int((labels == label).sum())
        counts = np.bincount(drawn[labels == label], minlength=len(shares))
        assert counts.sum() == n
        for count, weight in zip(counts.tolist(), weights, strict=True):
            assert abs(count - Fraction(n * weight, sum(weights))) < 1


@settings(deadline=None, max_examples=200, derandomize=True)
@given(LABELS, st.lists(st.integers(0, 3), min_size=60, max_size=60), WEIGHTS, st.integers(1, 30))
def test_a_cap_takes_no_more_than_there_is_and_no_less_than_it_may(
    some: list[int], anywhere: list[int], weights: list[int], most: int
) -> None:
    """Also where splits are not as the shares say, because equal images stand together."""
    labels = np.array(some, np.int64)
    splits = np.array(anywhere[: len(some)], np.int64) % len(weights)
    kept = cap_shares(labels, splits, most, [w / sum(weights) for w in weights])
    for label, row in enumerate(kept):
        there = np.bincount(splits[labels == label], minlength=len(weights))
        assert (row <= there).all()
        assert row.sum() == min(most, there.sum())
        for n, have, weight in zip(row.tolist(), there.tolist(), weights, strict=True):
            target = Fraction(min(most, int(there.sum())) * weight, sum(weights))
            assert n == have or n > target - 1


GROUPS = st.lists(st.integers(-1, 9), min_size=60, max_size=60)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(LABELS, GROUPS, WEIGHTS, st.randoms(use_true_random=False))
def test_what_may_not_be_parted_stays_together(
    some: list[int], numbers: list[int], weights: list[int], shuffler: Random
) -> None:
    """In whatever order a listing comes; and the numbers are those of a draw without groups
    wherever groups are small beside what stands alone."""
    shares = [w / sum(weights) for w in weights]
    keys, labels = keys_of(len(some)), np.array(some, np.int64)
    groups = np.array(numbers[: len(some)], np.int64)
    drawn = draw_splits(labels, keys, shares, groups)
    assert set(drawn.tolist()) <= set(range(len(shares)))
    order = np.array(shuffler.sample(range(len(labels)), len(labels)), np.int64)
    again = draw_splits(labels[order], keys[order], shares, groups[order] * 7 + 6)
    np.testing.assert_array_equal(again, drawn[order])
    for group in set(groups[groups >= 0].tolist()):
        assert len(set(drawn[groups == group].tolist())) == 1
    plain = draw_splits(labels, keys, shares)
    sizes = {
        (label, group): int(((labels == label) & (groups == group)).sum())
        for label in range(5)
        for group in range(10)
    }
    for label in range(5):
        largest = max(sizes[label, group] for group in range(10))
        alone = int(((labels == label) & (groups < 0)).sum())
        found = np.bincount(drawn[labels == label], minlength=len(shares))
        wanted = np.bincount(plain[labels == label], minlength=len(shares))
        own = [g for g in range(10) if sizes[label, g]]
        crossing = any(sizes[other, g] for g in own for other in range(5) if other != label)
        if alone >= largest * len(shares) and not crossing:
            np.testing.assert_array_equal(found, wanted)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(LABELS, GROUPS, st.lists(st.integers(1, 15), min_size=10, max_size=10), WEIGHTS)
def test_a_group_goes_where_it_may(
    some: list[int], numbers: list[int], where: list[int], weights: list[int]
) -> None:
    """The others are drawn so that the numbers are those of the shares where they can be."""
    n, splits = len(some), len(weights)
    shares = [w / sum(weights) for w in weights]
    keys, labels = keys_of(n), np.array(some, np.int64)
    groups = np.array(numbers[:n], np.int64)
    may = np.array([[bool(w >> s & 1) for s in range(splits)] for w in where]).reshape(10, splits)
    may |= ~may.any(axis=1, keepdims=True)
    drawn = draw_splits(labels, keys, shares, groups, may[groups])
    rows = groups >= 0
    assert may[groups[rows], drawn[rows]].all()
    for group in set(groups[rows].tolist()):
        assert len(set(drawn[groups == group].tolist())) == 1
    for label in set(some):
        own = labels == label
        most = np.bincount(draw_splits(labels, keys, shares)[own], minlength=splits)
        there = np.bincount(drawn[own & rows], minlength=splits)
        found = np.bincount(drawn[own], minlength=splits)
        if (there <= most).all():
            np.testing.assert_array_equal(found, most)
        else:
            assert (found[there > most] == there[there > most]).all()


def test_a_group_with_one_split_to_go_to_takes_its_room_first() -> None:
    """Although another one is larger."""
    labels, keys = np.zeros(10, np.int64), keys_of(10)
    groups = np.array([0] * 3 + [1] * 2 + [-1] * 5)
    allowed = np.ones((10, 2), bool)
    allowed[3:5, 0] = False
    drawn = draw_splits(labels, keys, [0.7, 0.3], groups, allowed)
    assert drawn[:5].tolist() == [0, 0, 0, 1, 1]
    assert np.bincount(drawn).tolist() == [7, 3]


def test_a_draw_without_groups_is_what_it_was() -> None:
    keys, labels = keys_of(60), np.arange(60) % 3
    for groups in (None, np.full(60, -1)):
        drawn = draw_splits(labels, keys, [0.7, 0.2, 0.1], groups)
        np.testing.assert_array_equal(drawn, draw_splits(labels, keys, [0.7, 0.2, 0.1]))


def test_a_group_that_fits_nowhere_goes_where_it_is_over_by_least() -> None:
    keys, labels = keys_of(10), np.zeros(10, np.int64)
    groups = np.array([0] * 9 + [-1])
    drawn = draw_splits(labels, keys, [0.6, 0.4], groups)
    assert drawn.tolist() == [0] * 9 + [1]
    whole = draw_splits(labels, keys, [0.6, 0.4], np.zeros(10, np.int64))
    assert whole.tolist() == [0] * 10


def test_pairs_are_drawn_as_the_shares_say() -> None:
    """Every image twice: half as many draws, of the same share, and not always the same ones."""
    n = 400
    keys = np.random.Generator(np.random.Philox(key=3)).integers(0, 1 << 63, (n, 2), np.uint64)
    labels, groups = np.arange(n) // 200, np.arange(n) // 2
    drawn = draw_splits(labels, keys, [0.3, 0.7], groups)
    for label in (0, 1):
        assert np.bincount(drawn[labels == label]).tolist() == [60, 140]
    tenth = [int((drawn[i : i + 40] == 0).sum()) for i in range(0, n, 40)]
    assert min(tenth) > 0
    assert max(tenth) < 40


def test_a_group_of_two_classes_takes_room_of_both() -> None:
    keys, labels = keys_of(20), np.arange(20) % 2
    groups = np.full(20, -1)
    groups[:6] = 0  # three of each class
    drawn = draw_splits(labels, keys, [0.5, 0.5], groups)
    assert len(set(drawn[:6].tolist())) == 1
    for label in (0, 1):
        assert np.bincount(drawn[labels == label]).tolist() == [5, 5]


def test_the_name_of_a_draw_says_which_image_is_in_which_split() -> None:
    keys = keys_of(6)
    splits = np.array([0, 1, 0, 1, 0, 1], np.int32)
    name = draw_digest(["test", "train"], splits, keys)
    assert draw_digest(["test", "train"], 1 - splits, keys) != name
    assert draw_digest(["hold", "train"], splits, keys) != name
    assert draw_digest(["test", "train"], splits[:5], keys[:5]) != name
