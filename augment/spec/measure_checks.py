"""Bounds of measures: each bounds something, and speaks of what the job has."""

from __future__ import annotations

from collections.abc import Sequence

from augment.spec.asked import Asked
from augment.spec.measure_limits import SHARES_OF_ROWS, MeasureLimit
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
