"""Made images that repeat real ones, as a calibrated detector found them, and what that means.

A detector calls a part of images copies that are none: at most what its calibration bounds. So a
few prove nothing, and more than chance explains do. Equal pixels are copies whatever was
calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from augment.audit.copies import Calibration, Histogram, NotCalibrated, Recall
from augment.audit.findings import Check, Finding, not_judged
from augment.audit.measures.shares import clopper_pearson
from augment.audit.quality.gathering import Group, order
from augment.audit.quality.verdicts import where
from augment.escaping import short_id

Of = Literal["train", "holdout"]
"""The splits that made images are in, or the others."""
MOST_LISTED = 200
LEAST_RECALL = 0.5
"""Mean recall of changed copies below which "none was found" is no verdict."""
_SHOWN = 3


@dataclass(frozen=True)
class Copy:
    """A made row and the real one that it repeats. equal: pixel by pixel. mirrored: left is
    right."""

    sample_id: str
    group: Group
    real_id: str
    real_split: str
    score: float
    equal: bool
    mirrored: bool

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "sample_id": self.sample_id,
            **self.group.to_json(),
            "real_id": self.real_id,
            "real_split": self.real_split,
            "score": self.score,
            "equal": self.equal,
            "mirrored": self.mirrored,
        }


@dataclass(frozen=True)
class Searched:
    """Made images beside the real ones of train or of the holdout.

    protected: real images that were searched, of `real` that there are. looked: group -> images
    that were looked at, and how many are copies. copies: the nearest of them, at most 200. twins:
    held-out real images beside the protected ones that they look most like, which is where the
    threshold comes from: (id, protected id, score). scores: of the images that the threshold comes
    from, and of the made ones, in bins of one width; None where there is no threshold.
    """

    of: Of
    protected: int
    real: int
    calibration: Calibration
    recall: tuple[Recall, ...]
    looked: Mapping[Group, tuple[int, int]]
    copies: tuple[Copy, ...]
    twins: tuple[tuple[str, str, float], ...]
    scores: tuple[Histogram, Histogram] | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        overall = self.calibration.overall
        told = isinstance(overall, NotCalibrated)
        return {
            "of": self.of,
            "protected": self.protected,
            "real": self.real,
            "rate": self.calibration.rate,
            "threshold": None if isinstance(overall, NotCalibrated) else overall.score,
            "holdout": overall.n,
            "upper": None if isinstance(overall, NotCalibrated) else overall.upper,
            "not_calibrated": overall.reason if isinstance(overall, NotCalibrated) else None,
            "recall": [
                {"kind": one.kind, "n": one.n, "found": one.found, "interval": vars(one.interval)}
                for one in self.recall
            ],
            "looked": [
                {**group.to_json(),
                 "n": n, "copies": copies}
                for group, (n, copies) in sorted(self.looked.items(), key=lambda o: order(o[0]))
            ],
            "copies": [one.to_json() for one in self.copies],
            "twins": [] if told else [
                {"id": a, "real_id": b, "score": score} for a, b, score in self.twins
            ],
            "scores": None if self.scores is None else {
                "width": self.scores[0].width,
                "real": self.scores[0].to_json(),
                "made": self.scores[1].to_json(),
            },
        }  # fmt: skip


@dataclass(frozen=True)
class Leak:
    """A real row and one of another split that shows the same thing, changed perhaps."""

    sample_id: str
    split: str
    train_id: str
    score: float
    equal: bool

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return dict(vars(self))


@dataclass(frozen=True)
class Leaks:
    """Real images of splits that nothing may be made of, beside those of the other splits.

    Two detectors, each of one seeded half of train and calibrated on the other half, so that the
    images that are asked about have no part in the threshold. n: split -> images that were looked
    at, and how many were found in train. rate: share of them that chance explains, at most: what
    both calibrations bound (`Calibration.most`). leaks: the nearest, at most 200. why: nothing was
    looked for.
    """

    n: Mapping[str, tuple[int, int]]
    rate: float
    leaks: tuple[Leak, ...] = ()
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "splits": {split: {"n": n, "found": k} for split, (n, k) in sorted(self.n.items())},
            "rate": self.rate,
            "leaks": [one.to_json() for one in self.leaks],
            "not_judged": self.why,
        }


def leaked(leaks: Leaks) -> tuple[Check, list[Finding]]:
    """A split with more images of train in it than chance explains fails."""
    asks = "no split that nothing may be made of repeats images of train"
    if leaks.why is not None:
        return not_judged("leaks", asks, leaks.why), []
    findings = []
    for split, (n, found) in sorted(leaks.n.items()):
        equal = sum(one.equal for one in leaks.leaks if one.split == split)
        if not equal and (not found or clopper_pearson(found, n).low <= leaks.rate):
            continue
        some = ", ".join(f"{short_id(one.sample_id)} of {short_id(one.train_id)}"
                         for one in leaks.leaks if one.split == split)  # fmt: skip
        text = (
            f"{found / n:.1%} of split {split!r} is in train: {found} of {n} images repeat one of "
            f"it, {equal} pixel by pixel; chance explains {leaks.rate:.1%} at most. For example "
            f"{', '.join(some.split(', ')[:_SHOWN])}: a figure on {split!r} says too much; take "
            "these rows out of one of the two"
        )
        findings.append(Finding("leaks", text, found))
    n = sum(n for n, _ in leaks.n.values())
    return Check("leaks", not findings, f"{asks}: {n} real images looked at"), findings


def copied(
    searched: Sequence[Searched], makers: Mapping[str, str]
) -> tuple[list[Check], list[Finding]]:
    """Copies of train warn, copies of the holdout fail, where chance does not explain them."""
    checks, findings = list[Check](), list[Finding]()
    for one in searched:
        asks = f"no generator repeats real images of {called(one.of)}"
        if not one.looked:
            why = "there are no generated images beside real ones"
            checks.append(not_judged("memorization", asks, why))
            continue
        found = [_finding(one, group, *counts, makers) for group, counts in one.looked.items()
                 if group.class_name is None]  # fmt: skip
        told = [finding for finding in found if finding is not None]
        n = sum(n for group, (n, _) in one.looked.items() if group.class_name is None)
        findings += told
        overall = one.calibration.overall
        if isinstance(overall, NotCalibrated) and not told:
            text = f"{asks}: equal pixels alone were looked for, {overall.reason}"
            checks.append(Check("memorization", None, text))
            continue
        if not told and (seen := _recall(one.recall)) is not None and seen < LEAST_RECALL:
            why = (
                f"of copies that were planted in this data set it finds {seen:.2f}: real images "
                "look so much alike that copies do not stand out, but for equal pixels"
            )
            checks.append(not_judged("memorization", asks, why))
            continue
        grave = any(not finding.warns for finding in told)
        checks.append(
            Check("memorization", not grave, f"{asks}: {n} images beside {one.protected}")
        )
    return checks, findings


def _recall(recall: Sequence[Recall]) -> float | None:
    """Mean share of planted copies that are found, equal ones aside; None: it was not measured."""
    shares = [one.share for one in recall if one.kind != "exact"]
    return sum(shares) / len(shares) if shares else None


def _finding(
    searched: Searched, group: Group, n: int, copies: int, makers: Mapping[str, str]
) -> Finding | None:
    of_group = [c for c in searched.copies if c.group._replace(class_name=None) == group]
    equal = sum(one.equal for one in of_group)
    most = searched.calibration.most
    if not equal and (not copies or clopper_pearson(copies, n).low <= most):
        return None
    some = ", ".join(
        f"{short_id(one.sample_id)} of {short_id(one.real_id)}" for one in of_group[:_SHOWN]
    )
    text = (
        f"{where(group, makers)}: {copies} of {n} images repeat real images of "
        f"{called(searched.of)}, {equal} pixel by pixel; chance explains {most * n:.0f} at most. "
        f"For example {some}: look at the pairs, and leave them out or train on more"
    )
    return Finding("memorization", text, copies, warns=searched.of == "train")


def called(of: Of) -> str:
    """A side in words."""
    return "their split" if of == "train" else "splits that nothing may be made of"
