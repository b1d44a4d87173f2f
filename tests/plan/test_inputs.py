"""Which images a generator is fed: chosen, ordered and laid out from census rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from augment.errors import Problem
from augment.plan.inputs import InputList, Inputs, choose_inputs
from augment.sample import CENSUS_SCHEMA, Origin
from augment.spec.models import JobSpec


def source(split: str, use: str = "rows", **more: Any) -> dict[str, Any]:
    splits = {"train": split, "test": "test"}
    return {"format": "imagefolder", "uri": split, "splits": splits, "use": use, **more}


SOURCES = {
    "real": source("a", attributes={"site": "north"}),
    "fed": source("b", "inputs", attributes={"site": "south"}),
    "maps": source("c", "label_maps"),
    "masks": source("d", "inputs"),
}


def rows(name: str, label: str, count: int, split: str = "train", ending: str = "jpg") -> pa.Table:
    found = [
        {"source": name, "locator": f"{split}/{label}/{i}.{ending}", "split": split,
         "label_name": label, "rank": i, "size": 1, "token": ""}
        for i in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(found, CENSUS_SCHEMA)


CENSUS = pa.concat_tables(
    [
        rows("real", "cat", 5),
        rows("real", "dog", 3),
        rows("real", "cat", 2, "test"),
        rows("fed", "cat", 4),
        rows("maps", "cat", 2),
        rows("masks", "dog", 2, ending="png"),
        rows("masks", "cat", 5, ending="png"),
        rows("masks", "dog", 4, ending="png").slice(2),
    ]
)


def chosen(*rules: Mapping[str, Any], seed: int = 7) -> tuple[Inputs, list[str]]:
    """Inputs of these rules, and the problems as texts."""
    spec = JobSpec.model_validate(
        {
            "version": 1,
            "name": "t",
            "seed": seed,
            "sources": SOURCES,
            "synthesize": [{"generators": ["g"], **rule} for rule in rules],
            "output": {"uri": "o"},
        }
    )
    problems: list[Problem] = []
    return choose_inputs(spec, CENSUS, problems), [str(p) for p in problems]


def locators(inputs: Inputs, label: str, name: str = "g") -> list[str]:
    start, stop = inputs.lists[name].ranges[label]
    found: list[str] = inputs.table["locator"].to_pylist()[start:stop]
    return found


def test_without_input_nothing_is_fed() -> None:
    found, problems = chosen({"fill": {"to": 5}})
    assert (found.lists, found.table.num_rows, problems) == ({}, 0, [])


def test_images_of_the_rules_split_class_by_class() -> None:
    found, problems = chosen({"input": {"from": {"sources": ["real"]}, "per_image": 3}})
    assert problems == []
    assert found.lists["g"].ranges == {"cat": (0, 5), "dog": (5, 8)}
    assert found.lists["g"].capacity == {"cat": 15, "dog": 9}
    assert found.lists["g"].origin == Origin.TRANSLATED
    assert found.lists["g"].masks is None
    assert sorted(locators(found, "cat")) == [f"train/cat/{i}.jpg" for i in range(5)]
    assert sorted(locators(found, "dog")) == [f"train/dog/{i}.jpg" for i in range(3)]
    assert found.table.num_rows == 8


def test_the_order_is_seeded_and_named_by_a_digest() -> None:
    rule = {"input": {"from": {"sources": ["real"]}}}
    one, again, other = (chosen(rule, seed=seed)[0] for seed in (7, 7, 8))
    assert locators(one, "cat") == locators(again, "cat") != locators(other, "cat")
    assert one.lists["g"].digest == again.lists["g"].digest != other.lists["g"].digest
    assert InputList.from_json(one.lists["g"].to_json()) == one.lists["g"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"sources": ["fed"]}, {"cat": (0, 4)}),
        ({"sources": ["real", "fed"]}, {"cat": (0, 9), "dog": (9, 12)}),
        ({"sources": ["real"], "classes": ["dog"]}, {"dog": (0, 3)}),
        ({"sources": ["real"], "splits": ["test"]}, {"cat": (0, 2)}),
        ({"sources": ["real"], "splits": ["train", "test"]}, {"cat": (0, 7), "dog": (7, 10)}),
        ({"attributes": {"site": "south"}}, {"cat": (0, 4)}),
    ],
    ids=str,
)
def test_what_a_rule_may_ask_of_its_images(
    wanted: dict[str, Any], expected: dict[str, tuple[int, int]]
) -> None:
    found, problems = chosen({"input": {"from": wanted}})
    assert (found.lists["g"].ranges, problems) == (expected, [])


def test_one_class_may_be_made_from_images_of_all() -> None:
    found, _ = chosen({"input": {"from": {"sources": ["real"]}}, "label": "bird"})
    assert found.lists["g"].ranges == {"bird": (0, 8)}


def test_what_is_made_from_label_maps_is_synthetic() -> None:
    found, _ = chosen({"input": {"from": {"sources": ["maps"]}}})
    assert found.lists["g"].origin == Origin.SYNTHETIC
    found, problems = chosen({"input": {"from": {"sources": ["maps", "fed"]}}})
    assert found.lists == {}
    assert problems == [
        "synthesize[0].input.from: got images and label maps; expected one kind: what is made from "
        "a label map is synthetic, from an image translated. Name the sources of one kind under "
        "`from.sources`"
    ]


def test_a_rule_that_finds_no_image() -> None:
    found, problems = chosen({"input": {"from": {"sources": ["real"], "classes": ["bird"]}}})
    assert found.lists == {}
    assert problems == [
        "synthesize[0].input.from: got no image; expected images to make rows from. Look at "
        "`from`: sources, classes, splits (default: the rule's) and attributes"
    ]


def test_each_generator_has_its_list_and_later_ones_stand_behind() -> None:
    found, _ = chosen(
        {"generators": ["g", "h"], "input": {"from": {"sources": ["fed"]}}},
        {"generators": ["h", "i"], "input": {"from": {"sources": ["real"]}}},
    )
    assert {name: dict(one.ranges) for name, one in found.lists.items()} == {
        "g": {"cat": (0, 4)},
        "h": {"cat": (4, 8)},
        "i": {"cat": (8, 13), "dog": (13, 16)},
    }
    assert found.table["source"].to_pylist() == ["fed"] * 8 + ["real"] * 8


def test_masks_stand_as_far_behind_as_there_are_parents() -> None:
    rule = {"input": {"from": {"sources": ["real"]}, "mask": "masks"}}
    found, problems = chosen(rule, {**rule, "generators": ["h"]})
    assert problems == []
    assert (found.lists["g"].masks, found.lists["h"].masks) == (8, 8)
    assert found.lists["h"].ranges == {"cat": (16, 21), "dog": (21, 24)}
    names = found.table["locator"].to_pylist()
    assert [n.replace(".jpg", ".png") for n in names[:8]] == names[8:16]
    assert set(found.table["source"].to_pylist()[8:16]) == {"masks"}


def test_an_image_without_a_mask_is_told() -> None:
    _, problems = chosen({"input": {"from": {"sources": ["real"]}, "mask": "fed"}})
    (said,) = problems
    assert said.startswith("synthesize[0].input.mask: got 4 images without a mask in 'fed', for ")
    assert said.endswith("expected one of the same place and name for each image")


def test_a_position_is_an_image_and_its_copy() -> None:
    fed = InputList(2, Origin.TRANSLATED, {"cat": (4, 7)}, "d")
    assert [fed.parent("cat", p) for p in range(6)] == [
        (4, 0), (5, 0), (6, 0), (4, 1), (5, 1), (6, 1),
    ]  # fmt: skip
