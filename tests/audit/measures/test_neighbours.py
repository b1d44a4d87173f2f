"""Exact search: the same neighbours as by hand, whatever the blocks, the precision and the ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from augment.audit.measures import Base, nearest
from augment.audit.measures.manifold import balls_around
from augment.audit.measures.neighbours import BASE_BLOCK, QUERY_BLOCK, Metric
from tests.audit.measures.sets import pair


def by_hand(
    base: np.ndarray, queries: np.ndarray, k: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    name = {"l2": "euclidean", "cosine": "cosine"}[metric]
    apart = cdist(queries.astype(np.float64), base.astype(np.float64), name)
    index = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(apart, index, axis=1)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_it_finds_what_is_there(metric: Metric, dtype: type, k: int) -> None:
    base, queries = (x.astype(dtype) for x in pair(BASE_BLOCK + 700, QUERY_BLOCK + 30, 24))
    found = nearest(Base(base, metric), queries, k)
    index, distance = by_hand(base, queries, k, metric)
    assert found.index.dtype == np.int64
    assert found.distance.dtype == np.float64
    np.testing.assert_allclose(found.distance, distance, rtol=1e-9, atol=1e-12)
    assert (found.index == index).mean() > 0.9999


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from(["l2", "cosine"]))
def test_equal_distances_go_to_the_lower_index(seed: int, k: int, metric: Metric) -> None:
    """A grid of few points: nearly every distance comes more than once."""
    rng = np.random.default_rng(seed)
    base = rng.integers(1, 4, (40, 2)).astype(np.float64)
    queries = rng.integers(1, 4, (10, 2)).astype(np.float64)
    found = nearest(Base(base, metric), queries, k)
    for row, query in enumerate(queries):
        x, y = (base, query) if metric == "l2" else (unit(base), unit(query[None])[0])
        square = ((x - y) ** 2).sum(axis=1)
        order = sorted(range(40), key=lambda i, square=square: (square[i], i))[:k]
        assert found.index[row].tolist() == order


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / rows.max(axis=1, keepdims=True) / np.sqrt(
        ((rows / rows.max(axis=1, keepdims=True)) ** 2).sum(axis=1, keepdims=True)
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_other_neighbours_in_a_block_change_nothing(metric: Metric) -> None:
    base, queries = (x.astype(np.float32) for x in pair(300, 40, 64))
    base[200:] = base[:100]  # every one of these twice
    whole = nearest(Base(base, metric), queries, 5)
    for row in range(0, 40, 7):
        alone = nearest(Base(base, metric), queries[row : row + 1], 5)
        np.testing.assert_array_equal(alone.index[0], whole.index[row])
        np.testing.assert_array_equal(alone.distance[0], whole.distance[row])


def test_far_from_the_origin_float32_finds_the_nearest() -> None:
    """Where |x|^2 - 2 x.y + |y|^2 of float32 has no digit left."""
    rng = np.random.default_rng(5)
    base = (rng.standard_normal((500, 32)) * 0.01 + 1000).astype(np.float32)
    queries = base[::7] + np.float32(0.0005)
    found = nearest(Base(base), queries, 2)
    index, distance = by_hand(base, queries, 2, "l2")
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-9)


def test_who_stands_in_the_base_finds_itself() -> None:
    base = pair(200, 1, 16)[0].astype(np.float32)
    for metric in ("l2", "cosine"):
        found = nearest(Base(base, metric), base)
        np.testing.assert_array_equal(found.index[:, 0], np.arange(200))
        np.testing.assert_array_equal(found.distance, 0)


def test_cosines_do_not_see_length() -> None:
    base, queries = pair(100, 20, 8)
    found = nearest(Base(base, "cosine"), queries, 3)
    longer = nearest(Base(base * 1e150, "cosine"), queries * 1e-150, 3)
    np.testing.assert_array_equal(found.index, longer.index)
    opposite = nearest(Base(-queries[:1], "cosine"), queries[:1])
    assert opposite.distance[0, 0] == pytest.approx(2, rel=1e-12)


def test_all_equal_is_in_order() -> None:
    base = np.ones((50, 3), np.float32)
    found = nearest(Base(base), base, 50)
    np.testing.assert_array_equal(found.index, np.tile(np.arange(50), (50, 1)))


def test_balls_with_and_without_their_rims() -> None:
    base = np.array([[0.0, 0], [3, 0], [10, 0]])
    radii = np.array([2.0, 1, 0])
    queries = np.array([[2.0, 0], [1, 0], [10, 0], [2.5, 0]])
    inside, with_rim = balls_around(Base(base), radii, queries)
    assert inside.tolist() == [0, 1, 0, 1]
    assert with_rim.tolist() == [2, 1, 1, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([np.float32, np.float64]))
def test_balls_are_counted_as_by_hand(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    base, queries = (rng.standard_normal((n, 3)).astype(dtype) for n in (60, 40))
    radii = rng.uniform(0, 2, 60)
    inside, with_rim = balls_around(Base(base), radii, queries)
    wide = queries[:, None].astype(np.float64) - base[None]
    apart = np.sqrt(np.square(wide).sum(axis=2))
    np.testing.assert_array_equal(inside, (apart < radii).sum(axis=1))
    np.testing.assert_array_equal(with_rim, (apart <= radii).sum(axis=1))


def test_what_cannot_be_searched() -> None:
    base = Base(np.eye(3))
    for k in (0, 4):
        with pytest.raises(ValueError, match=rf"k: got {k}; expected 1 to 3, the rows of the base"):
            nearest(base, np.eye(3), k)
    with pytest.raises(ValueError, match=r"queries_ND: got D = 2; expected 3"):
        nearest(base, np.eye(2))
    with pytest.raises(ValueError, match=r"metric: got 'dot'; expected 'l2' or 'cosine'"):
        Base(np.eye(3), "dot")  # type: ignore[arg-type]
    long = np.array([[1e20], [-1e20]], np.float32)
    with pytest.raises(ValueError, match=r"base_ND: got rows longer than 2e\+19; expected shorter"):
        Base(long)
    with pytest.raises(ValueError, match=r"queries_ND: got rows longer than 2e\+19; expected"):
        nearest(Base(long / np.float32(1e20)), long)
    with pytest.raises(ValueError, match=r"protected\[1\]: got a row of zeros"):
        Base(np.array([[1.0], [0.0]]), "cosine", "protected")
    with pytest.raises(ValueError, match=r"queries_ND\[1\]: got a row of zeros"):
        nearest(Base(np.ones((2, 1)), "cosine"), np.array([[1.0], [0.0]]))
