"""Verdicts over the distance to real images of the class."""

from __future__ import annotations

import math

from augment.filters import Verdict, build_filters, judge
from augment.spec.filters import FilterSpec


def verdict(distance: float, **spec: object) -> Verdict:
    filters = build_filters([FilterSpec.model_validate({"feature_outlier": spec})])
    return judge(filters, {"feature_outlier.distance": distance})


def test_the_largest_distance_passes_and_more_does_not() -> None:
    assert verdict(1.5).accepted
    assert verdict(1.501) == Verdict(False, "feature_outlier")
    assert verdict(1.2, max=1.1) == Verdict(False, "feature_outlier")


def test_a_class_that_nothing_can_be_said_of_passes_only_where_the_job_says_so() -> None:
    assert verdict(math.nan) == Verdict(False, "feature_outlier.unknown")
    assert verdict(math.nan, not_judged="pass").accepted


def test_the_extractor_is_what_it_needs() -> None:
    for spec, expected in (({}, "efficientnet_lite0"), ({"extractor": "random"}, "random")):
        assert FilterSpec.model_validate({"feature_outlier": spec}).extractors == (expected,)
