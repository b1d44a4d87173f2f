"""What the packaged table says of a value is what the installed albumentations says of it."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from augment.errors import PlanError
from augment.spec.models import Augmentation
from augment.spec.op_together import RESULTS, TOGETHER, idle
from augment.spec.op_types import accepted
from augment.spec.op_values import changes_nothing, table, wrong_values
from augment.transforms import build_transformer
from augment.transforms.albumentations_ops import single_image_ops
from augment.transforms.ops_table import TABLE, ops_table, text_of

SCALARS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    4,
    7,
    256,
    0.5,
    -0.5,
    1.5,
    2.0,
    "",
    "3",
    "cubic",
    "random",
]
LISTS = [[], [1], [0, 1], [1, 0], [-1, 1], [3, 7], [4, 8], [0.1, 0.5], [224, 224], [-300, 300],
         [1, 2, 3], [0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.2, 0.2], ["a", "b"], [[1, 2], [3, 4]],
         [[1, 2], [3, 4], [5, 6]], [None, 1]]  # fmt: skip
MAPPINGS = [{}, {"x": 1}, {"x": [0.1, 0.2], "y": 0.3}, {"z": 1}, {"downscale": 1, "upscale": 2},
            {"ranges": [[0, 0.5]]}, {"ranges": [[0, 2]]},
            {"mean_range": [0, 0], "std_range": [0.1, 0.2]},
            {"alpha_range": [1, 2], "beta_range": [1, 2], "scale_range": [0.1, 0.2]}]  # fmt: skip
POOL = [*SCALARS, *LISTS, *MAPPINGS]
FEW = [None, 0, -1, 300, "x", [0.2, 0.8], [1, 0]]
NEEDED: dict[str, dict[str, Any]] = {
    "CropAndPad": {"px": 4},
    "LongestMaxSize": {"max_size": 8},
    "RandomSizedCrop": {"min_max_height": [4, 8], "size": [8, 8]},
    "SmallestMaxSize": {"max_size": 8},
}


OVER_AN_IMAGE = {
    "CoarseDropout": "fill",
    "Erasing": "fill",
    "GridDropout": "fill",
    "PixelDropout": "drop_value",
    "ShotNoise": "scale_range",
    "XYMasking": "fill",
}
"""Lists there the library refuses over an image only, however it was made."""


def judged_when_made(op: str, params: dict[str, Any]) -> bool:
    """Whether the library has judged all values once the operation is made."""
    return op != "ToGray" and not isinstance(params.get(OVER_AN_IMAGE.get(op, "")), list)


def needed(op: str) -> dict[str, Any]:
    """Values for what has no default."""
    params = table()["ops"][op]["params"]
    bare = [name for name, about in params.items() if "default" not in about]
    sizes = {name: [8, 8] if name in ("size", "num_grid_xy") else 8 for name in bare}
    return sizes | NEEDED.get(op, {})


def library_takes(op: str, params: dict[str, Any]) -> bool:
    """Whether the library makes the operation without an error or a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="ShiftScaleRotate is a special case of Affine")
        warnings.filterwarnings("ignore", message="This augmenter is very slow")
        try:
            single_image_ops()[op](**params)
        except Exception:
            return False
    return True


def table_takes(op: str, params: dict[str, Any]) -> bool:
    return not list(wrong_values(op, params))


def test_the_file_is_the_table_of_the_installed_library() -> None:
    assert TABLE.read_text(encoding="utf-8") == text_of(ops_table()), (
        "run `python -m augment.transforms.ops_table`, and look at what changed in op_rules.py and "
        "op_together.py where a hash under `code` did"
    )


def test_every_check_by_code_is_said_again() -> None:
    rules = {name for facts in table()["ops"].values() for name in facts["rules"]}
    assert rules == set(TOGETHER)
    assert set(RESULTS) <= set(table()["ops"])


