"""Bottom-k samples: the same images whatever the order, the shards or repetition."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.audit.measures import BottomK

IDS = [f"image-{i}" for i in range(200)]
ROWS = np.random.default_rng(0).standard_normal((200, 3))


def sample(rows: list[int], k: int = 10, seed: int = 1) -> BottomK:
    return BottomK.of([IDS[i] for i in rows], ROWS[rows], k, seed)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 199), min_size=1, max_size=60), min_size=1, max_size=5),
    st.integers(1, 40),
    st.randoms(),
)
def test_no_split_order_or_repetition_changes_it(shards, k, random) -> None:
    whole = sorted({row for shard in shards for row in shard})
    random.shuffle(whole)
    wanted = sample(whole, k)
    parts = [sample(shard, k) for shard in shards]
    random.shuffle(parts)
    found = functools.reduce(BottomK.merge, parts)
    assert found.ids == wanted.ids
    assert len(found.ids) == min(k, len(whole))
    np.testing.assert_array_equal(found.features, wanted.features)


def test_a_row_stays_with_its_id() -> None:
    found = sample(list(range(200)))
    for one, row in zip(found.ids, found.features, strict=True):
        np.testing.assert_array_equal(row, ROWS[IDS.index(one)])


def test_every_image_is_as_likely() -> None:
    counts = np.zeros(200)
    for seed in range(300):
        counts[[IDS.index(one) for one in sample(list(range(200)), 20, seed).ids]] += 1
    assert counts.sum() == 300 * 20
    assert counts.min() > 10  # 30 in the mean, 5.2 deviation
    assert counts.max() < 56


def test_what_does_not_merge() -> None:
    with pytest.raises(ValueError, match=r"other: got k = 9, seed = 1; expected 10, 1"):
        sample([1]).merge(sample([1], 9))
    with pytest.raises(ValueError, match=r"other: got k = 10, seed = 2; expected 10, 1"):
        sample([1]).merge(sample([1], seed=2))
    with pytest.raises(ValueError, match=r"other: got D = 1; expected 3"):
        sample([1]).merge(BottomK.of(["a"], np.zeros((1, 1)), 10, 1))
    with pytest.raises(ValueError, match=r"ids: got 'image-1' twice with other features"):
        sample([1]).merge(BottomK.of(["image-1"], np.zeros((1, 3)), 10, 1))


def test_what_is_no_sample() -> None:
    with pytest.raises(ValueError, match=r"k: got 0; expected at least 1"):
        sample([1], 0)
    with pytest.raises(ValueError, match=r"ids: got 1; expected 2, one a row"):
        BottomK.of(["a"], np.zeros((2, 3)), 10, 1)
