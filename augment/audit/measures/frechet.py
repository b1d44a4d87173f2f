"""Fréchet distance between the normal distributions of two feature sets.

|mu_a - mu_b|^2 + tr A + tr B - 2 tr (A B)^(1/2). Source: Heusel et al., "GANs Trained by a Two
Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017. It is called FID only
with the standard Inception weights, resize and n, which this file does not know.

With A = F F^T and B = G G^T the last trace is the sum of the singular values of F^T G. That keeps
digits which the eigenvalues of A B, or of A^(1/2) B A^(1/2), lose: there rounding of 1e-16
becomes 1e-8 under the root, once for each of the D - n directions that hold nothing.
"""

from __future__ import annotations

import contextlib

import numpy as np

from augment.audit.measures.features import Array
from augment.audit.measures.figures import Figure, Measured, too_few
from augment.audit.measures.moments import Moments

LEAST_N = 50
"""Below it the covariance holds so few directions that the distance is nearly all bias: it falls
with n, whatever the images are. Above it, too, only distances of the same n compare."""

_NOISE = 16 * float(np.finfo(np.float64).eps)
"""Of the greatest variance: what lies below it in a direction is rounding."""

_SAFE = 1e6 * _NOISE
"""Above it in every direction, the order of the directions does not matter."""


def frechet(real: Moments, made: Moments, least: int = LEAST_N) -> Measured:
    """`frechet`, 0 (same mean and covariance) upwards, in squared units of the features; less is
    nearer. Symmetric. n < D is allowed. least: below it on either side, not computed.

    Raises:
        ValueError: D differs.
    """
    if real.dim != made.dim:
        raise ValueError(f"made: got D = {made.dim}; expected {real.dim}, as real has")
    refused = too_few("frechet", max(2, least), made.n, real.n)
    return refused or Figure("frechet", distance(real, made), made.n, real.n)


def distance(a: Moments, b: Moments) -> float:
    """The distance itself, float64, for any n from 2; what rounding takes below 0 is 0."""
    shift = b.mean_D - a.mean_D
    cov_a, cov_b = a.covariance(), b.covariance()
    cross = _factor(cov_a, a.n).T @ _factor(cov_b, b.n)
    overlap = float(np.linalg.svd(cross, compute_uv=False).sum())
    total = float(shift @ shift) + float(np.trace(cov_a)) + float(np.trace(cov_b)) - 2 * overlap
    return max(0.0, total)


def _factor(cov_DD: Array, n: int) -> Array:
    """(D, R) with cov = factor factor^T; R is at most n - 1, the most that n images can span."""
    if n > len(cov_DD):
        with contextlib.suppress(np.linalg.LinAlgError):  # some direction holds nothing
            factor: Array = np.linalg.cholesky(cov_DD)
            if factor.diagonal().min() ** 2 > _SAFE * cov_DD.diagonal().max():
                return factor
    return _pivoted(cov_DD, min(n - 1, len(cov_DD)))


def _pivoted(cov_DD: Array, rank: int) -> Array:
    """Cholesky with the greatest rest first, until nothing but rounding is left (Higham 2002,
    section 10.3): rank^2 D work, where eigenvalues would cost D^3."""
    rest = cov_DD.diagonal().copy()
    noise = _NOISE * float(rest.max())
    factor = np.zeros((len(cov_DD), rank), order="F")
    for column in range(rank):
        pivot = int(np.argmax(rest))
        if rest[pivot] <= noise:
            return factor[:, :column]
        new = cov_DD[pivot] - factor[:, :column] @ factor[pivot, :column]
        new /= np.sqrt(rest[pivot])
        factor[:, column] = new
        rest -= new**2
        rest[pivot] = 0.0
    return factor
