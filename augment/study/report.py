"""The records of all trainings -> one value: accuracies, differences, verdicts, predictions. Pure;
nothing that was trained is left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from augment.study.corruptions import CORRUPTIONS, SEVERITIES, parameter
from augment.study.plan import Arm, Asked, Training
from augment.study.prediction import Gain, Measures, Predicted, predicted
from augment.study.retrieval import Retrieved
from augment.study.rows import Splits
from augment.study.statistics import Estimate, estimate
from augment.study.training import BATCH, RATE, TUNED_RATE, Outcome

CLEAN, CORRUPTED = "clean", "corrupted"
HELPS, HURTS, NO_EVIDENCE, NOT_JUDGED = "helps", "hurts", "no evidence", "not judged"
VIEWS = len(CORRUPTIONS) * len(SEVERITIES)
NO_AUDIT = (
    "no audit was given: `augment audit DATASET --quality --report DIR`, then study again with "
    "--audit DIR/audit.json; what is trained is trained once"
)


@dataclass(frozen=True)
class About:
    """What was studied. uri, version: of the table. id: digest of what decides a training. side: px
    of the network's input. weights_sha256: of pretrained arms. counts: class -> rows of train by
    kind, and of the validation and test splits. makers: generator's id -> its name in its job.
    left_out: rows beyond what a worker holds; lost: rows whose image could not be decoded.
    unused: trainings with the same id that stand there and were not asked for now. retrieved: real
    images as a rival of synthetic ones; None: nothing was on offer."""

    uri: str
    version: int
    id: str
    asked: Asked
    splits: Splits
    side: int
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    makers: Mapping[str, str]
    weights_sha256: str | None = None
    left_out: int = 0
    lost: int = 0
    unused: int = 0
    retrieved: Retrieved | None = None


@dataclass(frozen=True)
class Trained:
    """An arm. validation: its mean accuracy there, None: there are no images. chosen: whether its
    share has the best of those of its kind. accuracies: of each test, with intervals that hold each
    alone. by_class: clean recall of each class. amounts: class -> synthetic rows, or retrieved
    images, to draw from, the mean over draws. rate: times the usual learning rate, which validation
    chose of `rates`: each that was tried -> mean accuracy there."""

    arm: Arm
    n: int
    validation: float | None
    chosen: bool
    accuracies: Mapping[str, Estimate]
    by_class: Mapping[str, float]
    amounts: Mapping[str, float]
    rate: float = 1.0
    rates: Mapping[float, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Pairs of an arm and another one. test: `clean` or `corrupted`."""

    arm: Arm
    against: Arm
    test: str
    difference: Estimate

    @property
    def verdict(self) -> str:
        """`helps`, `hurts`, `no evidence` or `not judged`."""
        interval = self.difference.interval
        if interval is None:
            return NOT_JUDGED
        return HELPS if interval.low > 0 else HURTS if interval.high < 0 else NO_EVIDENCE


