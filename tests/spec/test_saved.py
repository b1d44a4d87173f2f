"""Saved pipelines of albumentations 1.x load: what had no effect is dropped, what was renamed has
its new name, and what is gone is refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.spec.op_values import table, wrong_values
from augment.spec.ops import saved_pipeline
from augment.spec.saved import Step
from augment.spec.text import parse

SAVED = sorted((Path(__file__).parents[1] / "data" / "albumentations").glob("1.*"))


def read(op: str, **params: Any) -> tuple[Step | None, list[str]]:
    """The one operation of a saved pipeline, and what is wrong with it."""
    step = {"__class_fullname__": op, "always_apply": False, "p": 0.5, **params}
    root = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [step]}
    document = {"__version__": "1.3.1", "transform": root}
    found = saved_pipeline(parse(json.dumps(document).encode(), "p.json"))
    place = "p.json:1: transform.transforms[0]"
    texts = [str(p).removeprefix(place).removeprefix(".") for p in found.problems]
    return (found.root.steps[0] if found.root and found.root.steps else None), texts


def test_there_are_files_of_three_versions_and_both_forms() -> None:
    assert [path.name for path in SAVED] == [
        "1.3.1.json",
        "1.3.1.yaml",
        "1.4.24.json",
        "1.4.8.json",
    ]


@pytest.mark.parametrize("path", SAVED, ids=lambda p: p.name)
def test_a_pipeline_that_1_x_saved_is_right(path: Path) -> None:
    found = saved_pipeline(parse(path.read_bytes(), path.name))
    assert found.problems == []
    assert found.root is not None
    assert found.root.params == {"p": 0.95}
    assert len(found.root.steps or ()) > 60


@pytest.mark.parametrize(
    ("op", "old", "new"),
    [
        ("HorizontalFlip", {}, {}),
        ("HorizontalFlip", {"always_apply": True, "p": 1.0}, {"p": 1.0}),
        ("Rotate", {"value": None, "mask_value": None}, {}),
        ("Rotate", {"value": [9, 9, 9], "mask_value": 3}, {"fill": [9, 9, 9]}),
        ("AdvancedBlur", {"sigmaX_limit": [0.2, 1.0]}, {"sigma_x_limit": [0.2, 1.0]}),
        ("Affine", {"cval": 3, "mode": 4, "cval_mask": 0}, {"fill": 3, "border_mode": 4}),
        (
            "CoarseDropout",
            {"min_holes": 1, "max_holes": 8, "min_height": 4, "max_height": 8, "min_width": 2,
             "max_width": 8, "fill_value": 0, "mask_fill_value": None},
            {"num_holes_range": [1, 8], "hole_height_range": [4, 8], "hole_width_range": [2, 8],
             "fill": 0},
        ),
        (
            "Downscale",
            {"scale_min": 0.2, "scale_max": 0.4, "interpolation": 1},
            {"scale_range": [0.2, 0.4], "interpolation_pair": {"downscale": 1, "upscale": 1}},
        ),
        ("ElasticTransform", {"alpha_affine": 0, "value": None}, {}),
        ("GridDropout", {"unit_size_min": None, "unit_size_max": None, "shift_x": 1, "shift_y": 2},
         {"shift_xy": [1, 2]}),
        ("ImageCompression", {"quality_lower": 60, "quality_upper": 90, "compression_type": 1},
         {"quality_range": [60, 90], "compression_type": "webp"}),
        ("PiecewiseAffine", {"mode": "reflect", "cval": 1, "keypoints_threshold": 0.01},
         {"border_mode": 4, "fill": 1}),
        ("RandomGamma", {"eps": None}, {}),
        ("RandomRain", {"slant_lower": -9, "slant_upper": 9, "rain_type": None},
         {"slant_range": [-9, 9], "rain_type": "default"}),
        ("RandomResizedCrop", {"height": 40, "width": 48}, {"size": [40, 48]}),
        ("RandomResizedCrop", {"size": [40, 48], "height": None, "width": None},
         {"size": [40, 48]}),
        ("Solarize", {"threshold": [51, 102]}, {"threshold_range": [0.2, 0.4]}),
        ("Spatter", {"mode": ["mud"], "color": {"rain": [1, 2, 3], "mud": [4, 5, 6]}},
         {"mode": "mud", "color": [4, 5, 6]}),
        ("GaussNoise", {"mean": 0}, {"mean_range": [0.0, 0.0]}),
    ],
    ids=str,
)  # fmt: skip
def test_renamed_keys(op: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    step, problems = read(op, **old)
    assert problems == []
    assert step is not None
    assert (step.op, step.params) == (op, {"p": 0.5, **new})


@pytest.mark.parametrize(
    ("old", "params", "new", "now"),
    [
        ("JpegCompression", {"quality_lower": 50, "quality_upper": 60}, "ImageCompression",
         {"quality_range": [50, 60], "compression_type": "jpeg"}),
        ("RandomBrightness", {"limit": [-0.2, 0.3]}, "RandomBrightnessContrast",
         {"brightness_limit": [-0.2, 0.3], "contrast_limit": 0}),
        ("RandomContrast", {"limit": 0.2}, "RandomBrightnessContrast",
         {"contrast_limit": 0.2, "brightness_limit": 0}),
    ],
)  # fmt: skip
def test_renamed_operations(old: str, params: Any, new: str, now: Any) -> None:
    step, problems = read(old, **params)
    assert problems == []
    assert step is not None
    assert (step.op, step.params) == (new, {"p": 0.5, **now})


@pytest.mark.parametrize(
    ("op", "params", "text"),
    [
        ("HorizontalFlip", {"always_apply": True},
         "always_apply: got true; expected nothing: 2.0.8 has no such key. "
         "Write p: 1 and remove always_apply"),
        ("GaussNoise", {"var_limit": [10.0, 50.0], "mean": 0},
         "var_limit: got [10.0, 50.0], variances in levels; expected std_range: [least, most], "
         "standard deviations as shares of 255. Near to it is std_range: [0.0124, 0.0277]"),
        ("ElasticTransform", {"alpha_affine": 50},
         "alpha_affine: got 50; expected nothing: it is gone in 2.0.8. "
         "Write alpha_affine: 0, and an Affine before it for what it did"),
        ("OpticalDistortion", {"shift_limit": [-0.05, 0.05]},
         "shift_limit: got [-0.05, 0.05]; expected nothing: it is gone in 2.0.8. "
         "Write shift_limit: 0, and an Affine beside it for what it did"),
        ("Flip", {}, ": got the operation 'Flip', which 2.0.8 has not; "
         "expected OneOf of HorizontalFlip, VerticalFlip and a Sequential of both"),
        ("Cutout", {"num_holes": 8}, ": got the operation 'Cutout', which 2.0.8 has not; "
         "expected CoarseDropout with num_holes_range, hole_height_range and hole_width_range"),
        ("Spatter", {"mode": ["mud", "rain"]},
         "mode: got ['mud', 'rain']; expected one of mud, rain: OneOf can hold a Spatter for each"),
        ("Rotate", {"value": 3, "fill": 4}, "value: got value beside fill; expected one of them"),
        ("CoarseDropout", {"min_holes": 3},
         "num_holes_range: got one of min_holes and max_holes; "
         "expected both, or num_holes_range: [least, most]"),
        ("Normalize", {"mean": [0.5]}, ": got the operation 'Normalize': its result is not an 8 "
         "bit RGB image; expected an operation on one RGB image"),
        ("Spatter", {"mode": [{}], "color": {"mud": [1, 2, 3]}},
         "mode: got an empty mapping; expected one of mud, rain"),
        ("Rotate", {"limit": [1, 2, 3]}, "limit: got a list of 3; "
         "expected a list of 2 numbers or a number"),
        ("Rotate", {"nope": 1}, "nope: got an unknown parameter; expected one of border_mode, "
         "crop_border, fill, fill_mask, interpolation, limit, mask_interpolation, p, "
         "rotate_method"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_had_an_effect_and_is_gone_is_refused_by_name(op: str, params: Any, text: str) -> None:
    assert read(op, **params)[1] == [text]


def test_every_problem_of_a_file_has_its_line() -> None:
    text = """\
