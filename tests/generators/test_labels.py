"""Which class an index stands for: named, given by the job, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.errors import CheckpointError
from augment.generators.labels import class_indexes
from augment.spec.generator_base import ClassConditional


def spec(**keys: Any) -> ClassConditional:
    return ClassConditional.model_validate({"checkpoint": "c", **keys})


def test_a_checkpoint_that_names_its_classes_needs_nothing() -> None:
    assert class_indexes("g", spec(), ["no", "12:30"], 2) == {"no": 0, "12:30": 1}


def test_the_job_names_some_of_the_indexes() -> None:
    assert class_indexes("g", spec(class_index={"cat": 3, "dog": 1}), None, 4) == {
        "cat": 3,
        "dog": 1,
    }


def test_the_job_renames_what_the_checkpoint_names() -> None:
    assert class_indexes("g", spec(class_index={"cat": 1}), ["a", "b"], 2) == {"cat": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cat\ndog\n"),
        ("names.json", json.dumps({"cat": 0, "dog": 1})),
        ("names.yaml", "cat: 0\ndog: 1\n"),
    ],
)
def test_a_file_of_classes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    given = spec(class_index={"file": str(tmp_path / name)})
    assert class_indexes("g", given, None, 2) == {"cat": 0, "dog": 1}


def test_an_unconditional_checkpoint_has_the_class_that_the_job_says() -> None:
    assert class_indexes("g", spec(label="cat"), None, 0) == {"cat": 0}


@pytest.mark.parametrize(
    ("keys", "num_classes", "text"),
    [
        ({}, 3, "knows its 3 classes only as indexes; say which is which with generators.g.class"),
        ({}, 0, "the checkpoint is unconditional; say which class its images are of with gen"),
        ({"class_index": {"a": 0}}, 0, r"generators\.g\.class_index: has no effect, the checkpoin"),
        ({"label": "cat"}, 3, r"generators\.g\.label: got 'cat', but the checkpoint is condition"),
        ({"class_index": {"a": 3}}, 3, r"generators\.g\.class_index\.a: got 3; expected 0 to 2"),
        ({"class_index": {"a": 1, "b": 1}}, 3, r"class_index\.b: got 1, which 'a' has; expected"),
        ({"class_index": {"file": "nowhere.txt"}}, 3, "nowhere.txt: got no such file"),
    ],
)
def test_what_is_refused(keys: dict[str, Any], num_classes: int, text: str) -> None:
    with pytest.raises(CheckpointError, match=text):
        class_indexes("g", spec(**keys), None, num_classes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "expected a mapping of name: index"),
        ('{"cat": "one"}', r"names\.json: cat: got 'one'; expected a whole number from 0"),
        ('{"cat": -1}', r"names\.json: cat: got -1; expected a whole number from 0"),
        ('{"cat": true}', r"names\.json: cat: got True; expected a whole number from 0"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "names.json").write_text(text)
    given = spec(class_index={"file": str(tmp_path / "names.json")})
    with pytest.raises(CheckpointError, match=said):
        class_indexes("g", given, None, 2)
