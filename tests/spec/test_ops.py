"""Operations are checked by a packaged table; the table is what albumentations says."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.transforms.albumentations_ops import load_library
from augment.transforms.ops_table import TABLE, ops_table, text_of

Problems = Callable[..., list[str]]


def test_the_table_is_what_the_installed_library_says() -> None:
    assert TABLE.read_text(encoding="utf-8") == text_of(ops_table()), (
        "run: python -m augment.transforms.ops_table"
    )


def test_refused_operations_do_need_what_is_said() -> None:
    """Independent of the list: run every operation without required parameters on an image."""
    library, table = load_library(), json.loads(TABLE.read_text(encoding="utf-8"))
    image = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    unusable = []
    for name, signature in table["ops"].items():
        required = any("default" not in about for about in signature["params"].values())
        if required or name in ("Crop", "CropAndPad", "LongestMaxSize"):
            continue
        if name == "SmallestMaxSize":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = library.Compose([getattr(library, name)(p=1.0)], seed=1)(image=image)["image"]
        if out.dtype != np.uint8 or out.shape[2:] != (3,):
            unusable.append(name)
    assert unusable == []


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            "Afine",
            "augmentations[0].ops[0]: got the operation 'Afine'; "
            "expected an operation of albumentations 2.0.8. Did you mean 'Affine'?",
        ),
        (
            {"HorizontalFlip": {"prob": 0.5}},
            "augmentations[0].ops[0].HorizontalFlip.prob: got an unknown parameter; expected p",
        ),
        (
            {"Blur": {"blur_limt": 3}},
            "augmentations[0].ops[0].Blur.blur_limt: got an unknown parameter; "
            "expected one of blur_limit, p. Did you mean 'blur_limit'?",
        ),
        (
            {"Resize": {"height": 3}},
            "augmentations[0].ops[0].Resize.width: got nothing; "
            "expected a value: Resize requires it",
        ),
        (
            "MaskDropout",
            "augmentations[0].ops[0]: got the operation 'MaskDropout': it needs mask, which "
            "image-only rows do not have; expected an operation on one RGB image",
        ),
        (
            {"FDA": {}},
            "augmentations[0].ops[0].FDA: got the operation 'FDA': it needs `fda_metadata`, which "
            "image-only rows do not have; expected an operation on one RGB image",
        ),
        (
            "Normalize",
            "augmentations[0].ops[0]: got the operation 'Normalize': its result is not an 8 bit "
            "RGB image; expected an operation on one RGB image",
        ),
        (
            {"OneOf": {"transforms": [{"Blur": {"p": 2}}], "n": 1}},
            "augmentations[0].ops[0].OneOf.n: got an unknown parameter; "
            "expected one of p, transforms\n"
            "augmentations[0].ops[0].OneOf.transforms[0].Blur.p: got 2; "
            "expected a probability of 0 to 1",
        ),
        (
            {"OneOf": {}},
            "augmentations[0].ops[0].OneOf.transforms: got nothing; "
            "expected a value: OneOf requires it",
        ),
        (
            {"Blur": {"p": 0}},
            "augmentations[0].ops[0].Blur.p: got 0, so that it never runs; "
            "expected a probability above 0",
        ),
        (
            {"Blur": {}, "Affine": {}},
            "augmentations[0].ops[0]: got a mapping of Blur, Affine; "
            "expected an operation's name, or {Name: {parameters}}",
        ),
        (
            {"Blur": 3},
            "augmentations[0].ops[0].Blur: got 3; expected a mapping of parameters",
        ),
    ],
    ids=str,
)
def test_wrong_operations(problems: Problems, op: Any, text: str) -> None:
    expected = ["job: " + line for line in text.split("\n")]
    assert problems({"augmentations.0.ops": [op]}) == expected


def test_no_operations(problems: Problems) -> None:
    text = "job: augmentations[0].ops: got an empty list; expected a list of at least one operation"
    assert problems({"augmentations.0.ops": []}) == [text]


@pytest.mark.parametrize(
    "op",
    [
        "HorizontalFlip",
        {"HorizontalFlip": None},
        {"Affine": {"rotate": [-10, 10], "p": 1}},
        {"SomeOf": {"transforms": ["Blur", {"OneOf": {"transforms": ["CLAHE"]}}], "n": 1}},
    ],
    ids=str,
)
def test_right_operations(problems: Problems, op: Any) -> None:
    assert problems({"augmentations.0.ops": [op]}) == []


PIPELINE = {"augmentations.0": {"name": "saved", "copies": 1, "pipeline": "saved.json"}}


def saved(path: Path, *names: str) -> None:
    steps = [{"__class_fullname__": name, "p": 0.5} for name in names]
    root = {"__class_fullname__": "Compose", "p": 1.0, "transforms": steps}
    path.write_text(json.dumps({"__version__": "2.0.8", "transform": root}))


def test_a_saved_pipeline(problems: Problems, tmp_path: Path) -> None:
    saved(tmp_path / "saved.json", "HorizontalFlip", "albumentations.Blur")
    assert problems(PIPELINE) == []


def test_a_saved_pipeline_with_unusable_operations(problems: Problems, tmp_path: Path) -> None:
    saved(tmp_path / "saved.json", "HorizontalFlp", "Normalize")
    file = tmp_path / "saved.json"
    assert problems(PIPELINE) == [
        f"{file}:1: transform.transforms[0]: got the operation 'HorizontalFlp'; expected an "
        "operation of albumentations 2.0.8. Did you mean 'HorizontalFlip'?",
        f"{file}:1: transform.transforms[1]: got the operation 'Normalize': its result is not an "
        "8 bit RGB image; expected an operation on one RGB image",
    ]


def test_files_that_are_no_pipelines(problems: Problems, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    assert problems(PIPELINE) == [
        "job: augmentations[0].pipeline: got 'saved.json', no such file; "
        f"expected a pipeline written with albumentations.save. Looked at {file}"
    ]
    file.write_text("{}")
    assert problems(PIPELINE) == [
        f"{file}:1: got a file without the key `transform`; "
        "expected a pipeline written with albumentations.save"
    ]
    file.write_text("{")
    assert problems(PIPELINE) == [
        f"{file}:1: got text that is not JSON (Expecting property name enclosed in double quotes); "
        "expected well-formed JSON"
    ]
    edits = {"augmentations.0": {"name": "saved", "copies": 1, "pipeline": "saved.pkl"}}
    assert problems(edits) == [
        "job: augmentations[0].pipeline: got 'saved.pkl'; "
        "expected a file that ends in one of .json, .yaml, .yml"
    ]


@pytest.mark.parametrize(
    "ops",
    [
        ["NoOp"],
        [{"NoOp": {"p": 0.5}}, "NoOp"],
        [{"OneOf": {"transforms": ["NoOp", {"Sequential": {"transforms": [{"NoOp": None}]}}]}}],
    ],
    ids=str,
)
def test_a_pipeline_of_nothing_is_known_without_the_library(
    problems: Problems, tmp_path: Path, ops: list[Any]
) -> None:
    text = (
        "got operations that leave every image as it is; expected one that changes something. "
        "Its copies would be their parents once more"
    )
    assert problems({"augmentations.0.ops": ops}) == [f"job: augmentations[0].ops: {text}"]
    saved = {"__class_fullname__": "Compose", "transforms": [{"__class_fullname__": "NoOp"}]}
    (tmp_path / "p.json").write_text(json.dumps({"transform": saved}))
    edits = {"augmentations.0": {"name": "a", "copies": 1, "pipeline": "p.json"}}
    assert problems(edits) == [f"job: augmentations[0].pipeline: {text}"]
    assert problems({"augmentations.0.ops": [*ops, "D4"]}) == []
