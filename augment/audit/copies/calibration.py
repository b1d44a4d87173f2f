"""Calibration: from which score on a pair is called a copy, from real images that are none.

The threshold is the j-th highest score of n held-out images, j = floor(rate * (n + 1)): another
image of their kind scores above it with a probability of j / (n + 1), which is at most the rate
(split conformal prediction: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World",
2005). It is never a constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from augment.audit.measures.shares import clopper_pearson

FALSE_POSITIVES = 0.005
LEVEL = 0.95
NOWHERE = -1e9
"""The score where there is no candidate."""
OWN = 200
"""Held-out images of a class from which on its own scores count for any rate: what the usual rate
needs."""


@dataclass(frozen=True)
class Twin:
    """A held-out image that looks like a protected one: rows in both sets, and the pair's score."""

    holdout: int
    protected: int
    score: float


@dataclass(frozen=True)
class Threshold:
    """score: above it a pair is called a copy. n: held-out images that it comes from. upper: 95 %
    upper bound (Clopper-Pearson) on the share of other real images above it. twins: the held-out
    images that put the threshold where it is, the highest first; look at them: what they have in
    common no copy is recognised by, and a real copy among them raises the threshold for nothing."""

    score: float
    n: int
    upper: float
    twins: tuple[Twin, ...]


@dataclass(frozen=True)
class NotCalibrated:
    """There is no threshold, so nothing but equal pixels is called a copy. reason: one line. n:
    held-out images that there were."""

    reason: str
    n: int


@dataclass(frozen=True, eq=False)
class Held:
    """What a calibration was made from: of any score it tells the least rate of false positives at
    which it is a copy's, so that another rate asks for no other calibration.

    twins: the best pair of every held-out image. labels: their classes, or None. ascending: the
    scores of all (None) and of every class, float64.
    """

    twins: tuple[Twin, ...]
    labels: tuple[str, ...] | None
    ascending: Mapping[str | None, np.ndarray]

    @classmethod
    def of(cls, twins: Sequence[Twin], labels: Sequence[str] | None = None) -> Held:
        scores = np.array([twin.score for twin in twins], np.float64)
        found: dict[str | None, np.ndarray] = {None: np.sort(scores)}
        if labels is not None:
            rows: dict[str, list[int]] = {}
            for row, label in enumerate(labels):
                rows.setdefault(label, []).append(row)
            found |= {label: np.sort(scores[some]) for label, some in rows.items()}
        return cls(tuple(twins), None if labels is None else tuple(labels), found)

    def least_rate(self, score: float, label: str | None = None) -> float:
        """Above 0, at most 1: of the held-out images and this one, the share that scores no lower.

        Of a class with `OWN` held-out images they are those of the class. Above all of these it is
        that of all images, where that is less: at rates below 1 / n the class has no threshold.
        """
        overall = _share(self.ascending[None], score)
        own = self.ascending.get(label) if label is not None else None
        if own is None or len(own) < OWN:
            return overall
        share = _share(own, score)
        return min(share, overall) if score > own[-1] else share


def _share(ascending: np.ndarray, score: float) -> float:
    n = len(ascending)
    return (1 + n - int(np.searchsorted(ascending, score))) / (n + 1)


@dataclass(frozen=True)
class Calibration:
    """rate: share of real images that may be called copies. overall: of all held-out images.
    by_class: of classes that have enough of their own. equal: (holdout, protected) rows of equal
    pixels, which are copies and were left out. margins: of all held-out images but these, see
    `margin`; empty where there is no threshold. held: what all of it comes from."""

    rate: float
    overall: Threshold | NotCalibrated
    by_class: Mapping[str, Threshold] = field(default_factory=dict)
    equal: tuple[tuple[int, int], ...] = ()
    margins: tuple[float | None, ...] = ()
    held: Held = field(default_factory=lambda: Held.of(()), compare=False)

    @property
    def most(self) -> float:
        """Share of other real images that may be called copies, at most: the greatest 95 % upper
        bound of a threshold. The fewer held-out images set it, the farther it lies above the rate
        that was asked for. 0 where there is no threshold."""
        known = [
            one for one in (self.overall, *self.by_class.values()) if isinstance(one, Threshold)
        ]
        return max((one.upper for one in known), default=0.0)

    def of(self, label: str | None) -> Threshold | NotCalibrated:
        """What holds for an image of that class."""
        return self.by_class.get(label, self.overall) if label is not None else self.overall

    def margin(self, score: float, label: str | None = None) -> float | None:
        """How far a score lies above the threshold; None where there is no threshold, or no
        candidate was scored."""
        found = self.of(label)
        if not isinstance(found, Threshold) or score <= NOWHERE:
            return None
        return score - found.score

    def is_copy(self, score: float, label: str | None = None) -> bool:
        found = self.of(label)
        return isinstance(found, Threshold) and score > found.score


def least_n(rate: float) -> int:
    """Held-out images that a threshold needs: with fewer none can be shown for the rate."""
    return math.ceil(1 / rate)


def shown_rate(n: int, rate: float, loosest: float) -> float:
    """The rate, or where n held-out images cannot show it the least one that they can, at most
    `loosest`."""
    return rate if n >= least_n(rate) else min(loosest, (1 + 1e-9) / max(n, 1))


def threshold(scored: Sequence[Twin], rate: float) -> Threshold | NotCalibrated:
    """From the best pair of every held-out image."""
    n = len(scored)
    if n < (least := least_n(rate)):
        return NotCalibrated(f"not calibrated: n_holdout < {least}", n)
    j = math.floor(rate * (n + 1) + 1e-9)
    top = sorted(scored, key=lambda twin: (-twin.score, twin.holdout))[:j]
    upper = clopper_pearson(j - 1, n, 2 * LEVEL - 1).high
    return Threshold(top[-1].score, n, upper, tuple(top))


def calibrated(
    scored: Sequence[Twin], labels: Sequence[str] | Mapping[int, str] | None, rate: float,
    equal: Sequence[tuple[int, int]] = (),
) -> Calibration:  # fmt: skip
    """labels: of held-out images, by their rows. Pairs of equal pixels are not among `scored`."""
    classes: dict[str, list[Twin]] = {}
    for twin in scored:
        if labels is not None:
            classes.setdefault(labels[twin.holdout], []).append(twin)
    own = {label: threshold(some, rate) for label, some in sorted(classes.items())}
    found = Calibration(
        rate, threshold(scored, rate),
        {label: found for label, found in own.items() if isinstance(found, Threshold)},
        tuple(equal),
        held=Held.of(scored, None if labels is None else [labels[twin.holdout] for twin in scored]),
    )  # fmt: skip
    if isinstance(found.overall, NotCalibrated):
        return found
    margins = (found.margin(one.score, labels[one.holdout] if labels is not None else None)
               for one in scored)  # fmt: skip
    return replace(found, margins=tuple(margins))
