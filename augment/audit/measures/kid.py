"""Kernel inception distance: unbiased squared MMD with k(x, y) = (x . y / D + 1)^3.

Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018. Kernels are summed a block at a
time, so memory does not follow n.
"""

from __future__ import annotations

import numpy as np

from augment.audit.measures.features import Array, blocks, checked_pair
from augment.audit.measures.figures import Figure, Interval, Measured, too_few
from augment.audit.measures.streams import some_rows, stream

LEAST_N = 50
"""The estimate is unbiased at any n, but below it its spread is larger than what it measures."""

_BLOCK = 1024


def kid(
    real_ND: Array, made_ND: Array, *, seed: int, subset: int = 1000, subsets: int = 100,
    level: float = 0.95, least: int = LEAST_N,
) -> Measured:  # fmt: skip
    """`kid` of all images, about 0 (may be slightly negative) upwards; less is nearer.

    real_ND, made_ND: (N, D) and (M, D), float32 or float64. The interval comes from `subsets`
    seeded subsets of `subset` images of each side (at most half of the smaller one): their spread,
    scaled from their size to n, around the value.

    Raises:
        ValueError: features that are refused, or subset or subsets below 2.
    """
    real, made = checked_pair(real_ND, made_ND)
    _least("subset", subset)
    if refused := too_few("kid", max(4, least), len(made), len(real)):
        return refused
    value = unbiased(real, made)
    n = min(len(real), len(made))
    size = min(subset, n // 2)
    spread = subset_values(real, made, seed=seed, subset=size, subsets=subsets)
    spread = (spread - spread.mean()) * np.sqrt(size / (n - size))
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2])
    interval = Interval(value + float(low), value + float(high), level)
    return Figure("kid", value, len(made), len(real), interval)


def subset_values(
    real_ND: Array, made_ND: Array, *, seed: int, subset: int = 1000, subsets: int = 100
) -> Array:
    """(subsets,) float64: the estimate of each seeded subset of `subset` images a side, drawn
    without replacement. Their mean and standard deviation are what papers print.

    Raises:
        ValueError: features that are refused; subset or subsets below 2; fewer images than subset.
    """
    real, made = checked_pair(real_ND, made_ND)
    _least("subset", subset)
    _least("subsets", subsets)
    if subset > (n := min(len(real), len(made))):
        raise ValueError(f"subset: got {subset}; expected at most n, which is {n}")
    rng = stream(seed, "kid")
    draws = [
        (some_rows(subset, len(real), rng), some_rows(subset, len(made), rng))
        for _ in range(subsets)
    ]
    return np.array([unbiased(real[i], made[j]) for i, j in draws])


def unbiased(real_ND: Array, made_ND: Array) -> float:
    """The unbiased estimate over all pairs, float64; both sides have at least 2 images."""
    real, made = checked_pair(real_ND, made_ND, least_rows=2)
    n, m = len(real), len(made)
    within_real, within_made = _sum(real, real), _sum(made, made)
    within_real -= float(_kernel_of_self(real).sum())
    within_made -= float(_kernel_of_self(made).sum())
    across = _sum(real, made)
    return within_real / (n * (n - 1)) + within_made / (m * (m - 1)) - 2 * across / (n * m)


def _sum(x_ND: Array, y_ND: Array) -> float:
    total = 0.0
    for _, x in blocks(x_ND, _BLOCK):
        wide = x.astype(np.float64) / x.shape[1]
        for _, y in blocks(y_ND, _BLOCK):
            kernel = wide @ y.astype(np.float64, copy=False).T
            kernel += 1
            total += float(np.einsum("ij,ij,ij->", kernel, kernel, kernel))
    return total


def _kernel_of_self(x_ND: Array) -> Array:
    squares = [np.square(x, dtype=np.float64).sum(axis=1) for _, x in blocks(x_ND, _BLOCK)]
    kernel: Array = (np.concatenate(squares) / x_ND.shape[1] + 1) ** 3
    return kernel


def _least(name: str, value: int) -> None:
    if value < 2:
        raise ValueError(f"{name}: got {value}; expected at least 2")
