"""Where each refusal begins: the last request that is right, and the first that is not. One
edit each of a job that is right, beside those of `test_checks.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Problems = Callable[..., list[str]]
TWO = {"classes": {"names": ["0", "1"]}}
CLUSTER = {"execution": {"address": "auto", "autoscale": {"gpus": 8}}}


def actors(**asks: Any) -> dict[str, Any]:
    return {"execution": {"generators": {"fake": asks}}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    # ---- classes and sources ----
    (
        {"classes": {"names": ["0", "1"], "file": "c.txt"}},
        "classes: got both file and names; expected exactly one of them",
    ),
    ({"classes": {"names": []}}, "classes.names: got an empty list; expected at least one class"),
    (
        {"sources.real.label_map": {"map": {"a": "0"}, "file": "map.csv"}},
        "sources.real.label_map: got both file and map; expected exactly one of them",
    ),
    (
        {"sources.real.label_map": {"file": "map.csv"}, **TWO},
        "sources.real.label_map.file: got the class 'zero'; expected one of 0, 1",
    ),
    (
        {"sources.real.splits": {"train": "", "test": "test"}},
        "sources.real.splits.train: got ''; expected a folder or value of the source's own split, "
        "or a share",
    ),
    (
        {"sources.real.splits": {"train": 0.5, "test": 0.50001}},
        "sources.real.splits: got shares that sum to 1.00001; expected shares that sum to 1",
    ),
    (
        {"protected_splits": ["test", "test"]},
        "protected_splits[1]: got 'test' a second time; expected each name once",
    ),
    # ---- rules ----
    (
        {"synthesize.0.fill": {"to": 0}},
        "synthesize[0].fill.to: got 0, so that nothing is added; expected a number above 0",
    ),
    (
        {"synthesize.0.fill": {"to": 5, "max_added": 0}},
        "synthesize[0].fill.max_added: got 0, so that nothing is added; expected a number above 0",
    ),
    (
        {"synthesize.0.fill": {"to": 5, "max_times_real": 0}},
        "synthesize[0].fill.max_times_real: got 0, so that nothing is added; expected a number "
        "above 0",
    ),
    (
        {"synthesize.0.fill": {"share": 0.5, "max_times_real": 1}},
        "synthesize[0].fill.max_times_real: got 1, which has no effect: caps clamp `to`, not "
        "`share`; expected no such key",
    ),
    (
        {"synthesize.0.fill.to": {"0": 3, "2": 3}, **TWO},
        "synthesize[0].fill.to.2: got the class '2'; expected one of 0, 1",
    ),
    (
        {"synthesize.0.classes": []},
        "synthesize[0].classes: got an empty list; expected at least one class",
    ),
    (
        {"synthesize.0.classes": ["0", "0"]},
        "synthesize[0].classes[1]: got '0' a second time; expected each name once",
    ),
    # ---- limits and errors ----
    (
        {"limits": {"synthetic_share": {}}},
        "limits.synthetic_share: got neither max nor per_class; expected at least one of them",
    ),
    (
        {"limits": {"synthetic_to_real": {}}},
        "limits.synthetic_to_real: got neither max nor per_class; expected at least one of them",
    ),
    (
        {"limits": {"synthetic_share": {"per_class": 1}}},
        "limits.synthetic_share.per_class: got 1, which no share exceeds; expected a share below 1",
    ),
    (
        {"limits": {"min_rows_per_class": {}}},
        "limits.min_rows_per_class: got an empty mapping; expected split: least rows",
    ),
    (
        {"limits": {"min_unique_real_per_class": {"trian": 3}}},
        "limits.min_unique_real_per_class.trian: got the split 'trian'; expected one of test, "
        "train. Did you mean 'train'?",
    ),
    (
        {"errors": {"allow_empty_classes": ["0", "0"]}},
        "errors.allow_empty_classes[1]: got '0' a second time; expected each name once",
    ),
    (
        {"errors": {"allow_empty_classes": ["2"]}, **TWO},
        "errors.allow_empty_classes[0]: got the class '2'; expected one of 0, 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "text"), REFUSED, ids=[text[:60] for _, text in REFUSED])
def test_the_first_that_is_refused(
    problems: Problems, tmp_path: Path, edits: dict[str, Any], text: str
) -> None:
    (tmp_path / "map.csv").write_text("from,to\na,zero\nb,1\n")
    assert problems(edits) == [f"job: {text}"]


@pytest.mark.parametrize(
    "edits",
    [
        {"sources.real.label_map": {"file": "map.csv"}},
        {"sources.real.label_map": {"file": "map.csv"}, "classes": {"names": ["0", "1", "zero"]}},
        {"sources.real.empty_classes": "drop"},
        {"sources.real.splits": {"train": 0.5, "test": 0.5 + 1e-10}},
        {"sources.real.splits": {"train": 1}, "protected_splits": []},
        {"sources.real.follow_links": True},
        {"synthesize.0.fill": {"to": 1, "max_added": 1, "max_times_real": 0.5}},
        {"synthesize.0.classes": ["0", "1"], **TWO},
        {"limits": {"synthetic_share": {"max": 0.99}}},
        {"limits": {"synthetic_share": {"per_class": 0.99}}},
        {"limits": {"synthetic_to_real": {"max": 1, "per_class": 20}}},
        {"limits": {"min_rows_per_class": {"train": 0}}},
        {"errors": {"allow_empty_classes": ["0"]}, **TWO},
        {"errors": {"allow_empty_classes": ["what no one knows yet"]}},
        actors(resources={"gpus": 1}),
        actors(resources={"gpus": 2, "accelerator_type": "T4"}),
        actors(resources={"gpus": 0.5, "accelerator_type": "T4"}),
        actors(resources={"gpus": 0}),
        actors(replicas={"min": 2, "max": 2}),
        CLUSTER,
        {"execution": {"engine": "local"}},
        {"execution": {"address": "auto"}},
        {"output.image": {"format": "jpeg", "quality": 1}},
        {"output.image": {"format": "png"}},
    ],
    ids=str,
)
def test_the_last_that_is_right(problems: Problems, tmp_path: Path, edits: dict[str, Any]) -> None:
    (tmp_path / "map.csv").write_text("from,to\na,zero\nb,1\n")
    assert problems(edits) == []


def test_an_option_of_rows_beside_images_that_are_none(problems: Problems) -> None:
    source = {"format": "imagefolder", "uri": "more", "splits": {"train": "t"}, "use": "inputs"}
    without, told = (
        problems({"sources.more": {**source, **more}}) for more in ({}, {"empty_classes": "drop"})
    )
    assert [text for text in told if text not in without] == [
        "job: sources.more.empty_classes: got drop, which has no effect: its images are no rows; "
        "expected no such key"
    ]
