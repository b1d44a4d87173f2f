"""Made images of one group against real ones: every measure beside itself between real images.

The figure and its reference have the same n on both sides: as many images as the smaller of the
made group and half of the real one has, so that two disjoint halves of the real images can be
drawn. Where a holdout has as many beside a class of train, the reference is train against holdout,
else one half against the other. All classes together are compared with as many real images of each
class as were made.

Shape letters: N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.audit.measures import (
    Figure,
    Measured,
    Moments,
    NotComputed,
    Place,
    Reference,
    frechet,
    intra_ratio,
    manifold,
    references,
    sliced_wasserstein,
    vendi_ratio,
    where,
    with_intervals,
)
from augment.audit.measures.figures import too_few
from augment.audit.measures.frechet import LEAST_N as FRECHET_N
from augment.audit.measures.kid import LEAST_N as KID_N
from augment.audit.measures.kid import unbiased
from augment.audit.measures.resampling import Statistics
from augment.audit.quality.gathering import Group

LESS_IS_NEARER = ("frechet", "kid", "sliced_wasserstein")
MORE_IS_NEARER = ("precision", "recall", "density", "coverage")
ABOUT_ONE = ("vendi_ratio", "intra_ratio")
MEASURES = (*LESS_IS_NEARER, *MORE_IS_NEARER, *ABOUT_ONE)
_PROJECTIONS = 128


@dataclass(frozen=True)
class Draws:
    """How often real images are drawn against one another, and halves for an interval; seeded."""

    references: int = 20
    intervals: int = 20


@dataclass(frozen=True)
class Compared:
    """One measure of one group by one extractor (None: it needs none).

    figure: the number, or why there is none. real: `train`, `holdout` or `both`: where the real
    images come from that it was measured against. reference: its low end, median and high end
    between real images of the same n, of `draws` draws; kind: `holdout` or `halves`. quantile: the
    figure's place among them, 0 .. 1. ratio: figure : median of the reference, None where that is
    not above 0. All None where they are not computed; why says it.
    """

    group: Group
    extractor: str | None
    figure: Measured
    real: str | None = None
    kind: str | None = None
    low: float | None = None
    median: float | None = None
    high: float | None = None
    draws: int | None = None
    quantile: float | None = None
    ratio: float | None = None
    why: str | None = None

    @property
    def apart(self) -> bool | None:
        """Whether it lies outside of what real images give, on the side that is worse for this
        measure, on either side for a ratio; None where that is not known."""
        if self.quantile is None:
            return None
        low, high = self.quantile <= 0.0, self.quantile >= 1.0
        if self.figure.measure in LESS_IS_NEARER:
            return high
        return low if self.figure.measure in MORE_IS_NEARER else low or high

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        figure = self.figure
        value = figure.value if isinstance(figure, Figure) else None
        interval = figure.interval if isinstance(figure, Figure) else None
        return {
            "measure": figure.measure,
            "extractor": self.extractor,
            **self.group.to_json(),
            "value": value,
            "n": figure.n,
            "n_real": figure.n_real,
            "real": self.real,
            "interval": None if interval is None else vars(interval),
            "reference": None if self.kind is None else {
                "kind": self.kind, "draws": self.draws, "low": self.low, "median": self.median,
                "high": self.high,
            },
            "quantile": self.quantile,
            "ratio": self.ratio,
            "apart": self.apart,
            "not_computed": figure.reason if isinstance(figure, NotComputed) else self.why,
        }  # fmt: skip


def measures(
    real_ND: np.ndarray, made_ND: np.ndarray, seed: int, dim: int | None = None
) -> dict[str, Measured]:
    """Every measure of `MEASURES`, by its name. real_ND: (N, D), made_ND: (M, D). dim: dimensions
    of the extractor, where the rows were turned into fewer; see `narrowed`."""
    few = (len(made_ND), len(real_ND))
    scale = np.sqrt(real_ND.shape[1] / (dim or real_ND.shape[1]))  # measures that divide by D
    real, made = real_ND * scale, made_ND * scale
    balls = manifold(real_ND, made_ND)
    found = (
        too_few("frechet", FRECHET_N, *few) or frechet(Moments.of(real_ND), Moments.of(made_ND)),
        too_few("kid", KID_N, *few) or Figure("kid", unbiased(real, made), *few),
        sliced_wasserstein(real, made, seed=seed, projections=_PROJECTIONS),
        balls.precision,
        balls.recall,
        balls.density,
        balls.coverage,
        vendi_ratio(real_ND, made_ND, seed=seed),
        intra_ratio(real_ND, made_ND),
    )
    return {one.measure: one for one in found}


@dataclass(frozen=True)
class Side:
    """Real images that made ones are held against, in a seeded order.

    pool_ND: the real images of train, or those of the holdout where these are more; a long tail has
    few of the first. kind: `train` or `holdout`. other_ND: the holdout beside a pool of train.
    """

    kind: str
    pool_ND: np.ndarray
    other_ND: np.ndarray | None = None

    @classmethod
    def of(cls, train_ND: np.ndarray | None, holdout_ND: np.ndarray | None) -> Side | None:
        """None where there is no real image at all."""
        train, holdout = (0 if one is None else len(one) for one in (train_ND, holdout_ND))
        if train_ND is not None and train >= holdout:
            return cls("train", train_ND, holdout_ND)
        return None if holdout_ND is None else cls("holdout", holdout_ND)

    def room(self, made: int) -> int:
        """Images of each side that a comparison with so many made ones has."""
        return min(made, len(self.pool_ND) // 2)


@dataclass(frozen=True)
class Pair:
    """What is compared. real_ND, made_ND: n images each. pool_ND: real images that halves of n are
    drawn of; held_ND: of a holdout, None: halves are the reference. kind: as in `Side`, or
    `both`."""

    kind: str
    real_ND: np.ndarray
    made_ND: np.ndarray
    pool_ND: np.ndarray
    held_ND: np.ndarray | None


def narrowed(pair: Pair) -> Pair:
    """The same rows turned into the directions that they span: products and distances stay what
    they are, to rounding, and cost a tenth. As it is where that saves nothing."""
    parts = [pair.real_ND, pair.made_ND, pair.pool_ND]
    parts += [] if pair.held_ND is None else [pair.held_ND]
    if 2 * sum(map(len, parts)) > pair.real_ND.shape[1]:
        return pair
    upper: Any = np.linalg.qr(np.concatenate(parts).astype(np.float64).T, mode="r")
    turned = upper.T
    ends = np.cumsum([len(part) for part in parts])[:-1]
    real, made, pool, *held = np.split(np.ascontiguousarray(turned), ends)
    return Pair(pair.kind, real, made, pool, held[0] if held else None)


def pair_of(side: Side, made_ND: np.ndarray) -> Pair | None:
    """Of one class; None where a side has no image to spare."""
    n = side.room(len(made_ND))
    if not n:
        return None
    held = side.other_ND if side.other_ND is not None and len(side.other_ND) >= n else None
    return Pair(side.kind, side.pool_ND[:n], made_ND[:n], side.pool_ND, held)


def pair_of_all(
    sides: Mapping[str, Side], made: Mapping[str, np.ndarray], most: int
) -> Pair | None:
    """Of all classes that were made, each as often on either side: else a generator of rare classes
    would be told that it lacks the frequent ones. most: images of a side, about."""
    sizes = {name: sides[name].room(len(some)) for name, some in made.items() if name in sides}
    scale = min(1.0, most / max(1, sum(sizes.values())))
    ns = {name: max(1, int(n * scale)) for name, n in sizes.items() if n}
    if not ns:
        return None
    kinds = {sides[name].kind for name in ns}
    held = [(sides[name].other_ND, n) for name, n in ns.items()]
    enough = all(some is not None and len(some) >= n for some, n in held)
    return Pair(
        kinds.pop() if len(kinds) == 1 else "both",
        np.concatenate([sides[name].pool_ND[:n] for name, n in ns.items()]),
        np.concatenate([made[name][:n] for name, n in ns.items()]),
        np.concatenate([sides[name].pool_ND[: 2 * n] for name, n in ns.items()]),
        np.concatenate([some[: 2 * n] for some, n in held if some is not None]) if enough else None,
    )


class Comparison:
    """Compares pairs, and keeps the references that it has drawn: several makers share them."""

    def __init__(self, seed: int, draws: Draws) -> None:
        self._seed, self._draws = seed, draws
        self._known: dict[tuple[object, int], Mapping[str, Reference | NotComputed]] = {}

    def compare(self, group: Group, extractor: str, pair: Pair) -> list[Compared]:
        """Every measure of a pair."""
        dim, pair = pair.real_ND.shape[1], narrowed(pair)

        def statistics(real: np.ndarray, made: np.ndarray) -> dict[str, Measured]:
            return measures(real, made, self._seed, dim)

        figures = with_intervals(
            pair.real_ND, pair.made_ND, statistics, seed=self._seed, draws=self._draws.intervals
        )
        whole: Mapping[str, Measured] = figures
        if any(isinstance(one, NotComputed) for one in figures.values()):
            whole = statistics(pair.real_ND, pair.made_ND)  # halves may have too few images
        against = self._references(group, extractor, pair, statistics)
        found = []
        for name in MEASURES:
            figure = figures[name] if isinstance(figures[name], Figure) else whole[name]
            found.append(_placed(group, extractor, pair.kind, figure, against[name]))
        return found

    def _references(
        self, group: Group, extractor: str, pair: Pair, statistics: Statistics
    ) -> Mapping[str, Reference | NotComputed]:
        n = len(pair.real_ND)
        of = group.maker if group.class_name is None else None  # its classes are the maker's
        key = ((extractor, group.split, group.class_name, of), n)
        if key not in self._known:
            self._known[key] = references(
                pair.pool_ND, n, statistics, self._draws.references, self._seed, pair.held_ND
            )
        return self._known[key]


def not_compared(group: Group, extractor: str, made: int, real: int) -> list[Compared]:
    """Where there is no pair."""
    why = f"{real} real images of it; expected at least 2"
    return [Compared(group, extractor, NotComputed(name, why, made, real)) for name in MEASURES]


def _placed(
    group: Group, extractor: str, real: str, figure: Measured, against: Reference | NotComputed
) -> Compared:
    if isinstance(figure, NotComputed):
        return Compared(group, extractor, figure, real)
    if isinstance(against, NotComputed):
        return Compared(group, extractor, figure, real, why=f"no reference: {against.reason}")
    place = where(figure, against)
    values = np.array(against.holdout or against.halves)
    median = float(np.median(values))
    return Compared(
        group,
        extractor,
        figure,
        real,
        kind="holdout" if against.holdout else "halves",
        low=float(values.min()),
        median=median,
        high=float(values.max()),
        draws=len(values),
        quantile=place.quantile if isinstance(place, Place) else None,
        ratio=figure.value / median if median > 0 else None,
    )
