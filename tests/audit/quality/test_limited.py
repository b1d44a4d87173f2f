"""Bounds of measures beside figures: what fails, what warns, and what nobody can judge."""

from __future__ import annotations

from typing import Any

import pytest

from augment.audit.copies import Calibration, NotCalibrated, Threshold
from augment.audit.measures import Figure, NotComputed
from augment.audit.quality import AUGMENTED, Group
from augment.audit.quality.comparing import Compared
from augment.audit.quality.copied import Searched
from augment.audit.quality.labels import Agreement
from augment.audit.quality.limited import Measurements, judge_measures, not_measured
from augment.spec.measure_limits import MeasureLimit

GAN, VAE = "a" * 64, "b" * 64
MAKERS = {GAN: "gan", VAE: "vae"}
ZERO, ONE = Group("train", "0", GAN), Group("train", "1", GAN)
ALL, OTHER = Group("train", None, GAN), Group("train", "0", VAE)


def compared(group: Group, extractor: str, value: float, ratio: float | None) -> Compared:
    return Compared(group, extractor, Figure("coverage", value, 30, 60), ratio=ratio)


def measurements(**more: Any) -> Measurements:
    found: dict[str, Any] = {
        "compared": [
            compared(ZERO, "task", 0.4, 0.5),
            compared(ZERO, "random", 0.6, 0.9),
            compared(ZERO, "dinov2", 0.7, 0.8),
            compared(ONE, "task", 0.9, 1.1),
            compared(ALL, "task", 0.3, 0.3),
            compared(OTHER, "task", 0.2, 0.2),
            compared(Group("train", "0", AUGMENTED), "task", 0.1, 0.1),
            Compared(Group("val", "0", GAN), "task", NotComputed("coverage", 4, "n < 10")),
        ],
        "agreements": [Agreement(ZERO, 40, 0.9, None, {}, 0), Agreement(ONE, 4, None, None, {}, 0)],
        "repeats": {ZERO: (40, 30), ZERO._replace(maker=None): (60, 60)},
        "searched": None,
        "makers": MAKERS,
    }
    return Measurements(**{**found, **more})


def judged(found: Measurements | None = None, **asked: Any) -> tuple[list[Any], list[Any]]:
    limit = MeasureLimit.model_validate(asked)
    results, warnings = judge_measures(found or measurements(), [("job", limit)])
    return [
        (one.split, one.class_name, one.value, one.ok, one.by_how_much) for one in results
    ], warnings


def test_the_median_over_extractors_in_every_class_of_every_generator() -> None:
    results, warnings = judged(measure="coverage", fail_below=0.85)
    assert results == [
        ("train", "0", 0.8, False, pytest.approx(0.05)),
        ("train", "0", 0.2, False, pytest.approx(0.65)),
        ("train", "1", 1.1, True, 0.0),
        ("val", "0", None, None, None),
    ]
    assert warnings == []


def test_the_value_of_one_extractor_of_one_generator() -> None:
    asked = {"measure": "coverage", "of": "value", "extractor": "random", "fail_above": 0.5}
    results, _ = judged(**asked, generators=["gan"])
    assert results == [("train", "0", 0.6, False, pytest.approx(0.1))]


def test_all_classes_as_one_or_some() -> None:
    overall, _ = judged(measure="coverage", classes="overall", fail_below=0.2)
    assert overall == [("train", None, 0.3, True, 0.0)]
    some, _ = judged(measure="coverage", classes=["1"], fail_below=0.2)
    assert some == [("train", "1", 1.1, True, 0.0)]


def test_what_warns_is_a_finding_where_it_is_broken() -> None:
    results, warnings = judged(measure="coverage", classes=["1", "0"], warn_below=0.5)
    assert [ok for *_, ok, _ in results] == [True, True, None], "kept, or not judged"
    (one,) = warnings
    assert (one.check, one.warns) == ("measures", True)
    assert one.text == (
        "limits.measures.coverage.warn_below 0.5: split train, class '0', generator vae: 0.2 "
        "(1 is real images', median of 1 extractors, n 30), 0.3 too low"
    )


def test_shares_of_rows() -> None:
    assert judged(measure="agreement", fail_below=0.95)[0] == [
        ("train", "0", 0.9, False, pytest.approx(0.05)),
        ("train", "1", None, None, None),
    ]
    assert judged(measure="repeats", fail_above=0.2)[0] == [
        ("train", "0", 0.25, False, pytest.approx(0.05))
    ]


def searched(overall: Threshold | NotCalibrated) -> Searched:
    return Searched(
        "train", 300, 300, Calibration(0.005, overall), (), {ZERO: (40, 4), ALL: (80, 4)}, (), ()
    )


def test_copies_are_judged_where_somebody_looked_and_the_detector_is_calibrated() -> None:
    asked = {"measure": "copies_of_train", "classes": "overall", "fail_above": 0.02}
    known = measurements(searched=[searched(Threshold(1.0, 300, 0.01, ()))])
    assert judged(known, **asked)[0] == [("train", None, 0.05, False, pytest.approx(0.03))]
    unknown = measurements(searched=[searched(NotCalibrated("n_holdout < 200", 3))])
    assert judged(unknown, **asked)[0] == [("train", None, None, None, None)]
    limit = MeasureLimit.model_validate(asked)
    (one,), _ = judge_measures(measurements(), [(None, limit)])
    assert one.ok is None
    assert one.text.endswith("not judged, nobody looked for copies: ask with --copies")


def test_what_nobody_measured_is_not_judged() -> None:
    (one, warns), warnings = judge_measures(
        measurements(), [(None, MeasureLimit(measure="kid", fail_above=1.0, warn_above=0.5))]
    )
    assert (one.ok, warns.ok, warnings) == (None, None, [])
    assert one.text == (
        "limits.measures.kid.fail_above 1: not judged, nothing of that was measured"
    )
    (two,) = not_measured([("j", MeasureLimit(measure="kid", fail_above=1.0))], "nobody asked")
    assert (two.job, two.ok, two.text) == (
        "j", None, "limits.measures.kid.fail_above 1: not judged, nobody asked",
    )  # fmt: skip


def test_an_extractor_that_nobody_asked_is_named() -> None:
    limit = MeasureLimit(measure="coverage", extractor="dinov3", warn_below=0.5)
    (one,), _ = judge_measures(measurements(), [(None, limit)])
    assert one.ok is None
    assert one.text == (
        "limits.measures.coverage[dinov3].warn_below 0.5: not judged, that extractor was not "
        "asked, but dinov2, random, task"
    )