__version__: 1.3.1
transform:
  __class_fullname__: Compose
  p: 1.0
  transforms:
  - {__class_fullname__: Flip, always_apply: false, p: 0.5}
  - {__class_fullname__: Resize, always_apply: true, height: 0, width: 8, p: 0.5}
  - {__class_fullname__: Resize, height: 0, width: 8, p: 1}
  bbox_params: {format: coco}
"""
    assert [p.place for p in saved_pipeline(parse(text.encode(), "p.yaml")).problems] == [
        "p.yaml:6: transform.transforms[0]",
        "p.yaml:7: transform.transforms[1].always_apply",
        "p.yaml:9: transform.bbox_params",
        "p.yaml:8: transform.transforms[2].height",
    ]


def test_a_saved_composition_is_judged_as_an_asked_one() -> None:
    inner = [{"__class_fullname__": name, "p": 0.5} for name in ("HorizontalFlip", "Transpose")]
    root = {"__class_fullname__": "SomeOf", "p": 1.0, "n": 3, "replace": False, "transforms": inner}
    (problem,) = saved_pipeline(parse(json.dumps({"transform": root}).encode(), "p.json")).problems
    assert str(problem) == (
        "p.json:1: transform.n: got 3, more than its 2 operations; "
        "expected at most 2, or replace: true"
    )


@pytest.mark.parametrize("value", [[], "x", None, {}, [None], ["a", 1], [1, 2, 3], True], ids=str)
def test_whatever_an_old_key_holds_is_answered(value: Any) -> None:
    """Neither dropped as if it were right nor an error that nobody foresaw."""
    old = {
        "Solarize": "threshold", "Spatter": "mode", "PiecewiseAffine": "mode", "Downscale":
        "interpolation", "ImageCompression": "compression_type", "GaussNoise": "var_limit",
        "ElasticTransform": "alpha_affine", "OpticalDistortion": "shift_limit", "RandomRain":
        "rain_type", "RandomResizedCrop": "height", "Rotate": "value", "CoarseDropout": "max_holes",
    }  # fmt: skip
    for op, key in old.items():
        step, problems = read(op, **{key: value})
        if not problems:  # then it is what today's library takes
            assert step is not None
            params = {name: given for name, given in step.params.items() if name != "p"}
            assert list(wrong_values(step.op, params)) == []
            assert set(params) <= set(table()["ops"][op]["params"])
