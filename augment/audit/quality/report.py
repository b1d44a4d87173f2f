"""All that was measured of one version, as one value: nothing is thrown away or drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.audit.findings import Check, Finding, folded, not_judged
from augment.audit.quality.comparing import (
    Compared,
    Comparison,
    Draws,
    Side,
    not_compared,
    pair_of,
    pair_of_all,
)
from augment.audit.quality.copied import Leaks, Searched, copied, leaked
from augment.audit.quality.embedding import Embedding
from augment.audit.quality.gathering import Gathered, Group
from augment.audit.quality.labels import Agreement, Doubt, Labels
from augment.audit.quality.limited import Measurements
from augment.audit.quality.verdicts import (
    Thresholds,
    collapsed,
    fidelity,
    mislabelled,
    repeated,
)

OVERALL = 500
"""Images of each side that are compared over all classes."""


@dataclass(frozen=True)
class Extractor:
    """One that was asked. info: what decides its numbers, {} where there is none: why says it."""

    name: str
    info: Mapping[str, Any]
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {"name": self.name, "info": dict(self.info) or None, "not_computed": self.why}


@dataclass(frozen=True)
class Quality:
    """seed: of every draw. draws: of references and intervals. makers: id -> name, of the
    generators whose rows were judged. lost: rows whose image no extractor could see. doubtful:
    made rows whose class the task's classifier gives a low probability, of all. embedding: a map of
    some images, None where none was drawn."""

    seed: int
    draws: Draws
    extractors: tuple[Extractor, ...]
    makers: Mapping[str, str]
    lost: int
    compared: tuple[Compared, ...]
    repeats: Mapping[Group, tuple[int, int]]
    agreements: tuple[Agreement, ...]
    quarantine: tuple[Doubt, ...]
    searched: tuple[Searched, ...] | None
    leaks: Leaks | None
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    embedding: Embedding | None = None

    def measurements(self) -> Measurements:
        """What bounds may speak of."""
        return Measurements(
            self.compared, self.agreements, self.repeats, self.searched, self.makers
        )

    def to_json(self) -> dict[str, Any]:
        """As `audit_schema()` says under `quality`."""
        return {
            "seed": self.seed,
            "draws": vars(self.draws),
            "extractors": [one.to_json() for one in self.extractors],
            "makers": dict(self.makers),
            "lost": self.lost,
            "fidelity": [
                {**group.to_json(),
                 "frechet_ratio": ratio, "extractors": n}
                for group, ratio, n in fidelity(self.compared)
            ],
            "figures": [one.to_json() for one in self.compared],
            "repeats": [
                {**group.to_json(),
                 "rows": n, "different": different}
                for group, (n, different) in self.repeats.items()
            ],
            "labels": [one.to_json() for one in self.agreements],
            "quarantine": [one.to_json() for one in self.quarantine],
            "copies": None
            if self.searched is None
            else [one.to_json() for one in self.searched],
            "leaks": None if self.leaks is None else self.leaks.to_json(),
            "embedding": None if self.embedding is None else self.embedding.to_json(),
        }  # fmt: skip


def judged(
    gathered: Mapping[str, Gathered],
    *,
    seed: int,
    extractors: Sequence[Extractor],
    makers: Mapping[str, str],
    lost: int = 0,
    repeats: Mapping[Group, tuple[int, int]] | None = None,
    labels: Labels | None = None,
    searched: tuple[Sequence[Searched], Leaks] | None = None,
    draws: Draws | None = None,
    thresholds: Thresholds | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Quality:
    """Compare every made group with the real images of its class and split, by each extractor.

    gathered: extractor -> samples. repeats: see `gathering.duplicates`. labels: None where no
    classifier was fit. told: is told how many groups are done, of how many.
    """
    draws, at = draws or Draws(), thresholds or Thresholds()
    compared: list[Compared] = []
    comparison = Comparison(seed, draws)
    work = [(name, group) for name, some in gathered.items() for group in some.makers()]
    made_in = {group.split for _, group in work}
    for done, (name, group) in enumerate(work, start=1):
        compared += _of_maker(comparison, name, gathered[name], group, made_in)
        told(done, len(work))
    agreements = tuple(labels.agreements()) if labels is not None else ()
    holdout = frozenset(one.group.split for one in agreements) - made_in
    collapse = [*collapsed(compared, makers, at), *repeated(repeats or {}, makers, at)]
    wrong = mislabelled(agreements, makers, at, holdout)
    looked, copies = list[Check](), list[Finding]()
    if searched is not None:
        looked, copies = copied(searched[0], makers)
        check, found = leaked(searched[1])
        looked, copies = [*looked, check], [*copies, *found]
    return Quality(
        seed=seed,
        draws=draws,
        extractors=tuple(extractors),
        makers=makers,
        lost=lost,
        compared=tuple(compared),
        repeats=repeats or {},
        agreements=agreements,
        quarantine=labels.quarantine() if labels is not None else (),
        searched=None if searched is None else tuple(searched[0]),
        leaks=None if searched is None else searched[1],
        checks=(_of_collapse(compared, collapse), _of_labels(agreements, wrong, holdout), *looked),
        findings=(*folded(collapse), *folded(wrong), *folded(copies)),
    )


def _of_maker(
    comparison: Comparison, extractor: str, gathered: Gathered, whole: Group, made_in: set[str]
) -> list[Compared]:
    """What one maker put into one split: each class, then all of them."""
    found: list[Compared] = []
    sides: dict[str, Side] = {}
    made: dict[str, np.ndarray] = {}
    for group in gathered.groups():
        name = group.class_name
        if name is None or group != whole._replace(class_name=name):
            continue
        features = gathered.features(group)
        assert features is not None
        train = gathered.features(group._replace(maker=None))
        side = Side.of(train, gathered.holdout(name, made_in))
        pair = None if side is None else pair_of(side, features)
        if side is not None:
            sides[name], made[name] = side, features
        if pair is None:
            real = 0 if side is None else len(side.pool_ND)
            found += not_compared(group, extractor, len(features), real)
        else:
            found += comparison.compare(group, extractor, pair)
    if (pair := pair_of_all(sides, made, OVERALL)) is not None:
        found += comparison.compare(whole, extractor, pair)
    return found


def _of_collapse(compared: Sequence[Compared], found: Sequence[Finding]) -> Check:
    asks = "made images cover their classes as real ones do"
    seen = {one.group for one in compared if one.ratio is not None}
    if not seen:
        return not_judged("collapse", asks, "no group has enough images beside real ones")
    grave = any(not one.warns for one in found)
    return Check("collapse", not grave, f"{asks}: {len(seen)} groups, {len(found)} findings")


def _of_labels(
    agreements: Sequence[Agreement], found: Sequence[Finding], holdout: frozenset[str]
) -> Check:
    asks = "made images show what their labels say"
    seen = [one for one in agreements if one.group.maker is not None and one.share is not None]
    if not seen:
        return not_judged("labels", asks, "no classifier was fit, or too few images are made")
    if not any(one.group.split in holdout and one.share is not None for one in agreements):
        why = "there are too few real images that the classifier was not fit on"
        return not_judged("labels", asks, why)
    grave = any(not one.warns for one in found)
    return Check("labels", not grave, f"{asks}: {len(seen)} groups, {len(found)} findings")