@dataclass(frozen=True)
class Study:
    """family: intervals of comparisons that hold together. predicted None: why says the reason."""

    about: About
    arms: tuple[Trained, ...]
    comparisons: tuple[Comparison, ...]
    family: int
    predicted: tuple[Predicted, ...] | None = None
    why: str | None = None
    audit: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `study_schema()` says."""
        from augment.study.render import sentence

        about = self.about
        asked = {key: list(value) if isinstance(value, tuple) else value
                 for key, value in vars(about.asked).items()}  # fmt: skip
        short = about.retrieved.short if about.retrieved is not None else 0
        asked |= {"batch": BATCH, "rate": RATE, "pretrained_rate": TUNED_RATE}
        return {
            "schema_version": 1,
            "uri": about.uri,
            "version": about.version,
            "id": about.id,
            "asked": asked,
            "splits": about.splits._asdict(),
            "side": about.side,
            "weights_sha256": about.weights_sha256,
            "libraries": dict(self.libraries),
            "classes": [{"class": name, **about.counts[name]} for name in about.classes],
            "makers": dict(about.makers),
            "left_out": about.left_out,
            "lost": about.lost,
            "unused": about.unused,
            "retrieved": None if about.retrieved is None else about.retrieved.to_json(),
            "corruptions": [
                {"name": kind, "parameters": {str(one): parameter(kind, one, about.side)
                                              for one in SEVERITIES}}
                for kind in CORRUPTIONS
            ] if about.asked.corrupted else [],
            "arms": [_arm_json(one) for one in self.arms],
            "family": self.family,
            "comparisons": [
                {**_named(one.arm), "against": _named(one.against), "test": one.test,
                 "pairs": one.difference.n, "draws": one.difference.draws,
                 "difference": one.difference.value, "interval": _interval(one.difference),
                 "verdict": one.verdict, "not_judged": one.difference.why,
                 "text": sentence(one, about.makers, short)}
                for one in self.comparisons
            ],
            "audit": self.audit,
            "predicted": None if self.predicted is None else [
                {"measure": one.measure, "groups": one.groups, "rows": one.rows,
                 "correlation": one.correlation,
                 "interval": None if one.interval is None else asdict(one.interval),
                 "verdict": one.verdict, "not_judged": one.why}
                for one in self.predicted
            ],
            "not_predicted": self.why,
        }  # fmt: skip


def _named(arm: Arm) -> dict[str, Any]:
    return {"arm": arm.kind, "start": arm.start, "share": arm.share, "maker": arm.maker}


def _arm_json(one: Trained) -> dict[str, Any]:
    return {
        **_named(one.arm),
        "trainings": one.n,
        "validation": one.validation,
        "chosen": one.chosen,
        "tests": [
            {"test": test, "accuracy": found.value, "interval": _interval(found)}
            for test, found in one.accuracies.items()
        ],
        "rate": one.rate,
        "rates": [{"rate": rate, "validation": found} for rate, found in one.rates.items()],
        "by_class": dict(one.by_class),
        "amounts": dict(one.amounts),
    }


def _interval(one: Estimate) -> dict[str, float] | None:
    return None if one.interval is None else asdict(one.interval)


# ---- from records ----------------------------------------------------------------------


def reported(
    about: About,
    labels_N: np.ndarray,
    outcomes: Mapping[Training, Outcome],
    amounts: Mapping[Training, Sequence[int]],
    *,
    measures: Measures | None = None,
    audit: str | None = None,
    libraries: Mapping[str, str] | None = None,
) -> Study:
    """labels_N: of test images. outcomes: of every arm the same draws, runs and rates; of those
    with the rate that validation chose for the arm all else is told. amounts: of each
    training, synthetic rows of every class that it could draw from. measures: of the audit named
    `audit`; None: why is said."""
    arms = list(dict.fromkeys(one.arm for one in outcomes))
    classes = len(about.classes)
    tried = {arm: _by_rate(arm, outcomes) for arm in arms}
    rates = {arm: _best(tried[arm]) for arm in arms}
    outcomes = {one: found for one, found in outcomes.items() if one.rate == rates[one.arm]}
    values = {arm: _values(arm, outcomes, about.asked.corrupted) for arm in arms}
    validation = {arm: _validation(arm, outcomes) for arm in arms}
    chosen = _chosen(arms, validation)
    trained = []
    for arm in arms:
        own = [one for one in outcomes if one.arm == arm]
        mean = np.mean([amounts[one] for one in own], axis=0)
        recall = _by_class(values[arm][CLEAN].mean((0, 1)), labels_N, classes)
        trained.append(Trained(
            arm, len(own), validation[arm], arm in chosen,
            {test: estimate(some, labels_N, classes) for test, some in values[arm].items()},
            dict(zip(about.classes, recall.tolist(), strict=True)),
            dict(zip(about.classes, mean.tolist(), strict=True)), rates[arm], tried[arm],
        ))  # fmt: skip
    rivals = {arm.rival for arm in arms if arm.rival is not None}
    pairs = [(arm, other, test) for arm in arms for other in _against(arm, rivals)
             if other in values for test in values[arm]]  # fmt: skip
    comparisons = tuple(
        Comparison(
            arm, other, test,
            estimate(values[arm][test] - values[other][test], labels_N, classes, len(pairs), -1.0),
        )
        for arm, other, test in pairs
    )  # fmt: skip
    gains = _gains(trained, about)
    foretold: tuple[Predicted, ...] | None = None
    why: str | None = NO_AUDIT if audit is None else "the audit judged no quality"
    if measures is not None and not gains:
        why = "no arm has the images of one generator: with several, ask for --each-generator"
    elif measures:
        foretold, why = predicted(measures, gains), None
    return Study(about, tuple(trained), comparisons, len(pairs), foretold, why, audit,
                 libraries or {})  # fmt: skip


def _values(
    arm: Arm, outcomes: Mapping[Training, Outcome], corrupted: bool
) -> dict[str, np.ndarray]:
    """Test -> (D, R, M) float64 parts of an image's views that are named right."""
    own = {(one.draw, one.run): found for one, found in outcomes.items() if one.arm == arm}
    draws, runs = (sorted({key[at] for key in own}) for at in (0, 1))
    shape = (len(draws), len(runs), -1)
    ordered = [own[draw, run] for draw in draws for run in runs]
    found = {CLEAN: np.array([one.right for one in ordered], np.float64).reshape(shape)}
    if corrupted:
        seen = np.array([one.views_right for one in ordered], np.float64) / VIEWS
        found[CORRUPTED] = seen.reshape(shape)
    return found


