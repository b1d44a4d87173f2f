"""Fréchet distance: equal to others where they are exact, and exact where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.audit.measures import Figure, Moments, NotComputed, frechet
from tests.audit.measures.sets import collapsed, pair, rotation

Pair = tuple[np.ndarray, np.ndarray]


def ours(real: np.ndarray, made: np.ndarray) -> float:
    found = frechet(Moments.of(real), Moments.of(made), least=2)
    assert isinstance(found, Figure)
    assert (found.measure, found.n, found.n_real) == ("frechet", len(made), len(real))
    return found.value


def by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


def by_torch_fidelity(a: np.ndarray, b: np.ndarray) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    of_a, of_b = (fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b))
    return float(fid_statistics_to_metric(of_a, of_b, False)["frechet_inception_distance"])


def by_torchmetrics(a: np.ndarray, b: np.ndarray) -> float:
    from torchmetrics.image.fid import _compute_fid

    parts = [x for y in (a, b) for x in (y.mean(0), np.cov(y, rowvar=False))]
    return float(_compute_fid(*map(torch.from_numpy, parts)))


def by_images(a: np.ndarray, b: np.ndarray) -> float:
    """From the (n, m) products of centred images: the singular values of X Y^T are those of the
    roots, and no root of a rounding error is taken. Needs n and m to be small."""
    x, y = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (a, b))
    overlap = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    shift = a.mean(0) - b.mean(0)
    return float(shift @ shift + (x * x).sum() + (y * y).sum() - 2 * overlap)


@pytest.mark.parametrize("other", [by_scipy, by_torch_fidelity, by_torchmetrics])
@pytest.mark.parametrize("shape", [(3000, 2500, 64), (700, 900, 128)])
def test_it_is_what_others_compute(
    other: Callable[[np.ndarray, np.ndarray], float], shape: tuple[int, int, int]
) -> None:
    real, made = pair(*shape)
    assert ours(real, made) == pytest.approx(other(real, made), rel=1e-9)


@pytest.mark.parametrize("shape", [(60, 80, 256), (50, 400, 100), (90, 70, 2048)])
def test_fewer_images_than_dimensions(shape: tuple[int, int, int]) -> None:
    """Where the others are off by 1e-7: they take roots of what rounding leaves."""
    real, made = pair(*shape)
    assert ours(real, made) == pytest.approx(by_images(real, made), rel=1e-9)


def test_fewer_images_than_dimensions_is_near_what_others_say() -> None:
    real, made = pair(60, 80, 256)
    assert ours(real, made) == pytest.approx(by_torch_fidelity(real, made), rel=1e-5)


def test_a_direction_that_holds_nothing() -> None:
    real, made = pair(500, 400, 40)
    real[:, 5] = 0
    made[:, 9] = made[:, 8]
    assert ours(real, made) == pytest.approx(by_images(real, made), rel=1e-9)


def test_variances_of_many_sizes() -> None:
    rng = np.random.default_rng(3)
    scales = 10.0 ** -np.linspace(0, 8, 100)
    real, made = (rng.standard_normal((n, 100)) * scales for n in (400, 500))
    assert ours(real, made) == pytest.approx(by_images(real, made), rel=1e-9)


def test_2048_dimensions_of_known_distance() -> None:
    """Covariances with the same axes: the distance is that of their roots."""
    rng, dim, n = np.random.default_rng(2), 2048, 5000
    a, b = rng.uniform(0.01, 4, dim), rng.uniform(0.01, 4, dim)
    mirror = rng.standard_normal(dim)
    mirror /= np.linalg.norm(mirror)
    moments = []
    for variances in (a, b):  # H diag(v) H, H = I - 2 u u^T
        left = np.diag(variances) - 2 * np.outer(mirror, mirror * variances)
        covariance = left - 2 * np.outer(left @ mirror, mirror)
        moments.append(Moments(n, np.zeros(dim), (covariance + covariance.T) / 2 * (n - 1)))
    found = frechet(*moments)
    assert isinstance(found, Figure)
    assert found.value == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([(80, 60, 8), (12, 9, 20)]))
def test_rotation_order_and_side_change_nothing(seed: int, shape: tuple[int, int, int]) -> None:
    real, made = pair(*shape, seed=seed)
    value, turn = ours(real, made), rotation(shape[2], seed)
    assert ours(real @ turn, made @ turn) == pytest.approx(value, rel=1e-9)
    assert ours(real[::-1], made[::-1]) == pytest.approx(value, rel=1e-9)
    assert ours(made, real) == pytest.approx(value, rel=1e-9)
    assert ours(3 * real + 1, 3 * made + 1) == pytest.approx(9 * value, rel=1e-9)


@pytest.mark.parametrize("shape", [(200, 8), (20, 64)])
def test_equal_sets_are_at_no_distance(shape: tuple[int, int]) -> None:
    real, _ = pair(shape[0], 1, shape[1])
    assert 0 <= ours(real, real.copy()) < 1e-9 * real.var(axis=0).sum()
    assert 0 <= ours(np.ones(shape), np.ones(shape)) < 1e-12


def test_a_copycat_has_none() -> None:
    """Why the distance alone is no verdict: copies of real images are perfect by it."""
    real, made = pair(400, 400, 16)
    copies = real[np.random.default_rng(1).integers(0, 400, 4000)]
    assert ours(real, copies) < ours(real, made)


def test_one_collapsed_class_hides_in_all() -> None:
    """It moves the distance of all by little, and is an order of magnitude in its class."""
    real, labels, made, _ = collapsed()
    honest = made.copy()
    last = np.array(labels) == labels[-1]
    honest[last] = collapsed(seed=0)[0][last][::-1] + 0.0
    first = np.array(labels) == 0
    assert ours(real[last], made[last]) > 5 * ours(real[first], made[first])
    assert ours(real, made) < ours(real[first], made[first])


def test_too_few_have_no_distance() -> None:
    many, few = (Moments.of(pair(n, 1, 4)[0]) for n in (50, 49))
    assert frechet(many, few) == NotComputed("frechet", "n < 50", 49, 50)
    assert frechet(few, many) == NotComputed("frechet", "n_real < 50", 50, 49)
    assert isinstance(frechet(many, many), Figure)
    assert frechet(few, Moments.of(np.zeros((1, 4))), least=0) == NotComputed(
        "frechet", "n < 2", 1, 49
    )


def test_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"made: got D = 3; expected 2, as real has"):
        frechet(Moments.of(np.zeros((4, 2))), Moments.of(np.zeros((4, 3))))
