"""Seeded draws: intervals of a figure, and what real images give against real images.

A figure means something beside the same figure between two real sets of the same n. That
distribution is `reference`; `where` says at which quantile of it a figure lies, and nothing more.
Sources: the bootstrap, Efron and Tibshirani, "An Introduction to the Bootstrap", 1993;
half-samples, Politis, Romano and Wolf, "Subsampling", 1999.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from augment.audit.measures.features import Array, checked, checked_pair
from augment.audit.measures.figures import Figure, Interval, Measured, NotComputed
from augment.audit.measures.streams import some_rows, stream

Statistic = Callable[[Array, Array], Measured]
"""Of real features (N, D) and made ones (M, D)."""
Statistics = Callable[[Array, Array], Mapping[str, Measured]]
"""Several of them at once, by name; the same names for every pair."""

LEAST_DRAWS = 20
"""With fewer the ends of a 95 % interval, or of a reference, are single draws."""


@dataclass(frozen=True)
class Reference:
    """A figure between real images. halves: of two disjoint draws of n from real train, ascending.
    holdout: of n of train against n of the holdout, ascending; empty where there is none."""

    measure: str
    n: int
    halves: tuple[float, ...]
    holdout: tuple[float, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a figure lies in a reference. quantile: share of draws below it and half of those equal
    to it, 0 .. 1; 0 and 1 mean outside of all draws. draws: how many there were."""

    measure: str
    quantile: float
    draws: int


def reference(
    real_ND: Array, n: int, statistic: Statistic, draws: int, seed: int,
    holdout_ND: Array | None = None,
) -> Reference | NotComputed:  # fmt: skip
    """What the statistic gives between real images at this n: `draws` seeded pairs of disjoint
    halves, and of train against holdout where that is given.

    Not computed where train has fewer than 2 n images, the holdout fewer than n, or the statistic
    is not computed at n.

    Raises:
        ValueError: features that are refused, n below 1, or draws below `LEAST_DRAWS`.
    """
    found = references(real_ND, n, _alone(statistic), draws, seed, holdout_ND)
    return next(iter(found.values()))


def references(
    real_ND: Array, n: int, statistics: Statistics, draws: int, seed: int,
    holdout_ND: Array | None = None,
) -> dict[str, Reference | NotComputed]:  # fmt: skip
    """As `reference`, of several statistics of the same draws; by their names.

    Raises:
        ValueError: as `reference`.
    """
    _positive(n, draws)
    if holdout_ND is None:
        real, holdout = checked("real_ND", real_ND), None
    else:
        real, holdout = checked_pair(real_ND, holdout_ND)
    if len(real) < 2 * n:
        return _every(
            statistics, real, NotComputed("reference", f"n_real < 2 n = {2 * n}", n, len(real))
        )
    if holdout is not None and len(holdout) < n:
        return _every(
            statistics, real, NotComputed("reference", f"n_holdout < n = {n}", n, len(holdout))
        )
    rng, halves, held = stream(seed, "reference"), [], []
    for _ in range(draws):
        order = rng.permutation(len(real))
        halves.append(statistics(real[order[:n]], real[order[n : 2 * n]]))
        if holdout is not None:
            held.append(statistics(real[order[:n]], holdout[some_rows(n, len(holdout), rng)]))
    return {name: _reference(n, [one[name] for one in halves], [one[name] for one in held])
            for name in halves[0]}  # fmt: skip


def _reference(
    n: int, halves: Sequence[Measured], held: Sequence[Measured]
) -> Reference | NotComputed:
    for one in (*halves, *held):
        if isinstance(one, NotComputed):
            return one
    values = [
        sorted(one.value for one in some if isinstance(one, Figure)) for some in (halves, held)
    ]
    return Reference(halves[0].measure, n, tuple(values[0]), tuple(values[1]))


def _every(
    statistics: Statistics, real: Array, why: NotComputed
) -> dict[str, Reference | NotComputed]:
    """One reason for all; their names are known from what they say of one image."""
    return dict.fromkeys(statistics(real[:1], real[:1]), why)


def _alone(statistic: Statistic) -> Statistics:
    return lambda real, made: {"": statistic(real, made)}


