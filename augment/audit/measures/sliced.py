"""Sliced Wasserstein distance: how far apart two sets lie, seen along random directions.

The root of the mean, over seeded directions, of the squared 2-Wasserstein distance of the
projections, which sorting solves exactly. Source: Rabin et al., "Wasserstein Barycenter and Its
Application to Texture Mixing", SSVM 2011; Bonneel et al., "Sliced and Radon Wasserstein Barycenters
of Measures", JMIV 2015. It needs no covariance, so it says something from 1,000 images.
"""

from __future__ import annotations

import numpy as np

from augment.audit.measures.features import Array, checked_pair
from augment.audit.measures.figures import Figure, Measured, too_few
from augment.audit.measures.streams import stream

LEAST_N = 200
"""Below it the tails of a projection, which weigh most, are a handful of images."""

PROJECTIONS = 512
_AT_ONCE = 32


def sliced_wasserstein(
    real_ND: Array, made_ND: Array, *, seed: int, projections: int = PROJECTIONS,
    least: int = LEAST_N,
) -> Measured:  # fmt: skip
    """`sliced_wasserstein`, 0 (equal sets) upwards, in units of the features; less is nearer. Falls
    with n: compare with the same n only. n and n_real may differ. real_ND: (N, D), made_ND: (M, D).

    Raises:
        ValueError: features that are refused, or projections below 1.
    """
    real, made = checked_pair(real_ND, made_ND)
    if projections < 1:
        raise ValueError(f"projections: got {projections}; expected at least 1")
    if refused := too_few("sliced_wasserstein", max(1, least), len(made), len(real)):
        return refused
    rng = stream(seed, "sliced")
    squares = []
    for begin in range(0, projections, _AT_ONCE):
        some = min(_AT_ONCE, projections - begin)
        directions = rng.standard_normal((some, real.shape[1]))
        directions /= np.sqrt(np.square(directions).sum(axis=1, keepdims=True))
        squares.append(squared_distances(_sorted(real, directions), _sorted(made, directions)))
    value = float(np.sqrt(np.concatenate(squares).mean()))
    return Figure("sliced_wasserstein", value, len(made), len(real))


def squared_distances(a_BN: Array, b_BN: Array) -> Array:
    """(P,) squared 2-Wasserstein distance of rows that are sorted, each of its own n."""
    n, m = a_BN.shape[1], b_BN.shape[1]
    if n == m:
        means: Array = np.square(a_BN - b_BN).mean(axis=1)
        return means
    # both quantile functions are flat between the steps i / n and j / m; counted in 1 / (n m)
    steps = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(steps, prepend=0) / (n * m)
    apart = a_BN[:, (steps - 1) // m] - b_BN[:, (steps - 1) // n]
    integrals: Array = np.square(apart) @ widths
    return integrals


def _sorted(features_ND: Array, directions_ND: Array) -> Array:
    return np.sort(directions_ND.astype(features_ND.dtype) @ features_ND.T, axis=1).astype(float)
