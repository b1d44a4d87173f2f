"""Values of operations: what came, what is taken and, where it is plain, what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from augment.spec import Job

Problems = Callable[..., list[str]]
Load = Callable[..., Job]


def said(problems: Problems, op: Any) -> list[str]:
    start = "job: augmentations[0].ops[0]."
    return [text.removeprefix(start) for text in problems({"augmentations.0.ops": [op]})]


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            {"RandomResizedCrop": {"size": 224}},
            "RandomResizedCrop.size: got 224; expected a list of 2 whole numbers, each from 1. "
            "Write [224, 224]",
        ),
        (
            {"Rotate": {"border_mode": "cv2.BORDER_REFLECT_101"}},
            "Rotate.border_mode: got 'cv2.BORDER_REFLECT_101'; expected one of 0 (constant), "
            "1 (replicate), 2 (reflect), 3 (wrap), 4 (reflect_101). Write 4",
        ),
        (
            {"Resize": {"height": 8, "width": 8, "interpolation": "cubic"}},
            "Resize.interpolation: got 'cubic'; expected one of 0 (nearest), 1 (linear), "
            "2 (cubic), 3 (area), 4 (lanczos4), 5 (linear_exact), 6 (nearest_exact). Write 2",
        ),
        (
            {"Rotate": {"limit": "(-30, 30)"}},
            "Rotate.limit: got '(-30, 30)'; expected a list of 2 numbers or a number. "
            "Write [-30, 30]",
        ),
        (
            {"Rotate": {"limit": "{(1, 2): 3}"}},
            "Rotate.limit: got '{(1, 2): 3}'; expected a list of 2 numbers or a number",
        ),
        (
            {"Resize": {"height": -5, "width": 10}},
            "Resize.height: got -5; expected a whole number from 1",
        ),
        (
            {"SomeOf": {"n": 5, "transforms": ["HorizontalFlip", "VerticalFlip"]}},
            "SomeOf.n: got 5, more than its 2 operations; expected at most 2, or replace: true",
        ),
        (
            {"RGBShift": {"r_shift_limit": 1000}},
            "RGBShift.r_shift_limit: got 1000; expected a number from 0 to 255, or two from -255 "
            "to 255",
        ),
        (
            {"ToGray": {"num_output_channels": 1}},
            "ToGray.num_output_channels: got 1; expected 3: the result is an 8 bit RGB image",
        ),
        (
            {"CoarseDropout": {"fill": [7, 7]}},
            "CoarseDropout.fill: got a list of 2; expected one value, or three: red, green, blue",
        ),
        (
            {"Erasing": {"fill": [7]}},
            "Erasing.fill: got a list of 1; expected one value, or three: red, green, blue",
        ),
        (
            {"GridDropout": {"fill": [7, 7, 7, 7]}},
            "GridDropout.fill: got a list of 4; expected one value, or three: red, green, blue",
        ),
        (
            {"XYMasking": {"num_masks_x": 1, "mask_x_length": 9, "fill": [7]}},
            "XYMasking.fill: got a list of 1; expected one value, or three: red, green, blue",
        ),
        (
            {"PixelDropout": {"drop_value": [7, 7]}},
            "PixelDropout.drop_value: got a list of 2; expected one value, or three: red, green, "
            "blue",
        ),
        (
            {"ShotNoise": {"scale_range": [0, 0]}},
            "ShotNoise.scale_range: got a list of 2; expected two numbers from 0, the second "
            "above 0",
        ),
        (
            {"Blur": {"blur_limit": 4}},
            "Blur.blur_limit: got 4; expected a list of 2 whole numbers or a whole number, odd, 3 "
            "or more",
        ),
        (
            {"CoarseDropout": {"num_holes_range": [3, 1]}},
            "CoarseDropout.num_holes_range: got a list of 2; expected a list of 2 whole numbers, "
            "each from 1, the first not above the second. Write [1, 3]",
        ),
        (
            {"Crop": {"x_min": 9, "x_max": 3}},
            "Crop.x_max: got 3, not above x_min (9); expected a number above x_min",
        ),
        (
            {"CropAndPad": {}},
            "CropAndPad: got neither px nor percent; expected exactly one of them",
        ),
        (
            {"ToGray": {"method": "desaturated"}},
            "ToGray.method: got 'desaturated'; expected one of average, desaturation, from_lab, "
            "max, pca, weighted_average. Did you mean 'desaturation'?",
        ),
        (
            {"AdditiveNoise": {"noise_type": "gaussian", "noise_params": {"mean_range": [0, 0]}}},
            "AdditiveNoise.noise_params.std_range: got nothing; "
            "expected a value: gaussian noise needs it",
        ),
        (
            {"Equalize": {"mask": [[0, 1]]}},
            "Equalize.mask: got a list of 1; expected nothing",
        ),
        (
            {"OneOrOther": {"transforms": ["Blur", "D4", "CLAHE"]}},
            "OneOrOther.transforms: got 3 operations; expected two",
        ),
        (
            {"SomeOf": {"n": "2", "transforms": ["Blur", "D4"]}},
            "SomeOf.n: got '2'; expected a whole number from 1",
        ),
        (
            {"SelectiveChannelTransform": {"channels": [3], "transforms": ["Blur"]}},
            "SelectiveChannelTransform.channels: got a list of 1; "
            "expected a list of 0 (red), 1 (green) and 2 (blue)",
        ),
        (
            {"Resize": {"height": 22400, "width": 22400}},
            "Resize.height: got 22400 x 22400 pixels, 501760000 in all; expected at most 89478485",
        ),
        (
            {"RandomResizedCrop": {"size": [22400, 22400]}},
            "RandomResizedCrop.size: got 22400 x 22400 pixels, 501760000 in all; "
            "expected at most 89478485",
        ),
        (
            {"SmallestMaxSize": {"max_size_hw": [22400, 22400]}},
            "SmallestMaxSize.max_size_hw: got 22400 x 22400 pixels, 501760000 in all; "
            "expected at most 89478485",
        ),
        (
            {"LongestMaxSize": {"max_size": [64, 100_000]}},
            "LongestMaxSize.max_size: got 100000 pixels; expected at most 32767 a side",
        ),
        (
            {"HorizontalFlip": {"p": "often"}},
            "HorizontalFlip.p: got 'often'; expected a probability of 0 to 1",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_values(problems: Problems, op: Any, text: str) -> None:
    assert said(problems, op) == [text]


@pytest.mark.parametrize(
    "op",
    [
        {"CoarseDropout": {"fill": [7, 8, 9]}},
        {"Erasing": {"fill": "random"}},
        {"GridDropout": {"fill": 7}},
        {"PixelDropout": {"drop_value": [7]}},
        {"PixelDropout": {"drop_value": None}},
        {"ShotNoise": {"scale_range": [0, 0.1]}},
    ],
    ids=str,
)
def test_values_for_each_channel_and_for_all(problems: Problems, op: Any) -> None:
    assert said(problems, op) == []


def test_every_wrong_value_is_told_at_once(problems: Problems) -> None:
    op = {"Affine": {"rotate": "x", "scale": [1, 2, 3], "fit_output": 5, "nope": 1}}
    found = said(problems, op)
    assert [text.partition(":")[0] for text in found] == [
        "Affine.nope", "Affine.rotate", "Affine.scale", "Affine.fit_output",
    ]  # fmt: skip


def test_a_wrong_value_has_its_line(load_text: Load) -> None:
    from augment.errors import SpecError

    text = """\
