"""The detector: fitted to protected images, calibrated on held-out ones, then asked about others.

Fitting needs no copies: it plants its own. Of the protected images a seeded sample is set aside; on
the rest projections and the verifier are learned, the threshold comes from the held-out images, and
planted copies of the sample say what the detector finds on this very data set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augment.audit.copies import verifier
from augment.audit.copies.calibration import (
    FALSE_POSITIVES,
    NOWHERE,
    Calibration,
    NotCalibrated,
    Threshold,
    Twin,
    calibrated,
    least_n,
    shown_rate,
)
from augment.audit.copies.evidence import NAMES
from augment.audit.copies.images import ImageSet
from augment.audit.copies.planted import KINDS
from augment.audit.copies.search import Extract, Hits, Pair, Search
from augment.audit.copies.threads import one_thread
from augment.audit.copies.verifier import Verifier
from augment.audit.copies.warps import IDENTITY, Array
from augment.audit.measures.figures import Interval
from augment.audit.measures.shares import clopper_pearson
from augment.audit.measures.streams import some_rows, stream

LEAST_PROTECTED = 20
"""With fewer there are no look-alikes to learn from."""
LEARNED, MEASURED = 60, 100
"""Most images that copies are planted of to learn from, and to measure recall."""
_OTHERS = 5
"""For each of the former, real images to learn from that are no copies."""
_ALIKE = NAMES.index("alike_bent")
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Match:
    """The nearest protected image of one image.

    protected: its row, -1 where no candidate overlaps. score: higher is nearer; scores of two
    detectors do not compare. equal: their pixels are equal. is_copy: equal, or above the threshold.
    warp: (2, 3), from the image into the protected one, both in [-1, 1] x [-1, 1] (see `warps`):
    how a copy was changed. margin: how far its likest candidate scores above the threshold,
    whether or not it agrees as copies do; None where there is no threshold or no candidate.
    least_rate: the least rate of false positives at which it is called a copy, 0 where the pixels
    are equal, NaN where they are not and there is no threshold.
    """

    protected: int
    score: float
    equal: bool
    is_copy: bool
    warp: tuple[tuple[float, ...], ...]
    margin: float | None = None
    least_rate: float = math.nan

    @property
    def mirrored(self) -> bool:
        (a, b, _), (c, d, _) = self.warp
        return a * d < b * c


@dataclass(frozen=True)
class Recall:
    """Of n planted copies of one kind: found, those that were called copies, and the 95 % interval
    (Clopper-Pearson) of their share; named, those whose nearest image was the original."""

    kind: str
    n: int
    found: int
    named: int
    interval: Interval

    @property
    def share(self) -> float:
        return self.found / self.n


@dataclass(frozen=True, eq=False)
class Detector:
    """Made by `Detector.fit`. searched: the protected images. verify: the score of a pair.
    calibration: from which score on a pair is a copy. recall: of each kind, on planted copies of
    images that nothing was learned from; empty where there is no threshold."""

    searched: Search
    verify: Verifier
    calibration: Calibration
    recall: tuple[Recall, ...] = ()

    @classmethod
    @one_thread()
    def fit(
        cls, protected: ImageSet, holdout: ImageSet, *, seed: int,
        extractors: Mapping[str, Extract] | None = None, same_class: bool = False,
        false_positives: float = FALSE_POSITIVES, measured: int = MEASURED, learned: int = LEARNED,
        loosest: float | None = None,
    ) -> Detector:  # fmt: skip
        """A detector of copies of the protected images.

        holdout: real images of the same kind that are no copies of protected ones; the same pixels
        are left out and told. extractors: each adds a space in which candidates are looked for.
        same_class: an image is compared with protected images of its own label alone.
        false_positives: share of real images that may be called copies, above 0 and below 1.
        measured: images that copies of every kind are planted of to measure recall, at most half of
        the protected ones; 0: it is not measured, which takes about half of the time.
        learned: images that copies of every kind are planted of to learn from, at least 1; with
        fewer the detector finds less. Where the held-out images are too few for a threshold,
        nothing is learned. loosest: where they are too few for false_positives, the least share
        that they can show takes its place, if it is no greater than this.

        Raises:
            ValueError: no protected images, a share outside of 0 and 1, learned below 1, or
                images, labels or features that are refused.
        """
        if not len(protected):
            raise ValueError("protected: got no image; expected at least 1")
        if not 0 < false_positives < 1:
            raise ValueError(
                f"false_positives: got {false_positives}; expected a share between 0 and 1"
            )
        if learned < 1:
            raise ValueError(f"learned: got {learned}; expected at least 1 image")
        protected.check("protected")
        if same_class and protected.labels is None:
            raise ValueError("protected.labels: got None; expected a label an image (same_class)")
        aside, learn = _parts(len(protected), measured, stream(seed, "copies/parts"))
        search = Search.of(protected, extractors or {}, learn, stream(seed, "copies/projections"),
                           same_class=same_class)  # fmt: skip
        enough = len(protected) >= LEAST_PROTECTED
        loosest = max(false_positives, loosest or 0.0)
        useful = enough and len(holdout) >= least_n(loosest)
        held = list(search.hits(holdout, "holdout")) if enough else []
        verify = (
            _learned(search, protected, learn, held, seed, learned)
            if useful
            else verifier.unlearned()
        )
        found = cls(search, verify, Calibration(false_positives, NotCalibrated("", 0)))
        found = cls(search, verify,
                    found._calibrated(holdout, held, false_positives, loosest, enough))  # fmt: skip
        if not measured or not isinstance(found.calibration.overall, Threshold):
            return found
        return cls(search, verify, found.calibration, found._measured(protected, aside, seed))

    @one_thread()
    def search(self, images: ImageSet) -> list[Match]:
        """The nearest protected image of each, in order. Every image is looked at.

        Raises:
            ValueError: the set is refused.
        """
        return [self._match(hits, images.label(hits.row))
                for hits in self.searched.hits(images, "images")]  # fmt: skip

    def _match(self, hits: Hits, label: str | None) -> Match:
        could_be = [pair for pair in hits.pairs if self.verify.could_be(pair.evidence)]
        score, pair = self._best(could_be)
        if hits.equal:
            protected, warp = hits.equal[0], IDENTITY
        else:
            protected, warp = (pair.protected, pair.warp) if pair else (-1, IDENTITY)
        is_copy = bool(hits.equal) or self.calibration.is_copy(score, label)
        rows = tuple(tuple(float(x) for x in row) for row in warp[:2])
        margin = self.calibration.margin(self._best(hits.pairs)[0], label)
        least = 0.0 if hits.equal else self._least_rate(score, label)
        return Match(protected, score, bool(hits.equal), is_copy, rows, margin, least)

    def _least_rate(self, score: float, label: str | None) -> float:
        if isinstance(self.calibration.overall, NotCalibrated):
            return math.nan
        return self.calibration.held.least_rate(score, label)

    def _best(self, pairs: Sequence[Pair]) -> tuple[float, Pair | None]:
        scored = [(self.verify(pair.evidence), pair) for pair in pairs]
        return max(scored, key=lambda one: one[0], default=(NOWHERE, None))

    def _calibrated(
        self, holdout: ImageSet, held: Sequence[Hits], rate: float, loosest: float, enough: bool
    ) -> Calibration:
        if not enough:
            reason = f"not calibrated: n_protected < {LEAST_PROTECTED}"
            return Calibration(rate, NotCalibrated(reason, len(holdout)))
        scored, equal = [], []
        for hits in held:
            equal += [(hits.row, hits.equal[0])] if hits.equal else []
            if not hits.equal:
                score, pair = self._best(hits.pairs)
                scored.append(Twin(hits.row, pair.protected if pair else -1, score))
        return calibrated(scored, holdout.labels, shown_rate(len(scored), rate, loosest), equal)

    def _measured(self, protected: ImageSet, rows: Array, seed: int) -> tuple[Recall, ...]:
        found = []
        for kind in KINDS:
            matches = self.search(planted(protected, rows, kind, stream(seed, f"copies/{kind}")))
            originals = [self.searched.equal(self.searched.small.digests[row]) for row in rows]
            hit = sum(match.is_copy for match in matches)
            named = sum(m.protected in rows for m, rows in zip(matches, originals, strict=True))
            found.append(Recall(kind, len(rows), hit, named, clopper_pearson(hit, len(rows))))
        return tuple(found)


def planted(protected: ImageSet, rows: Array, kind: str, rng: np.random.Generator) -> ImageSet:
    """A copy of one kind of each of some protected images, with their labels."""
    copies = [KINDS[kind](protected.images[row], rng) for row in rows.tolist()]
    labels = None if protected.labels is None else [protected.labels[row] for row in rows.tolist()]
    return ImageSet(copies, labels)


def _parts(n: int, measured: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows to measure on, and rows to learn from: all others, or all where there are too few."""
    if n < LEAST_PROTECTED:
        return np.arange(0), np.arange(n)
    aside = some_rows(min(measured, n // 2), n, rng)
    return aside, np.setdiff1d(np.arange(n), aside)


def _learned(
    search: Search, protected: ImageSet, learn: Array, held: Sequence[Hits], seed: int, most: int
) -> Verifier:
    copies, others, usual = [], [], _usual(held)
    rows = _drawn(learn, most, seed, "copies/learned")
    for kind in KINDS:
        if kind == "exact":
            continue
        made = planted(protected, rows, kind, stream(seed, f"copies/learned/{kind}"))
        for row, hits in zip(rows.tolist(), search.hits(made, "planted"), strict=True):
            originals = search.equal(search.small.digests[row])
            copies += [p.evidence for p in hits.pairs if p.protected in originals]
    for hits in _real(search, protected, _drawn(learn, _OTHERS * most, seed, "copies/others")):
        others += [p.evidence for p in hits.pairs if p.evidence[_ALIKE] <= usual]
    if not copies or not others:
        return verifier.unlearned()
    return verifier.learned(np.array(copies), np.array(others))


def _usual(held: Sequence[Hits]) -> float:
    """How alike real images are that are no copies: of nearly all held-out ones the nearest is no
    nearer. Protected images that are, as neighbouring frames or overlapping crops, may be copies of
    one another, from which nobody learns what a copy is not."""
    nearest = [max(p.evidence[_ALIKE] for p in hits.pairs) for hits in held
               if hits.pairs and not hits.equal]  # fmt: skip
    return float(np.quantile(nearest, _NEARLY_ALL)) if nearest else np.inf


def _real(search: Search, protected: ImageSet, rows: Array) -> Iterator[Hits]:
    """Protected images beside other protected images."""
    some = [protected.images[row] for row in rows.tolist()]
    labels = None if protected.labels is None else [protected.labels[row] for row in rows.tolist()]
    features = {name: of[rows] for name, of in protected.features.items()}
    return search.hits(ImageSet(some, labels, features), "protected", without_equal=True)


def _drawn(rows: Array, most: int, seed: int, purpose: str) -> Array:
    some: Array = rows[some_rows(min(most, len(rows)), len(rows), stream(seed, purpose))]
    return some
