"""Precision, recall, density and coverage: balls around images, up to their k-th neighbour.

Sources: precision and recall, Kynkäänniemi et al., "Improved Precision and Recall Metric for
Assessing Generative Models", NeurIPS 2019; density and coverage, Naeem et al., "Reliable Fidelity
and Diversity Metrics for Generative Models", ICML 2020. As there, an image on the rim of a ball
counts for precision and recall and does not for density and coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.audit.measures.features import Array, checked_pair
from augment.audit.measures.figures import Figure, Measured, NotComputed, too_few
from augment.audit.measures.neighbours import (
    Base,
    Queries,
    nearest,
    query_blocks,
    stepped,
)

K = 5
"""Neighbours that make a ball, as in Naeem et al.; Kynkäänniemi et al. take 3."""

LEAST_N = 20
"""Below it the balls of k = 5 neighbours cover a quarter of the set and more."""


@dataclass(frozen=True)
class Manifold:
    """precision: share of made images in a real ball, 0 .. 1. recall: share of real images in a
    made ball, 0 .. 1. density: real balls a made image lies in, divided by k, 0 upwards, about 1
    for real against real. coverage: share of real balls with a made image, 0 .. 1."""

    precision: Measured
    recall: Measured
    density: Measured
    coverage: Measured


def manifold(real_ND: Array, made_ND: Array, k: int = K, least: int = LEAST_N) -> Manifold:
    """All four, by exact search with flat memory. real_ND: (N, D), made_ND: (M, D).

    Not computed where a side has fewer than `least` images, or k or fewer.

    Raises:
        ValueError: features that are refused, or k below 1.
    """
    real, made = checked_pair(real_ND, made_ND)
    if k < 1:
        raise ValueError(f"k: got {k}; expected at least 1")
    values: list[Measured] = []
    names = ("precision", "recall", "density", "coverage")
    if too_few("", max(k + 1, least), len(made), len(real)):
        refusals = [too_few(name, max(k + 1, least), len(made), len(real)) for name in names]
        values = [one for one in refusals if isinstance(one, NotComputed)]
    else:
        numbers = _numbers(real, made, k)
        values = [
            Figure(name, one, len(made), len(real))
            for name, one in zip(names, numbers, strict=True)
        ]
    return Manifold(*values)


def _numbers(real: Array, made: Array, k: int) -> tuple[float, float, float, float]:
    real_base, made_base = Base(real, name="real_ND"), Base(made, name="made_ND")
    real_radii, made_radii = ball_radii(real_base, k), ball_radii(made_base, k)
    inside, on_or_inside = balls_around(real_base, real_radii, made)
    _, of_real = balls_around(made_base, made_radii, real)
    nearest_made = nearest(made_base, real).distance[:, 0]
    return (
        float((on_or_inside > 0).mean()),
        float((of_real > 0).mean()),
        float(inside.mean()) / k,
        float((nearest_made < real_radii).mean()),
    )


def ball_radii(base: Base, k: int) -> Array:
    """(N,) float64: from each row of the base to its k-th nearest other row. k < N."""
    return nearest(base, base.features, k + 1).distance[:, -1]


def balls_around(base: Base, radii_N: Array, queries_ND: Array) -> tuple[Array, Array]:
    """For each query the number of balls (row of an l2 base, its radius) that it lies in: without
    the rim, and with it; (Q,) int64 each. Exact: pairs near a rim are measured again."""
    counts = [_of_block(block, base, radii_N) for block in query_blocks(base, queries_ND)]
    without, with_rim = zip(*counts, strict=True)
    return np.concatenate(without), np.concatenate(with_rim)


def _of_block(queries: Queries, base: Base, radii_N: Array) -> tuple[Array, Array]:
    inside = np.zeros(len(queries.rows), np.int64)
    rim = np.zeros(len(queries.rows), np.int64)
    # x . y - |y|^2 / 2 + r^2 / 2 against |x|^2 / 2
    slack = queries.slack + 2 * base.error * float(radii_N.max()) ** 2
    low, high = stepped(queries.half - slack, base, -1), stepped(queries.half + slack, base, 1)
    for begin, block in base.scores(radii_N**2 / 2):
        scores = queries.screen @ block.T
        inside += np.count_nonzero(scores > high[:, None], axis=1)
        unsure = (scores >= low[:, None]) & (scores <= high[:, None])
        rows, columns = np.nonzero(unsure)
        apart = np.sqrt(base.exact(queries.rows, rows, columns + begin))
        radii = radii_N[columns + begin]
        inside += np.bincount(rows[apart < radii], minlength=len(inside))
        rim += np.bincount(rows[apart == radii], minlength=len(inside))
    return inside, inside + rim
