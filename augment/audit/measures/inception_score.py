"""Inception Score from class probabilities. Reported because it is asked for; never a gate.

exp of the mean divergence of p(y | x) from its mean p(y). It sees no real image: a generator that
makes one perfect image a class has the highest score there is. Source: Salimans et al., "Improved
Techniques for Training GANs", NeurIPS 2016; Barratt and Sharma, "A Note on the Inception Score",
2018, for what it does not say.
"""

from __future__ import annotations

import itertools
from statistics import NormalDist

import numpy as np

from augment.audit.measures.features import Array, checked
from augment.audit.measures.figures import Figure, Interval, Measured, too_few

LEAST_N = 200
"""Below it a tenth of the images does not show the mean of the classes."""

_SUM_TOLERANCE = 1e-4


def inception_score(
    probabilities_NC: Array, splits: int = 10, level: float = 0.95, least: int = LEAST_N
) -> Measured:
    """`inception_score`, 1 .. C; the mean over `splits` consecutive parts, as papers print it.

    probabilities_NC: (N, C) float32 or float64, rows that sum to 1. The interval is the mean's own,
    by the spread between parts (normal); none with one part.

    Raises:
        ValueError: an array that is refused, a row that is no distribution, or splits outside
            1 .. N.
    """
    rows = checked("probabilities_NC", probabilities_NC).astype(np.float64)
    _distributions(rows)
    if not 1 <= splits <= len(rows):
        raise ValueError(f"splits: got {splits}; expected 1 to {len(rows)}")
    if refused := too_few("inception_score", least, len(rows)):
        return refused
    edges = [i * len(rows) // splits for i in range(splits + 1)]
    parts = np.array([_score(rows[a:b]) for a, b in itertools.pairwise(edges)])
    value = float(parts.mean())
    return Figure("inception_score", value, len(rows), None, _interval(parts, level))


def _distributions(rows: Array) -> None:
    bad = (rows < 0).any(axis=1) | (np.abs(rows.sum(axis=1) - 1) > _SUM_TOLERANCE)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"probabilities_NC[{row}]: got least {rows[row].min():g} and sum {rows[row].sum():g}; "
            "expected none below 0 and a sum of 1. Give probabilities, not logits"
        )


def _score(rows: Array) -> float:
    mean = rows.mean(axis=0, keepdims=True)
    logs = np.log(np.where(rows > 0, rows, 1)) - np.log(np.where(mean > 0, mean, 1))
    return float(np.exp((rows * logs).sum(axis=1).mean()))


def _interval(parts: Array, level: float) -> Interval | None:
    if len(parts) < 2:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * float(parts.std(ddof=1)) / len(parts) ** 0.5
    return Interval(float(parts.mean()) - half, float(parts.mean()) + half, level)
