"""Reports as values, of any number of classes, without a data set: of the audit's own types."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from augment.audit.copies import Calibration, Histogram, NotCalibrated, Recall, Threshold
from augment.audit.findings import Check, Finding, LimitResult
from augment.audit.judge import AuditReport
from augment.audit.measures import Figure, Interval
from augment.audit.measures.shares import clopper_pearson
from augment.audit.quality.comparing import Compared, Draws
from augment.audit.quality.copied import Copy, Leak, Leaks, Searched
from augment.audit.quality.embedding import Embedding, Point
from augment.audit.quality.gathering import AUGMENTED, Group
from augment.audit.quality.labels import Agreement, Doubt
from augment.audit.quality.report import Extractor, Quality
from augment.audit.shares import Share

VAE = "ae" * 32
EXTRACTORS = ("efficientnet_lite0", "task", "random")
_MEASURES = ("coverage", "precision", "recall", "density", "vendi_ratio", "intra_ratio")
_INFO = {
    "version": 1, "dimensions": 8, "weights_sha256": "5" * 64, "resize": "whole image to 8 px",
    "digest": "d" * 64,
}  # fmt: skip


def names(n: int) -> list[str]:
    return [f"class {i:04}" for i in range(n)]


def report(
    classes: Sequence[str],
    *,
    quality: bool = True,
    copies: bool = False,
    uri: str = "/data/set",
    maker: str = "gan",
    findings: Sequence[Finding] = (),
    broken: int = 1,
) -> AuditReport:
    """train: real, augmented and generated rows of every class; test: real ones. The first `broken`
    classes break a limit."""
    rng = random.Random(7)
    cells = [
        Share((("split", split), ("class", name)), rng.randint(5, 90), made, 3 * made, 4)
        for split, made in (("test", 0), ("train", 20))
        for name in classes
    ]
    splits = tuple(_sum(cells, split) for split in ("test", "train"))
    whole = Share((), *(sum(getattr(one, k) for one in splits) for k in _KINDS), 9)
    return AuditReport(
        uri=uri, version=3, shards=2, classes=tuple(classes), jobs=("job-1",),
        generators={VAE: maker}, log="agrees", whole=whole, splits=splits, cells=tuple(cells),
        by=(), groups=(),
        limits=tuple(_limit(name, n < broken) for n, name in enumerate(classes)),
        limits_from="recorded",
        checks=(Check("log", True, "counts agree"), Check("marks", None, "marks: not judged")),
        findings=tuple(findings), left_out=(),
        quality=_quality(classes, maker, rng, copies) if quality else None,
    )  # fmt: skip


_KINDS = ("real", "augmented", "generated")


def _sum(cells: Sequence[Share], split: str) -> Share:
    some = [one for one in cells if dict(one.group)["split"] == split]
    return Share((("split", split),), *(sum(getattr(o, k) for o in some) for k in _KINDS), 9)


def _limit(name: str, broken: bool) -> LimitResult:
    value = 0.9 if broken else 0.4
    text = f"limits.synthetic_share.per_class 0.5: class {name}"
    return LimitResult("limits.synthetic_share.per_class", "train", name, value, 0.5, not broken,
                       0.4 if broken else 0.0, text, "job-1")  # fmt: skip


_LEAKS = Leaks({"test": (40, 3)}, 0.005, (Leak("e" * 32, "test", "f" * 32, 1.0, True),))


def _searched(groups: Sequence[Group]) -> tuple[Searched, ...]:
    """Of train: calibrated, with two copies; of the holdout: too few images to calibrate on."""
    two = tuple(
        Copy(f"{n:032x}", groups[0], f"{n + 500:032x}", "train", 0.5 - n, n == 0, n == 1)
        for n in range(2)
    )
    recall = tuple(
        Recall(kind, 100, found, found, clopper_pearson(found, 100))
        for kind, found in (("exact", 100), ("warped", 61))
    )
    looked = {groups[0]: (60, 2), groups[0]._replace(class_name=None): (60, 2)}
    scores = Histogram(0.5), Histogram(0.5)
    scores[0].add([-3.2, -1.1, -1.0, 0.0, 0.1, None])
    scores[1].add([-1.4] * 57 + [0.4, 7.0, None])
    known = Calibration(0.005, Threshold(-1.0, 200, 0.01, ()), {})
    unknown = Calibration(0.005, NotCalibrated("n < 100", 30), {})
    return (
        Searched(
            "train", 90, 100, known, recall, looked, two, (("a" * 32, "b" * 32, -1.0),), scores
        ),
        Searched("holdout", 30, 30, unknown, (), {**looked}, (), ()),
    )


def _quality(classes: Sequence[str], maker: str, rng: random.Random, copies: bool) -> Quality:
    groups = [Group("train", name, who) for name in classes for who in (VAE, AUGMENTED)]
    compared = [
        Compared(group, extractor, Figure(measure, rng.random(), 30, 30), "train", "halves", 0.8,
                 0.9, 1.0, 20, rng.choice((0.0, 0.5)), rng.random())
        for group in groups for extractor in EXTRACTORS for measure in _MEASURES
    ]  # fmt: skip
    whole = Group("train", None, VAE)
    compared.append(
        Compared(whole, "task", Figure("frechet", 4.0, 60, 60), "train", "halves", 1.0, 2.0, 3.0,
                 20, 1.0, 2.0)
    )  # fmt: skip
    agreements = [
        Agreement(group, 40, share, Interval(share - 0.05, share + 0.05, 0.95),
                  {classes[(n + 1) % len(classes)]: 3}, 2)
        for n, group in enumerate([*groups, *(Group("test", name, None) for name in classes)])
        for share in [0.6 + 0.3 * rng.random()]
    ]  # fmt: skip
    doubts = [Doubt(f"{n:032x}", groups[n], 0.01, classes[0]) for n in range(min(200, len(groups)))]
    return Quality(
        seed=0, draws=Draws(),
        extractors=(*(Extractor(one, {"name": one, **_INFO}) for one in EXTRACTORS),
                    Extractor("clip", {}, "no images")),
        makers={VAE: maker}, lost=1, compared=tuple(compared),
        repeats=dict.fromkeys(groups, (40, 39)), agreements=tuple(agreements),
        quarantine=tuple(doubts), searched=_searched(groups) if copies else None,
        leaks=_LEAKS if copies else None, checks=(),
        findings=(), embedding=_embedding(groups, rng),
    )  # fmt: skip


def _embedding(groups: Sequence[Group], rng: random.Random) -> Embedding | None:
    """Two images of each group and of its real ones."""
    some = [one for group in groups for one in (group._replace(maker=None), group)]
    points = [
        Point(f"{n:032x}", group, round(rng.gauss(0, 3), 3), round(rng.gauss(0, 1), 3))
        for n, group in enumerate([*some, *some])
    ][:600]  # fmt: skip
    return Embedding("task", (0.5, 0.2), tuple(points)) if points else None


def value(classes: Sequence[str], **more: Any) -> dict[str, Any]:
    """As audit.json has it."""
    return report(classes, **more).to_json()
