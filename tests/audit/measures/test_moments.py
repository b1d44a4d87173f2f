"""Moments: of all images at once, or of any split, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.audit.measures import Moments, merged
from tests.audit.measures.sets import pair


def same(a: Moments, b: Moments, relative: float = 1e-9) -> bool:
    scale = np.abs(a.scatter_DD).max() + a.n * np.abs(a.mean_D).max() ** 2
    return (
        a.n == b.n
        and np.allclose(a.mean_D, b.mean_D, rtol=relative, atol=relative * np.abs(a.mean_D).max())
        and np.allclose(a.scatter_DD, b.scatter_DD, rtol=relative, atol=relative * scale)
    )


def test_they_are_numpys() -> None:
    real, _ = pair(500, 1, 7)
    found = Moments.of(real)
    assert found.n == 500
    np.testing.assert_allclose(found.mean_D, real.mean(axis=0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.covariance(), np.cov(real, rowvar=False), rtol=1e-11)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.booleans())
def test_no_split_and_no_order_changes_them(seed: int, sizes: list[int], shift: bool) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((sum(sizes), 5)) + 1000 * shift
    parts = [Moments.of(part) for part in np.split(features, np.cumsum(sizes)[:-1])]
    whole = Moments.of(features)
    assert same(whole, merged(parts))
    assert same(whole, merged([parts[i] for i in rng.permutation(len(parts))]))


def test_more_than_a_block_of_float32_is_summed_in_float64() -> None:
    rng = np.random.default_rng(1)
    features = (rng.standard_normal((3000, 2048)) + 300).astype(np.float32)
    found = Moments.of(features)  # 2,048 rows a block
    wide = features.astype(np.float64)
    np.testing.assert_allclose(found.mean_D, wide.mean(axis=0), rtol=1e-13)
    some = slice(0, 40)
    wanted = np.cov(wide[:, some], rowvar=False)
    np.testing.assert_allclose(found.covariance()[some, some], wanted, rtol=1e-9, atol=1e-11)


def test_they_go_through_arrays() -> None:
    found = Moments.of(pair(50, 1, 6)[0])
    arrays = found.to_arrays()
    assert arrays["scatter"].shape == (21,)
    again = Moments.from_arrays(arrays)
    assert again.n == found.n
    np.testing.assert_array_equal(again.mean_D, found.mean_D)
    np.testing.assert_allclose(again.scatter_DD, found.scatter_DD, rtol=1e-15)
    np.testing.assert_array_equal(again.scatter_DD, again.scatter_DD.T)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("n", np.asarray(0), "n: got array(0); expected one whole number, at least 1"),
        ("n", np.asarray(2.0), "n: got array(2.); expected one whole number"),
        ("mean", np.zeros(2, np.float32), "mean: got shape (2,) of float32; expected one axis"),
        ("mean", np.zeros(3), "scatter: got 3 numbers; expected 6 for D = 3"),
        ("mean", np.array([0, np.inf]), "mean: got numbers that are not finite"),
        ("scatter", np.array([1.0, np.nan, 1.0]), "scatter: got numbers that are not finite"),
        ("scatter", np.array([1.0, 0.0, -1.0]), "scatter: got -1.0 on the diagonal"),
    ],
)
def test_arrays_that_are_none(key: str, value: np.ndarray, text: str) -> None:
    arrays = Moments.of(np.array([[1.0, 2.0], [2.0, 5.0]])).to_arrays()
    with pytest.raises(ValueError, match=r"got .*expected") as caught:
        Moments.from_arrays({**arrays, key: value})
    assert text in str(caught.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"arrays: got no 'mean'; expected n, mean and scatter"):
        Moments.from_arrays({"n": np.asarray(2), "scatter": np.zeros(1)})


def test_what_does_not_merge() -> None:
    two, three = Moments.of(np.zeros((4, 2))), Moments.of(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"other: got D = 3; expected 2"):
        two.merge(three)
    with pytest.raises(ValueError, match=r"parts: got none; expected at least one"):
        merged([])
    with pytest.raises(ValueError, match=r"n: got 1; expected at least 2"):
        Moments.of(np.zeros((1, 2))).covariance()
