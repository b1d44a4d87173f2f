"""Kernel inception distance: the unbiased estimate, its blocks, its subsets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from augment.audit.measures import Figure, NotComputed, kid
from augment.audit.measures.kid import subset_values, unbiased
from tests.audit.measures.sets import pair, rotation


def by_sklearn(real: np.ndarray, made: np.ndarray) -> float:
    """All pairs, in full matrices."""
    x, y, z = (polynomial_kernel(a, b, degree=3, coef0=1)
               for a, b in ((real, real), (made, made), (real, made)))  # fmt: skip
    n, m = len(real), len(made)
    within = (x.sum() - np.trace(x)) / (n * (n - 1)) + (y.sum() - np.trace(y)) / (m * (m - 1))
    return float(within - 2 * z.mean())


@pytest.mark.parametrize("shape", [(60, 90, 5), (1300, 1100, 16), (80, 70, 2048)])
def test_it_is_what_full_matrices_give(shape: tuple[int, int, int]) -> None:
    real, made = pair(*shape)
    found = kid(real, made, seed=1)
    assert isinstance(found, Figure)
    assert (found.measure, found.n, found.n_real) == ("kid", shape[1], shape[0])
    assert found.value == pytest.approx(by_sklearn(real, made), rel=1e-9)


def test_it_is_what_torch_fidelity_gives() -> None:
    """With one subset of all images, which needs no common draw."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    real, made = pair(400, 400, 32)
    theirs = kid_features_to_metric(
        torch.from_numpy(real), torch.from_numpy(made), kid_subsets=1, kid_subset_size=400,
        verbose=False,
    )  # fmt: skip
    assert unbiased(real, made) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    (ours,) = set(subset_values(real, made, seed=3, subset=400, subsets=2).round(13))
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)


def test_float32_is_summed_in_float64() -> None:
    real, made = (x.astype(np.float32) for x in pair(300, 200, 64))
    wide = by_sklearn(real.astype(np.float64), made.astype(np.float64))
    assert unbiased(real, made) == pytest.approx(wide, rel=1e-9)


def test_rotation_and_order_change_nothing() -> None:
    real, made = pair(120, 150, 9)
    turn = rotation(9, 1)
    value = unbiased(real, made)
    assert unbiased(real @ turn, made @ turn) == pytest.approx(value, rel=1e-9)
    assert unbiased(real[::-1], made[::-1]) == pytest.approx(value, rel=1e-9)
    assert unbiased(made, real) == pytest.approx(value, rel=1e-9)


def test_it_is_unbiased() -> None:
    """Of two draws of one distribution it is 0 in the mean, so half of the values are negative."""
    values = [unbiased(*np.split(np.random.default_rng(i).standard_normal((100, 6)), 2))
              for i in range(200)]  # fmt: skip
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert 40 < sum(value < 0 for value in values) < 170


def test_its_interval_covers_the_truth() -> None:
    """Mostly: 95 % are promised, of 40 draws at least 32 must be right."""
    real, made = pair(40000, 40000, 4)
    truth = unbiased(real[:8000], made[:8000])
    hits = 0
    for i in range(40):
        part = slice(i * 300, (i + 1) * 300)
        found = kid(real[part], made[part], seed=i, subsets=60)
        assert isinstance(found, Figure)
        assert found.interval is not None
        hits += found.interval.low <= truth <= found.interval.high
    assert hits >= 32


def test_the_seed_decides_the_subsets() -> None:
    real, made = pair(100, 100, 4)
    one, again, other = (kid(real, made, seed=s, subsets=20) for s in (1, 1, 2))
    assert one == again != other
    assert isinstance(one, Figure)
    assert isinstance(other, Figure)
    assert one.value == other.value


def test_what_is_no_subset() -> None:
    real, made = pair(100, 60, 4)
    with pytest.raises(ValueError, match=r"subset: got 61; expected at most n, which is 60"):
        subset_values(real, made, seed=1, subset=61)
    with pytest.raises(ValueError, match=r"subset: got 1; expected at least 2"):
        kid(real, made, seed=1, subset=1)
    with pytest.raises(ValueError, match=r"subsets: got 1; expected at least 2"):
        kid(real, made, seed=1, subsets=1)


def test_too_few() -> None:
    real, made = pair(50, 49, 4)
    assert kid(real, made, seed=1) == NotComputed("kid", "n < 50", 49, 50)
    assert kid(made, real, seed=1) == NotComputed("kid", "n_real < 50", 50, 49)
    assert isinstance(kid(made, real, seed=1, least=49), Figure)