def where(figure: Measured, against: Reference | NotComputed) -> Place | NotComputed:
    """The quantile of a figure among draws: train against holdout where there are any, else halves.

    Raises:
        ValueError: the reference is of another measure, or of another n on either side.
    """
    if isinstance(figure, NotComputed):
        return figure
    if isinstance(against, NotComputed):
        return replace(against, measure=figure.measure)
    if (figure.measure, figure.n) != (against.measure, against.n):
        raise ValueError(
            f"against: got {against.measure} of n = {against.n}; expected {figure.measure} of "
            f"n = {figure.n}: figures of another n do not compare"
        )
    if figure.n_real not in (None, against.n):
        raise ValueError(
            f"figure: got n_real = {figure.n_real}; expected {against.n}, as the reference has: "
            "measure against as many real images"
        )
    draws = np.array(against.holdout or against.halves)
    below = float((draws < figure.value).mean()) + float((draws == figure.value).mean()) / 2
    return Place(figure.measure, below, len(draws))


def with_interval(
    real_ND: Array, made_ND: Array, statistic: Statistic, *, seed: int, draws: int = 100,
    level: float = 0.95,
) -> Measured:  # fmt: skip
    """The figure of all images with an interval from seeded halves of both sides, drawn without
    replacement: their spread around the value. A half's variance about the whole is the whole's
    own, where images enter like a mean. Nobody is drawn twice, so neighbours and kernels stay
    what they are, and the shift that a smaller n brings is taken out.

    Not computed where the statistic of the halves is not.

    Raises:
        ValueError: features that are refused, or draws below `LEAST_DRAWS`.
    """
    found = with_intervals(real_ND, made_ND, _alone(statistic), seed=seed, draws=draws, level=level)
    return found[""]


def with_intervals(
    real_ND: Array, made_ND: Array, statistics: Statistics, *, seed: int, draws: int = 100,
    level: float = 0.95,
) -> dict[str, Measured]:  # fmt: skip
    """As `with_interval`, of several statistics of the same halves; by their names.

    Raises:
        ValueError: as `with_interval`.
    """
    real, made = checked_pair(real_ND, made_ND)
    _positive(1, draws)
    tails = _tails(level)
    whole = statistics(real, made)
    if not any(isinstance(one, Figure) for one in whole.values()):
        return dict(whole)
    rng, halves = stream(seed, "halves"), []
    for _ in range(draws):
        a, b = (rows[some_rows(len(rows) // 2, len(rows), rng)] for rows in (real, made))
        halves.append(statistics(a, b))
    return {name: _spread(one, [half[name] for half in halves], tails, level)
            for name, one in whole.items()}  # fmt: skip


def _spread(
    whole: Measured, halves: Sequence[Measured], tails: tuple[float, float], level: float
) -> Measured:
    if isinstance(whole, NotComputed):
        return whole
    values = []
    for half in halves:
        if isinstance(half, NotComputed):
            return NotComputed(whole.measure, f"halves: {half.reason}", whole.n, whole.n_real)
        values.append(half.value)
    low, high = np.quantile(np.array(values) - np.mean(values), tails)
    return replace(whole, interval=_interval(whole.value + low, whole.value + high, level))


def bootstrap(values_N: Array, *, seed: int, draws: int = 1000, level: float = 0.95) -> Interval:
    """Percentile interval of the mean of values that stand for one image each, for example whether
    it is covered; (N,) of numbers or truths, N >= 1.

    Raises:
        ValueError: other values, or draws below `LEAST_DRAWS`.
    """
    values = np.asarray(values_N)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "biuf":
        raise ValueError(
            f"values_N: got shape {values.shape} of {values.dtype}; expected (N,) of numbers"
        )
    if not np.isfinite(values).all():
        raise ValueError("values_N: got numbers that are not finite; expected finite ones")
    _positive(1, draws)
    rng = stream(seed, "bootstrap")
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = np.quantile(means, _tails(level))
    return _interval(low, high, level)


def _positive(n: int, draws: int) -> None:
    if n < 1:
        raise ValueError(f"n: got {n}; expected at least 1")
    if draws < LEAST_DRAWS:
        raise ValueError(f"draws: got {draws}; expected at least {LEAST_DRAWS}")


def _tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}; expected a number between 0 and 1")
    return (1 - level) / 2, (1 + level) / 2


def _interval(low: float, high: float, level: float) -> Interval:
    return Interval(float(low), float(high), level)
