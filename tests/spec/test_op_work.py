"""Values of operations that would fill the memory or never end are refused before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("op", "values", "parameter"),
    [
        ("GaussianBlur", {"blur_limit": [100_001, 100_001]}, "blur_limit"),
        ("Defocus", {"radius": [1_000_000, 1_000_000]}, "radius"),
        ("GlassBlur", {"iterations": 10**9}, "iterations"),
        ("GridDistortion", {"num_steps": 10**9}, "num_steps"),
        ("CoarseDropout", {"num_holes_range": [10**9, 10**9]}, "num_holes_range"),
        ("Superpixels", {"n_segments": [10**9, 10**9]}, "n_segments"),
        ("ZoomBlur", {"max_factor": [10**9, 10**9]}, "max_factor"),
        ("ZoomBlur", {"step_factor": [1e-9, 1e-9]}, "step_factor"),
        ("RandomScale", {"scale_limit": [10**6, 10**6]}, "scale_limit"),
    ],
)
def test_work_without_an_end(
    problems: Problems, op: str, values: dict[str, Any], parameter: str
) -> None:
    (said,) = problems({"augmentations.0.ops": [{op: values}]})
    assert f".{op}.{parameter}: got " in said
    assert "at most" in said


@pytest.mark.parametrize(
    "op",
    [
        {"GaussianBlur": {"blur_limit": [3, 101]}},
        {"GlassBlur": {"iterations": 10}},
        {"CoarseDropout": {"num_holes_range": [100, 500]}},
        {"Superpixels": {"n_segments": [50, 400]}},
        {"ZoomBlur": {}},
        {"ElasticTransform": {"alpha": 2000, "sigma": 200}},
    ],
    ids=str,
)
def test_what_people_ask_for(job: Callable[..., object], op: dict[str, Any]) -> None:
    job({"augmentations.0.ops": [op]})
