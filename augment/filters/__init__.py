"""Filters: is a generated image good enough to enter the data set?

Every filter scores the image; the first that rejects decides. Scores do not depend on
thresholds, so a threshold changes without generating anything again. Scores that need other
images than the one (`agreement`) are computed where those are known, in `run/scoring`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from augment.errors import RequestError
from augment.filters.agreement import AgreementFilter
from augment.filters.degenerate import DegenerateFilter
from augment.filters.feature_outlier import FeatureOutlierFilter
from augment.filters.near_copy import NearCopyFilter
from augment.filters.protocol import ACCEPTED, Filter, ImageFilter, Verdict
from augment.spec.filters import Agreement, Degenerate, FeatureOutlier, FilterSpec, NearCopy

__all__ = [
    "Filter",
    "ImageFilter",
    "Verdict",
    "build_filters",
    "judge",
    "needs_image_alone",
    "of_image_alone",
    "score",
    "score_names",
]


def build_filters(specs: Sequence[FilterSpec]) -> list[Filter]:
    """The job's filters, in the job's order.

    Raises:
        RequestError: a spec names no filter.
    """
    return [_build(spec, place) for place, spec in enumerate(specs)]


def _build(spec: FilterSpec, place: int) -> Filter:
    match spec:
        case FilterSpec(degenerate=Degenerate() as degenerate):
            return DegenerateFilter(degenerate)
        case FilterSpec(agreement=Agreement() as agreement):
            return AgreementFilter(agreement)
        case FilterSpec(feature_outlier=FeatureOutlier() as outlier):
            return FeatureOutlierFilter(outlier)
        case FilterSpec(near_copy=NearCopy() as near_copy):
            return NearCopyFilter(near_copy)
        case _:
            known = ", ".join(FilterSpec.model_fields)
            raise RequestError(f"filters[{place}]: names no filter; expected one of: {known}")


def needs_image_alone(spec: FilterSpec) -> bool:
    """Whether its scores are functions of the image, and of no other images."""
    return spec.degenerate is not None


def of_image_alone() -> list[ImageFilter]:
    """Every filter that needs the image alone, with its defaults."""
    return [DegenerateFilter(Degenerate())]


def score_names(filters: Sequence[Filter]) -> tuple[str, ...]:
    """Names of all scores that the filters give, in their order."""
    return tuple(name for f in filters for name in f.score_names)


def score(filters: Sequence[ImageFilter], images_NHWC: np.ndarray) -> list[dict[str, float]]:
    """All scores of each of the images, (N, H, W, 1 or 3) uint8: grey or RGB."""
    columns = [item for f in filters for item in f.score(images_NHWC).items()]
    names = [name for name, _ in columns]
    rows = zip(*(values.tolist() for _, values in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def judge(filters: Sequence[Filter], scores: Mapping[str, float]) -> Verdict:
    """The verdict of the first filter that rejects, else accepted.

    Raises:
        KeyError: a filter's score is missing.
    """
    for f in filters:
        verdict = f.verdict(scores)
        if not verdict.accepted:
            return verdict
    return ACCEPTED