version: 1
name: x
seed: 1
sources: {s: {format: imagefolder, uri: d, splits: {train: train}}}
augmentations:
  - name: a
    copies: 1
    ops:
      - HorizontalFlip
      - OneOf:
          transforms:
            - Blur
            - Resize:
                height: 10
                width: ten
output: {uri: out}
"""
    with pytest.raises(SpecError) as caught:
        load_text(text)
    assert str(caught.value) == (
        "job.yaml:15: augmentations[0].ops[1].OneOf.transforms[1].Resize.width: got 'ten'; "
        "expected a whole number from 1"
    )


@pytest.mark.parametrize(
    "ops",
    [
        ["Affine"],
        [{"Rotate": {"limit": 0}}, "NoOp"],
        [{"OneOf": {"transforms": ["NoOp", {"ShiftScaleRotate": {
            "shift_limit": 0, "scale_limit": 0, "rotate_limit": 0}}]}}],
    ],
    ids=str,
)  # fmt: skip
def test_a_pipeline_that_changes_nothing(problems: Problems, ops: list[Any]) -> None:
    assert problems({"augmentations.0.ops": ops}) == [
        "job: augmentations[0].ops: got operations that leave every image as it is; "
        "expected one that changes something. Its copies would be their parents once more"
    ]


def test_hostile_texts_in_the_place_of_numbers(problems: Problems) -> None:
    for text in (
        "(" * 5000,
        "[" * 150 + "]" * 150,
        "9" * 10_000,
        "nan",
        "-Infinity",
        "__import__('os')",
        "\\x00",
        "{1: 2}",
    ):
        (found,) = said(problems, {"Rotate": {"limit": text}})
        assert found.startswith("Rotate.limit: got ")
        assert len(found) < 300


def test_pipelines_of_any_size_are_judged_in_bounded_work(problems: Problems) -> None:
    assert problems({"augmentations.0.ops": ["Blurr"] * 30_000}) == [
        "job: augmentations[0].ops: got too large a pipeline; "
        "expected at most 20000 values, 32 deep"
    ]
    assert len(problems({"augmentations.0.ops": [f"Blurr{n}" for n in range(5000)]})) == 21
