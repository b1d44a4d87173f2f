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


def test_the_name_of_a_draw_says_which_image_is_in_which_split() -> None:
    keys = keys_of(6)
    splits = np.array([0, 1, 0, 1, 0, 1], np.int32)
    name = draw_digest(["test", "train"], splits, keys)
    assert draw_digest(["test", "train"], 1 - splits, keys) != name
    assert draw_digest(["hold", "train"], splits, keys) != name
    assert draw_digest(["test", "train"], splits[:5], keys[:5]) != name
