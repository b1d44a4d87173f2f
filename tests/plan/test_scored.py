"""What filters that are fit on real images need is known from the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from augment.errors import PlanError
from tests.plan.conftest import make_small_plan

KNOWN = {"gan": ("cat", "dog", "owl")}


def plan(counts: Mapping[str, Any], classes: list[str] | None = None, **agreement: Any) -> None:
    rule = {"generators": ["gan"], "fill": {"to": 50}, "classes": classes}
    make_small_plan(counts, generators=KNOWN, synthesize=[rule], filters=[{"agreement": agreement}])


def refusal(counts: Mapping[str, Any], **agreement: Any) -> str:
    with pytest.raises(PlanError) as refused:
        plan(counts, **agreement)
    (problem,) = refused.value.problems
    return str(problem)


def test_enough_of_every_class_that_is_drawn() -> None:
    plan({"cat": 8, "dog": 9, "owl": 8})
    plan({"cat": 8, "dog": 9, "owl": 3}, classes=["cat", "dog"])
    plan({"cat": 8, "dog": 9, "owl": 3}, not_judged="pass")


def test_classes_with_too_few_are_named() -> None:
    assert refusal({"cat": 8, "dog": 7, "owl": 20}).startswith(
        "filters[0].agreement: got classes with too few real images to fit on ('dog': 7); expected "
        "at least 8 of each class that is generated. not_judged: pass"
    )


def test_only_the_splits_that_rows_are_generated_for_count() -> None:
    counts = {"train": {"cat": 8, "dog": 9, "owl": 2}, "test": {"owl": 50}}
    assert "('owl': 2)" in refusal(counts)


def test_a_classifier_needs_two_classes_whatever_the_job_lets_pass() -> None:
    said = refusal({"cat": 30, "dog": 2, "owl": 2}, not_judged="pass")
    assert "what nothing can be fit to" in said
    assert "a classifier needs 2 such classes" in said


def test_what_is_near_needs_twenty_of_each_class() -> None:
    rule = {"generators": ["gan"], "fill": {"to": 50}}

    def made(counts: Mapping[str, Any], **spec: Any) -> None:
        filters = [{"degenerate": {}}, {"feature_outlier": spec}]
        make_small_plan(counts, generators=KNOWN, synthesize=[rule], filters=filters)

    made({"cat": 20, "dog": 21, "owl": 20})
    made({"cat": 20, "dog": 3, "owl": 3}, not_judged="pass")
    with pytest.raises(PlanError, match=r"filters\[1\]\.feature_outlier: .*'owl': 19"):
        made({"cat": 20, "dog": 21, "owl": 19})
    with pytest.raises(PlanError, match="no class with 20 real images"):
        made({"cat": 19, "dog": 1, "owl": 1}, not_judged="pass")
