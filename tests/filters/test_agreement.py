"""Verdicts over the probability of the row's own class."""

from __future__ import annotations

import math

import pytest

from augment.filters import Verdict, build_filters, judge, needs_image_alone, of_image_alone
from augment.spec.filters import FilterSpec


def verdict(p: float, **spec: object) -> Verdict:
    filters = build_filters([FilterSpec.model_validate({"agreement": spec})])
    return judge(filters, {"agreement.p": p})


def test_the_least_probability_passes_and_less_does_not() -> None:
    assert verdict(0.1).accepted
    assert verdict(0.0999) == Verdict(False, "agreement")
    assert verdict(0.4, min=0.5) == Verdict(False, "agreement")
    assert verdict(0.5, min=0.5).accepted


def test_an_unknown_class_passes_only_where_the_job_says_so() -> None:
    assert verdict(math.nan) == Verdict(False, "agreement.unknown")
    assert verdict(math.nan, not_judged="pass").accepted
    assert verdict(0.01, not_judged="pass") == Verdict(False, "agreement")


def test_it_needs_more_than_the_image() -> None:
    assert not needs_image_alone(FilterSpec.model_validate({"agreement": {}}))
    assert needs_image_alone(FilterSpec.model_validate({"degenerate": {}}))
    assert [one.name for one in of_image_alone()] == ["degenerate"]


def test_scores_of_others_are_no_matter_and_a_missing_one_is_a_fault() -> None:
    filters = build_filters([FilterSpec.model_validate({"agreement": {}})])
    assert judge(filters, {"agreement.p": 1.0, "degenerate.std": 0.0}).accepted
    with pytest.raises(KeyError):
        judge(filters, {"degenerate.std": 9.0})
