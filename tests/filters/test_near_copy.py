"""Verdicts over the least rate of false positives at which an image is called a copy."""

from __future__ import annotations

import math

import pytest

from augment.filters import Verdict, build_filters, judge, needs_image_alone
from augment.spec.filters import FilterSpec

COPY = Verdict(False, "near_copy")


def verdict(train: float, holdout: float, **spec: object) -> Verdict:
    filters = build_filters([FilterSpec.model_validate({"near_copy": spec})])
    return judge(filters, {"near_copy.train": train, "near_copy.holdout": holdout})


def test_a_copy_of_either_side_is_rejected_from_the_rate_on() -> None:
    assert verdict(0.006, 1.0).accepted
    assert verdict(0.005, 1.0) == COPY
    assert verdict(1.0, 0.005) == COPY
    assert verdict(0.006, 1.0, false_positives=0.01) == COPY
    assert verdict(0.002, 1.0, false_positives=0.001).accepted


def test_equal_pixels_are_a_copy_whatever_the_rate() -> None:
    assert verdict(0.0, 1.0, false_positives=0.00025) == COPY


def test_the_side_that_nobody_asks_for_does_not_count() -> None:
    assert verdict(0.5, 0.0, of="train").accepted
    assert verdict(0.0, 0.5, of="holdout").accepted
    assert verdict(0.0, 0.5, of="train") == COPY
    (alone,) = build_filters([FilterSpec.model_validate({"near_copy": {"of": "holdout"}})])
    assert alone.score_names == ("near_copy.holdout",)
    with pytest.raises(KeyError):
        judge([alone], {"near_copy.train": 0.5})


def test_what_cannot_be_judged_passes_only_where_the_job_says_so() -> None:
    assert verdict(math.nan, 0.5) == Verdict(False, "near_copy.unknown")
    assert verdict(math.nan, 0.5, not_judged="pass").accepted
    assert verdict(math.nan, 0.0, not_judged="pass") == COPY


def test_it_needs_more_than_the_image_and_no_extractor() -> None:
    spec = FilterSpec.model_validate({"near_copy": {}})
    assert not needs_image_alone(spec)
    assert spec.extractors == ()
