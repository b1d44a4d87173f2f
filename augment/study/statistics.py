"""Accuracies of paired trainings -> differences with intervals.

An image that is named right counts 1 / (classes x images of its class): the mean over classes of
recall, so that a common class hides no rare one. Two sources of chance: trainings, and the test
images, which all trainings share. Their variances are added (Owen, "The pigeonhole bootstrap",
Annals of Applied Statistics 2007: the sum errs on the wide side). Trainings of one draw may be more
alike than those of two: where an F test at 0.25 says so, only draws count (Bancroft, "Analysis and
inference for incompletely specified models", Biometrics 1964). Degrees of freedom by Welch and
Satterthwaite.

Letters: D draws, R seeds, N test images, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from augment.study.arithmetic import f_tail, t_quantile

LEVEL = 0.95
LEAST_PAIRS = 3
"""With fewer nothing is known of how much trainings differ."""
_DRAWS_DIFFER = 0.25


@dataclass(frozen=True)
class Interval:
    """low <= high. level: of all intervals that were asked together."""

    low: float
    high: float
    level: float = LEVEL


@dataclass(frozen=True)
class Estimate:
    """value: mean over trainings, or their pairs, of accuracies or differences, in parts of 1.
    interval None: why says the reason. n: trainings or pairs; draws: that they are of."""

    value: float
    n: int
    draws: int
    interval: Interval | None = None
    why: str | None = None


def weights_of(labels_N: np.ndarray, classes: int) -> np.ndarray:
    """(N,) float64 that sum to 1: what an image counts. labels_N: int64 below `classes`; every
    class has an image."""
    counts = np.bincount(labels_N, minlength=classes)
    return np.asarray(1.0 / (classes * counts[labels_N]))


def estimate(
    values_DRN: np.ndarray, labels_N: np.ndarray, classes: int, family: int = 1, least: float = 0.0
) -> Estimate:
    """values_DRN: float64, of every training the part of an image's views that were named right,
    or its difference to that of another arm. family: intervals that must hold together.
    least: that a value can be: 0 of accuracies, -1 of differences; the most is 1.
    """
    draws, seeds, _ = values_DRN.shape
    own = values_DRN @ weights_of(labels_N, classes)
    value, n = float(own.mean()), draws * seeds
    if n < LEAST_PAIRS:
        return Estimate(value, n, draws, None, f"n < {LEAST_PAIRS}")
    of_trainings = _of_trainings(own)
    of_images = _of_images(values_DRN.mean((0, 1)), labels_N, classes, least)
    if of_images is None:
        return Estimate(value, n, draws, None, "no class has 2 test images")
    interval = _interval(value, [of_trainings, of_images], family)
    return Estimate(value, n, draws, replace(interval, low=max(least, interval.low),
                                             high=min(1.0, interval.high)))  # fmt: skip


def _of_trainings(own_DR: np.ndarray) -> tuple[float, float]:
    """(variance of the mean of all, its degrees of freedom)."""
    draws, seeds = own_DR.shape
    n = own_DR.size
    means = own_DR.mean(axis=1)
    pooled = float(own_DR.var(ddof=1))
    if draws < 2 or seeds < 2:
        return pooled / n, n - 1.0
    between = seeds * float(means.var(ddof=1))
    within = float(((own_DR - means[:, None]) ** 2).sum()) / (n - draws)
    f = between / within if within else math.inf if between else 0.0
    if f > 1 and (math.isinf(f) or f_tail(f, draws - 1, n - draws) < _DRAWS_DIFFER):
        return between / n, draws - 1.0
    return max(pooled, within) / n, n - 1.0


def _of_images(
    means_N: np.ndarray, labels_N: np.ndarray, classes: int, least: float
) -> tuple[float, float] | None:
    """(variance of the mean over classes, its degrees of freedom); None where no class has two
    images. A class of one image has the mean variance of the others. One image more, half of it at
    each end of the range, is spread over the classes: that all images agreed does not prove that
    the next one will (Agresti and Min, "Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine 2005)."""
    parts = [means_N[labels_N == label] for label in range(classes)]
    known = [_variance(part, least, classes) for part in parts if len(part) > 1]
    if not known:
        return None
    variances = [
        (_variance(part, least, classes) if len(part) > 1 else float(np.mean(known)), len(part))
        for part in parts
    ]
    terms = [variance / (size * classes**2) for variance, size in variances]
    total = sum(terms)
    squares = sum(term**2 / max(1, size - 1)
                  for term, (_, size) in zip(terms, variances, strict=True))  # fmt: skip
    return total, total**2 / squares if squares else math.inf


def _variance(part_N: np.ndarray, least: float, classes: int) -> float:
    mean = float(part_N.mean())
    more = ((1.0 - mean) ** 2 + (least - mean) ** 2) / (2 * classes)
    return (float(((part_N - mean) ** 2).sum()) + more) / (len(part_N) - 1)


def _interval(value: float, parts: list[tuple[float, float]], family: int) -> Interval:
    total = sum(variance for variance, _ in parts)
    df = total**2 / sum(variance**2 / df for variance, df in parts if variance)
    reach = t_quantile(1 - (1 - LEVEL) / (2 * family), min(df, 1e7)) * math.sqrt(total)
    return Interval(value - reach, value + reach)
