"""A study as lines of text: a table of arms, a sentence a comparison, what predicted the gains."""

from __future__ import annotations

from collections.abc import Mapping

from augment.escaping import name as shown
from augment.study.plan import Arm
from augment.study.report import (
    HELPS,
    HURTS,
    NO_EVIDENCE,
    NOT_JUDGED,
    Comparison,
    Study,
)
from augment.study.statistics import Estimate, Interval
from augment.tables import table

_WORDS = {"real": "real", "classical": "real + classical", "synthetic": "real + synthetic",
          "retrieved": "real + retrieved", "both": "real + both"}  # fmt: skip
VERSUS = {HELPS: "does better than", HURTS: "does worse than",
          NO_EVIDENCE: "shows no evidence of a difference from"}  # fmt: skip
"""What a verdict says of synthetic images against retrieved ones."""


def called(arm: Arm, makers: Mapping[str, str]) -> str:
    """An arm for people."""
    text = _WORDS[arm.kind]
    if arm.share:
        text += f" {arm.share:g}"
    if arm.maker is not None:
        text += f" of {shown(makers.get(arm.maker, arm.maker[:12]))}"
    return f"{text}, pretrained" if arm.start == "pretrained" else text


def sentence(one: Comparison, makers: Mapping[str, str], short: int = 0) -> str:
    """What one comparison says. short: retrieved images that lack."""
    difference, images = one.difference, f"{one.test} test images"
    who, other = called(one.arm, makers), called(one.against, makers)
    verdict = one.verdict
    if one.against.rival is not None and verdict != NOT_JUDGED:
        fewer = f", of which {short} lack," if short else ""
        said = f"{who} {VERSUS[verdict]} retrieved real images{fewer} on {images}"
    elif verdict == HELPS:
        said = f"{who} helps on {images}"
    elif verdict == HURTS:
        said = f"{who} hurts on {images}"
    elif verdict == NO_EVIDENCE:
        said = f"{who}: no evidence that it helps or hurts on {images}"
    else:
        return f"{who} against {other} on {images}: not judged, {difference.why}"
    pairs = f"{difference.n} pairs in {difference.draws} draws against {other}"
    return f"{said}: {points(difference.value)} points of accuracy ({_range(difference)}; {pairs})"


def points(value: float) -> str:
    """A difference, in hundredths, with its sign."""
    return f"{100 * value:+.1f}"


def render(study: Study, *, everything: bool = False) -> str:
    """Lines. everything: every comparison; else of each kind the share that validation chose."""
    about, asked = study.about, study.about.asked
    validation = about.splits.validation
    held = shown(validation) if validation else "what each draw leaves out of train"
    version = f"version {about.version}"
    rivals = any(one.against.rival is not None for one in study.comparisons)
    versus = ", synthetic against retrieved images" if rivals else ""
    lines = [
        f"study {about.id[:16]} of {about.uri} ({version}): {len(study.arms)} arms x "
        f"{asked.draws} draws x {asked.seeds} seeds, {asked.steps} steps each, {asked.network} "
        f"at {about.side} px",
        f"accuracy: mean over {len(about.classes)} classes, with 95 % intervals; validation: "
        f"{held}; test: {shown(about.splits.test)}; * the share that validation chose"
        + (", as it chose the learning rate of each arm" if len(asked.rates) > 1 else ""),
        *_arms(study),
        "",
        f"against real alone, both against classical copies{versus}; {study.family} intervals that "
        "hold together at 95 %:",
    ]
    chosen = {one.arm for one in study.arms if one.chosen}
    some = [one for one in study.comparisons if everything or one.arm in chosen]
    short = about.retrieved.short if about.retrieved is not None else 0
    lines += [f"  {sentence(one, about.makers, short)}" for one in some]
    if more := len(study.comparisons) - len(some):
        lines.append(f"  ... {more} more, of other shares; --all shows everything")
    if not study.comparisons:
        lines.append("  not judged: there is no arm beside real alone")
    if any(one.difference.draws == 1 for one in some):
        lines.append("  of one draw: another one may say otherwise")
    if about.retrieved is not None:
        lines += ["", str(about.retrieved.to_json()["text"])]
    lines += ["", *_predictions(study)]
    if about.left_out:
        lines.append(f"{about.left_out} rows were left out: a seeded sample of the others was used")
    if about.unused:
        lines.append(
            f"{about.unused} more trainings of this study stand beside these and are not in it: "
            "who asks for more, or less, until something helps finds something by chance"
        )
    if about.lost:
        lines.append(f"{about.lost} rows have an image that could not be decoded")
    return "\n".join(lines)


def _arms(study: Study) -> list[str]:
    tests = list(study.arms[0].accuracies)
    several = len(study.about.asked.rates) > 1
    head = ("trained on", *tests, "validation", *(("rate",) if several else ()), "trainings")
    rows = [
        (
            called(one.arm, study.about.makers) + (" *" if one.chosen and one.arm.share else ""),
            *(_accuracy(one.accuracies[test]) for test in tests),
            "-" if one.validation is None else f"{100 * one.validation:.1f}",
            *((f"{one.rate:g}x",) if several else ()),
            one.n,
        )
        for one in study.arms
    ]
    return table(head, rows)


def _predictions(study: Study) -> list[str]:
    asks = "did measures of the audit predict the gains of classes"
    if study.predicted is None:
        return [f"{asks}: not judged, {study.why}"]
    rows = [
        (one.measure, one.groups, "-" if one.correlation is None else f"{one.correlation:+.2f}",
         "-" if one.interval is None else f"{one.interval.low:+.2f} to {one.interval.high:+.2f}",
         one.verdict + (f": {one.why}" if one.why else ""))
        for one in study.predicted
    ]  # fmt: skip
    head = ("measure", "groups", "correlation", "interval", "verdict")
    return [f"{asks} (rank correlation, share and amount controlled for):", *table(head, rows)]


def _accuracy(one: Estimate) -> str:
    if one.interval is None:
        return f"{100 * one.value:.1f}"
    return f"{100 * one.value:.1f} ({100 * one.interval.low:.1f} to {100 * one.interval.high:.1f})"


def _range(one: Estimate) -> str:
    interval = one.interval or Interval(one.value, one.value)
    return f"{points(interval.low)} to {points(interval.high)}"
