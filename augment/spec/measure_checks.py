"""Bounds of measures: each bounds something, and speaks of what the job has."""

from __future__ import annotations

from collections.abc import Sequence

from augment.spec.asked import Asked
from augment.spec.measure_limits import GATE_EXTRACTORS, SHARES_OF_ROWS, MeasureLimit
from augment.spec.models import JobLimits, Limits
from augment.spec.problems import nearest, one_of, shown
from augment.spec.rules import Names, check_all_known
from augment.spec.text import Path


def check_measures(asked: Asked, measures: Sequence[MeasureLimit], path: Path) -> None:
    """Note bounds that bound nothing, or a figure that there is none of."""
    for n, one in enumerate(measures):
        at: Path = (*path, n)
        bounds = (one.warn_below, one.fail_below, one.warn_above, one.fail_above)
        if all(bound is None for bound in bounds):
            expected = "at least one of warn_below, fail_below, warn_above, fail_above"
            asked.add(at, "no bound", expected)
        if one.measure in SHARES_OF_ROWS:
            for key, value in (("of", one.of), ("extractor", one.extractor)):
                if value not in (None, "value"):
                    expected = f"none beside {one.measure}, which is a share of rows"
                    asked.add((*at, key), value, expected)
        _check_order(asked, at, "below", one.warn_below, one.fail_below)
        _check_order(asked, at, "above", one.fail_above, one.warn_above)


def check_gate(asked: Asked, limits: Limits, path: Path) -> None:
    """Note a gate with nothing to judge, what it cannot judge by, and what is said to it where
    there is none."""
    held = isinstance(limits, JobLimits) and limits.gate == "before_commit"
    rest = limits.model_dump(exclude_none=True, exclude={"gate", "gpu_hours"})
    if held and not rest:
        expected = "limits of the result beside it, which it judges"
        asked.add((*path, "gate"), "before_commit, and no limit of the result", expected)
    for n, one in enumerate(limits.measures or ()):
        at: Path = (*path, "measures", n)
        if one.not_judged is not None and not held:
            found = f"{one.not_judged}, which has no effect: nothing is held back"
            asked.add((*at, "not_judged"), found, "no such key, or gate: before_commit in a job")
        elif one.not_judged is not None and one.fail_below is None and one.fail_above is None:
            found = f"{one.not_judged}, which has no effect: a warning holds nothing back"
            asked.add((*at, "not_judged"), found, "no such key, or fail_below or fail_above")
        if held and one.extractor is not None and one.extractor not in GATE_EXTRACTORS:
            hint = nearest(one.extractor, GATE_EXTRACTORS) or (
                "Judge by another one after the commit: augment audit --extractor"
            )
            found = f"{shown(one.extractor)}, by which a run does not measure"
            asked.add((*at, "extractor"), found, one_of(GATE_EXTRACTORS), hint)


def _check_order(asked: Asked, at: Path, side: str, more: float | None, less: float | None) -> None:
    """A figure on its way to a failure warns first. more: the bound that is to be the larger."""
    if more is not None and less is not None and more < less:
        warn, fail = (more, less) if side == "below" else (less, more)
        expected = f"a warning before fail_{side} {fail:g}"
        asked.add((*at, f"warn_{side}"), f"{warn:g}", expected)


def check_measured_names(
    asked: Asked,
    measures: Sequence[MeasureLimit],
    generators: Names | None,
    classes: Names | None,
) -> None:
    """Note generators and classes that the job does not have; None: they are not known here."""
    for n, one in enumerate(measures):
        at: Path = ("limits", "measures", n)
        if generators is not None:
            named = (((*at, "generators", k), name) for k, name in enumerate(one.generators or ()))
            check_all_known(asked, named, generators, "generator")
        if classes is not None and isinstance(one.classes, list):
            named = (((*at, "classes", k), name) for k, name in enumerate(one.classes))
            check_all_known(asked, named, classes, "class")