def _validation(arm: Arm, outcomes: Mapping[Training, Outcome]) -> float | None:
    means = []
    for one, found in outcomes.items():
        right, n = found.validation[:, 0], found.validation[:, 1]
        if one.arm == arm and n.any():
            means.append(float((right[n > 0] / n[n > 0]).mean()))
    return float(np.mean(means)) if means else None


def _by_rate(arm: Arm, outcomes: Mapping[Training, Outcome]) -> dict[float, float | None]:
    """Rate -> mean accuracy of its trainings in validation."""
    found = sorted({one.rate for one in outcomes if one.arm == arm})
    return {
        rate: _validation(arm, {one: of for one, of in outcomes.items() if one.rate == rate})
        for rate in found
    }


def _best(tried: Mapping[float, float | None]) -> float:
    """The rate that is best in validation; of equal ones, and where there are no images, the one
    that is nearest to the usual rate."""
    return max(tried, key=lambda rate: (tried[rate] or 0.0, -abs(math.log(rate)), -rate))


def _chosen(arms: Sequence[Arm], validation: Mapping[Arm, float | None]) -> set[Arm]:
    """Of each start, kind and maker the best share in validation; of equal ones the least."""
    best: dict[tuple[str, str, str | None], Arm] = {}
    for arm in arms:
        key, own = (arm.start, arm.kind, arm.maker), validation[arm]
        before = validation[best[key]] if key in best else None
        if own is not None and (before is None or own > before):
            best[key] = arm
    return set(best.values())


def _against(arm: Arm, rivals: Collection[str]) -> list[Arm]:
    """Real alone; of both also what the copies alone give; of synthetic images of all generators
    also as many retrieved ones, at the same share."""
    if arm.kind == "real":
        return []
    alone = Arm(arm.start)
    if arm.kind == "synthetic" and arm.maker is None:
        return [alone, *(arm._replace(rival=rival) for rival in sorted(rivals))]
    return [alone, Arm(arm.start, True)] if arm.kind == "both" else [alone]


def _by_class(right_N: np.ndarray, labels_N: np.ndarray, classes: int) -> np.ndarray:
    right = np.bincount(labels_N, weights=right_N, minlength=classes)
    return np.asarray(right / np.bincount(labels_N, minlength=classes))


def _gains(trained: Sequence[Trained], about: About) -> list[Gain]:
    """Of arms whose synthetic images are of one maker, and of classes that have some."""
    by_arm = {one.arm: one for one in trained}
    only = next(iter(about.makers)) if len(about.makers) == 1 else None
    found = []
    for one in trained:
        maker = one.arm.maker or only
        base = by_arm.get(one.arm.without)
        if not one.arm.share or one.arm.rival is not None or maker is None or base is None:
            continue
        found += [
            Gain(name, maker, one.arm, round(amount), one.by_class[name] - base.by_class[name])
            for name, amount in one.amounts.items() if amount > 0
        ]  # fmt: skip
    return found