def one_value_each() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every type of the table with every value of the pool, every parameter with a few."""
    seen: set[str] = set()
    for op, facts in table()["ops"].items():
        for name, about in facts["params"].items():
            kind = json.dumps(about["type"], sort_keys=True) + ("" if not facts["rules"] else op)
            for value in FEW if kind in seen else POOL:
                yield op, {**needed(op), name: value}
            seen.add(kind)


def test_one_value_is_judged_as_the_library_judges_it() -> None:
    library = single_image_ops()
    other, count = [], 0
    for op, params in one_value_each():
        if params.get("p", 1) is None or op not in library:
            continue
        count += 1
        taken = table_takes(op, params)
        if judged_when_made(op, params) and taken != library_takes(op, params):
            other.append((op, params, "the table takes it" if taken else "the library takes it"))
    assert count > 5000
    assert other == []


def test_values_together_are_judged_as_the_library_judges_them() -> None:
    rng = random.Random(9)
    more = [[-0.1, 0.1], [0.3, 0.3, 0.6, 0.6], [-255, 255], [3500, 9000], [6000, 6000],
            [10, 20, 30], 255, -0.2, 0.75, 16]  # fmt: skip
    other = []
    for op, facts in table()["ops"].items():
        params = facts["params"]
        fit = {n: [v for v in [*POOL, *more] if accepted(params[n]["type"], v)[0]] for n in params}
        for _ in range(120 if facts["rules"] or op in RESULTS else 15):
            chosen = [n for n in params if fit[n] and n != "p" and rng.random() < 3 / len(params)]
            values = {**needed(op), **{name: rng.choice(fit[name]) for name in chosen}}
            taken = table_takes(op, values)
            if judged_when_made(op, values) and taken != library_takes(op, values):
                other.append((op, values, taken))
    assert other == []


def test_what_leaves_every_image_as_it_is() -> None:
    """By hand for those that need values; every operation at its defaults."""
    neutral: list[tuple[str, dict[str, Any]]] = [
        ("Affine", {"rotate": 0, "scale": 1, "translate_px": 0}),
        ("ColorJitter", {"brightness": 0, "contrast": [1, 1], "saturation": 0, "hue": 0}),
        ("CropAndPad", {"percent": [0, 0]}),
        ("Downscale", {"scale_range": [1, 1]}),
        ("Pad", {"padding": [0, 0, 0, 0]}),
        ("PixelDropout", {"dropout_prob": 0}),
        ("RandomBrightnessContrast", {"brightness_limit": 0, "contrast_limit": 0}),
        ("RandomGridShuffle", {"grid": [1, 1]}),
        ("Rotate", {"limit": 0}),
        ("ShiftScaleRotate", {"shift_limit": 0, "scale_limit": 0, "rotate_limit": 0}),
        ("XYMasking", {"num_masks_x": 2, "mask_y_length": 5}),
    ]
    plain = [(op, needed(op)) for op in table()["ops"]]
    for op, params in [*neutral, *plain]:
        refused = plan_refuses(op, params)
        assert changes_nothing(op, params) is ("nothing that changes an image" in refused), op
    assert not idle("Blur", {})


def plan_refuses(op: str, params: dict[str, Any]) -> str:
    try:
        build_transformer(Augmentation(name="a", copies=1, ops=[{op: params}]), ".")
    except PlanError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_gray_image_must_have_three_channels(channels: int) -> None:
    params = {"num_output_channels": channels}
    assert "expected (H, W, 3) uint8" in plan_refuses("ToGray", params)
    assert not table_takes("ToGray", params)


@pytest.mark.parametrize(
    "value", [[], [7], [7, 7], [7, 8, 9], [1, 2, 3, 4], [0, 0], [0.1, 0.2]], ids=str
)
@pytest.mark.parametrize("op", OVER_AN_IMAGE)
def test_lists_are_judged_as_the_library_judges_them_over_an_image(op: str, value: Any) -> None:
    drawn = {"XYMasking": {"num_masks_x": (3, 3), "mask_x_length": (9, 9)}}.get(op, {})
    params = {**drawn, "p": 1, OVER_AN_IMAGE[op]: value}
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    try:
        single_image_ops()[op](**params)(image=image)
    except Exception:
        assert not table_takes(op, params)
    else:
        assert table_takes(op, params)
