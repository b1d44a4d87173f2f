"""The pipeline as asked: ops and files, and what is wrong with them. Builds nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.errors import PlanError
from augment.spec.models import Augmentation
from augment.transforms.pipeline import Step, read_pipeline


def asked(**keys: Any) -> Augmentation:
    return Augmentation(name="light", copies=1, **keys)


def test_ops_as_names_as_mappings_and_nested() -> None:
    ops = ["HorizontalFlip", {"Blur": None}, {"OneOf": {"p": 0.5, "transforms": ["VerticalFlip"]}}]
    root = read_pipeline(asked(ops=ops), ".")
    assert root.op == "Compose"
    assert root.steps is not None
    flip, blur, one_of = root.steps
    assert flip == Step("HorizontalFlip", {}, None, "augmentations.light.ops[0]")
    assert blur == Step("Blur", {}, None, "augmentations.light.ops[1]")
    inner = Step("VerticalFlip", {}, None, "augmentations.light.ops[2].OneOf.transforms[0]")
    assert one_of == Step("OneOf", {"p": 0.5}, (inner,), "augmentations.light.ops[2]")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "augmentations.light: got neither of ops and pipeline; expected exactly one of them"),
        ({"ops": [], "pipeline": "x"}, "got both of ops and pipeline"),
        (
            {"ops": []},
            "augmentations.light.ops: got an empty list; expected a list of at least one",
        ),
        ({"ops": [3]}, "ops[0]: got 3; expected an operation's name, or {Name: {parameters}}"),
        ({"ops": [{"Blur": {}, "D4": {}}]}, "ops[0]: got a mapping of Blur, D4; expected an op"),
        ({"ops": [{"Blur": [1]}]}, "ops[0]: got a mapping of Blur; expected an operation's name"),
        (
            {"ops": [{"OneOf": {"transforms": 3}}]},
            "ops[0].OneOf.transforms: got 3; expected a list",
        ),
        ({"ops": ["D4"] * 30_000}, "got too large a pipeline; expected at most 20000 values"),
        (
            {"pipeline": "no.json"},
            "light.pipeline (no.json): got no such file; expected a file that exists: a pipeline",
        ),
    ],
)
def test_malformed_requests(keys: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        read_pipeline(asked(**keys), str(tmp_path))
    assert text in str(caught.value)


SAVED = {
    "__version__": "2.0.8",
    "transform": {
        "__class_fullname__": "Compose",
        "p": 0.9,
        "transforms": [
            {"__class_fullname__": "albumentations.augmentations.blur.transforms.Blur", "p": 0.5}
        ],
        "bbox_params": None,
        "keypoint_params": None,
        "additional_targets": {},
        "is_check_shapes": True,
    },
}


def write(tmp_path: Path, document: Any, name: str = "p.json") -> Augmentation:
    (tmp_path / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return asked(pipeline=name)


def test_a_saved_pipeline(tmp_path: Path) -> None:
    root = read_pipeline(write(tmp_path, SAVED), str(tmp_path))
    place = f"{tmp_path}/p.json:1: transform"
    blur = Step("Blur", {"p": 0.5}, None, f"{place}.transforms[0]")
    assert root == Step("Compose", {"p": 0.9}, (blur,), place)


def test_a_saved_pipeline_of_one_operation_by_absolute_path(tmp_path: Path) -> None:
    document = "transform: {__class_fullname__: VerticalFlip, p: 1.0}\n"
    write(tmp_path, document, "p.yaml")
    root = read_pipeline(asked(pipeline=str(tmp_path / "p.yaml")), "/elsewhere")
    assert root.op == "Compose"
    assert root.steps is not None
    assert [(s.op, s.params) for s in root.steps] == [("VerticalFlip", {"p": 1.0})]


def changed(**keys: Any) -> dict[str, Any]:
    return {"transform": {**SAVED["transform"], **keys}}  # type: ignore[dict-item]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(f'*{before}' for _ in range(10))}]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("name", "document", "text"),
    [
        ("p.txt", SAVED, "got the name p.txt; expected a name ending in .json, .yaml or .yml"),
        ("p.json", "{", "p.json:1: got text that is not JSON"),
        ("p.json", "[" * 100_000, "p.json: got deeper nesting; expected at most 64 levels"),
        ("p.yaml", "a: [", "got text that is not YAML"),
        ("p.yaml", "!!python/object/apply:os.getcwd []", "got the tag !!python/object/apply:os"),
        ("p.yaml", BOMB, "got aliases that stand for more than 10000 values"),
        ("p.yaml", "a: &a {b: 1}\ntransform: {<<: *a}", "p.yaml:2: got the merge key <<"),
        ("p.json", [1], "got a file without the key `transform`; expected a pipeline written with"),
        ("p.json", changed(bbox_params={"format": "coco"}), "bbox_params: got a mapping of format"),
        ("p.json", changed(additional_targets={"m": "mask"}), "expected nothing. Only images are"),
        (
            "p.json",
            changed(transforms=[{"p": 1}]),
            "got a mapping of p; expected an operation with",
        ),
        (
            "p.json",
            changed(transforms={}),
            "transform.transforms: got an empty mapping; expected a",
        ),
        (
            "p.json",
            changed(transforms=[{"__class_fullname__": "os.path.join"}]),
            "transforms[0]: got the class 'os.path.join'; expected one of albumentations' own. "
            "Other code is never imported",
        ),
        ("p.json", "1" * (2 << 20), "got more than 1048576 bytes; expected a smaller file"),
    ],
)
def test_bad_files(name: str, document: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        read_pipeline(write(tmp_path, document, name), str(tmp_path))
    assert text in str(caught.value)
    assert name in str(caught.value)
