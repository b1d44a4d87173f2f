"""Which images of a job's sources are offered: by their splits and labels, no pixel read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augment.run.studying.offering import Offer, offer_of, rivals_of
from augment.spec import load_spec
from tests.audit.conftest import CLASSES
from tests.run.studying.test_retrieving import document, write

ASKED = {"0": 5, "1": 5}
"""Of the third class nothing was made."""
NUMBERS = dict.fromkeys(CLASSES, range(4))


def offered(root: Path, most: int = 99, **more: Any) -> Offer:
    found = offer_of(load_spec(document(root, **more)), CLASSES, ASKED, {"test"}, 0, {}, most)
    assert found is not None
    assert sum(found.left_out.values()) + len(found.rows) == found.n
    return found


def test_images_of_classes_with_made_ones_are_offered_with_their_labels(tmp_path: Path) -> None:
    write(tmp_path / "more/train", NUMBERS)
    found = offered(tmp_path)
    assert found.left_out == {"other_class": 4, "beyond_sample": 0}
    assert [row.label_name for row in found.rows] == found.labels == ["0"] * 4 + ["1"] * 4
    assert {row.source for row in found.rows} == {"more"}


def test_what_lies_in_a_protected_split_or_is_tested_on_is_not_offered(tmp_path: Path) -> None:
    for split in ("train", "held", "test"):
        write(tmp_path / "more" / split, NUMBERS)
    splits = {split: split for split in ("train", "held", "test")}
    assert offered(tmp_path, splits=splits).left_out["protected_split"] == 24
    open_ = load_spec(document(tmp_path, splits=splits) | {"protected_splits": []})
    found = offer_of(open_, CLASSES, ASKED, {"test"}, 0, {})
    assert found is not None
    assert found.left_out["protected_split"] == 12, "the study's own test split"
    assert {row.split for row in found.rows} == {"train", "held"}


def test_labels_are_those_that_the_job_maps(tmp_path: Path) -> None:
    write(tmp_path / "more/train", {"zero": range(3), "cat": range(2)})
    found = offered(tmp_path, label_map={"map": {"zero": "0"}, "unmapped": "drop"})
    assert found.labels == ["0"] * 3
    assert found.n == 3


def test_labels_that_are_no_class_say_nothing(tmp_path: Path) -> None:
    write(tmp_path / "more/train", {"zero": range(3), "cat": range(2)})
    assert offered(tmp_path).labels == [None] * 5


def test_of_many_a_level_sample_is_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "more/train", {"0": range(9), "1": range(2)})
    found = offered(tmp_path, most=6)
    assert (found.labels.count("0"), found.labels.count("1")) == (4, 2)
    assert found.left_out["beyond_sample"] == 5


def test_masks_and_label_maps_are_no_images_of_the_world(tmp_path: Path) -> None:
    given = document(tmp_path)
    spare = given["sources"]["more"]
    given["sources"] |= {"masks": spare, "maps": spare | {"use": "label_maps"}}
    rule = {"from": {"sources": ["more"]}, "mask": "masks"}
    given["synthesize"][0]["input"] = rule
    given["synthesize"].append({"generators": ["two"], "input": {"from": {"sources": ["maps"]}}})
    given["generators"]["two"] = {"family": "tint"}
    assert list(rivals_of(load_spec(given).spec)) == ["more"]


def test_a_job_without_such_a_source_offers_nothing(tmp_path: Path) -> None:
    given = document(tmp_path)
    del given["sources"]["more"], given["synthesize"], given["generators"]
    assert offer_of(load_spec(given), CLASSES, ASKED, {"test"}, 0, {}) is None
