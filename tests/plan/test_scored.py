"""What filters that are fit on real images need is known from the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from augment.audit.copies import calibration, detector
from augment.errors import PlanError
from augment.plan.scored import LEAST_PROTECTED, held_out_for
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


def uncopied(train: int, test: int, **near_copy: Any) -> list[str]:
    """What is wrong with so many real images of two splits."""
    rule = {"generators": ["gan"], "fill": {"to": train + 10}}
    counts = {"train": {"cat": train - 1, "dog": 1}, "test": {"cat": test}}
    try:
        make_small_plan(
            counts, generators=KNOWN, synthesize=[rule], filters=[{"near_copy": near_copy}]
        )
    except PlanError as refused:
        return [str(one) for one in refused.problems]
    return []


def test_copies_need_so_many_of_the_other_splits_that_the_rate_can_be_shown() -> None:
    assert uncopied(200, 200) == []
    (few,) = uncopied(200, 199)
    assert few == (
        "filters[0].near_copy: got 199 real images in other splits than those that rows are "
        "generated for, to calibrate copies of train on; expected at least 200 for "
        "false_positives: 0.005. false_positives: 0.0051 is the least that 199 show; of: holdout "
        "looks for copies of the other side alone; not_judged: pass rejects no more than equal "
        "pixels there"
    )
    assert uncopied(200, 199, false_positives=0.0051) == []
    assert uncopied(200, 199, of="holdout") == []
    assert uncopied(200, 199, not_judged="pass") == []


def test_each_side_is_told_by_itself() -> None:
    both = uncopied(30, 40)
    assert ["copies of train on" in one for one in both] == [True, False]
    assert "got 30 real images in the splits that rows are generated for, to calibrate" in both[1]
    assert "of: " not in both[0] + both[1]
    assert uncopied(30, 40, false_positives=0.04) == []


def test_so_few_to_protect_teach_no_look_alikes() -> None:
    few, held = uncopied(200, 19, false_positives=0.05)
    assert "got 19 real images in other splits" in few
    assert "calibrate copies of train on; expected at least 20" in few
    assert "is the least" not in few
    assert (
        "got 19 real images in other splits than those that rows are generated for, to look "
        in (held)
    )
    assert "expected at least 20, to learn what look-alikes are" in held
    assert len(uncopied(200, 0)) == 2
    assert uncopied(200, 0, not_judged="pass") == []


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.007, 0.005, 0.003, 0.001])
def test_the_plan_asks_for_what_the_detector_asks_for(rate: float) -> None:
    assert held_out_for(rate) == calibration.least_n(rate)
    assert detector.LEAST_PROTECTED == LEAST_PROTECTED
