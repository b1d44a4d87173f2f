"""A job that paints where masks say: each image finds its mask by name, and rows name both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment.api import audit, load_spec, open_dataset, plan, run
from augment.errors import PlanError, SpecError
from tests.end_to_end.jobs import job_document, rows_of, write_digits
from tests.generators import pipelines

COUNTS = {"0": 3, "1": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inpainting")
    pipelines.stable_diffusion(root / "tokenizer").save_pretrained(root / "sd")
    write_digits(root / "data", COUNTS, test=1)
    for image in (root / "data" / "train").rglob("*.png"):
        mask = np.zeros((8, 8), np.uint8)
        mask[:4] = 255
        target = root / "masks" / image.relative_to(root / "data").with_suffix(".bmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    return root


def document(root: Path, **changes: Any) -> dict[str, Any]:
    paint = {
        "family": "diffusers", "checkpoint": str(root / "sd"), "pipeline": "inpaint",
        "classes": ["0", "1"],
        "sampling": {
            "prompts": {"templates": ["a {class}", "the digit {class}"]},
            "call": {"num_inference_steps": 4, "strength": 0.5},
        },
    }  # fmt: skip
    rule = {
        "generators": ["paint"],
        "input": {"from": {"sources": ["digits"]}, "mask": "masks", "per_image": 2},
    }
    made = job_document(root, generators={"paint": paint}, synthesize=[rule], augmentations=[])
    made["sources"]["masks"] = {
        "format": "imagefolder", "uri": str(root / "masks"), "splits": {"train": "train"},
        "use": "inputs",
    }  # fmt: skip
    made["output"] |= {"image": {"format": "png"}}
    return made | {"filters": []} | changes


def test_rows_name_the_image_and_its_mask(root: Path) -> None:
    result = run(load_spec(document(root)), engine="local")
    assert result.ok
    assert audit(result.output, verify=True).ok
    made = [r for r in rows_of(open_dataset(result.output).to_table()) if r["generated"]]
    assert len(made) == 2 * sum(COUNTS.values())
    for row in made:
        image, mask = row["parents"]
        assert Path(mask["locator"]) == Path(image["locator"]).with_suffix(".bmp")
        assert {image["role"], mask["role"]} == {"inputTo"}
        said = json.loads(row["generator"]["conditioning"])
        assert said["prompt"] in (f"a {row['label_name']}", f"the digit {row['label_name']}")
        assert row["origin"] == "translated"
        assert row["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")


def test_an_image_without_a_mask_is_named(root: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "data", {"0": 2, "1": 1}, test=1)
    write_digits(tmp_path / "masks", {"0": 1, "1": 1}, test=1)
    changed = document(root)
    changed["sources"]["digits"]["uri"] = str(tmp_path / "data")
    changed["sources"]["masks"]["uri"] = str(tmp_path / "masks")
    text = r"synthesize\[0\]\.input\.mask: got 1 images without a mask in 'masks', for example tra"
    with pytest.raises(PlanError, match=text):
        plan(load_spec(changed))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"from": {"sources": ["digits"]}}, "got no mask, but 'paint' paints where one says; exp"),
    ],
)
def test_a_painter_needs_masks(root: Path, wanted: dict[str, Any], text: str) -> None:
    changed = document(root, synthesize=[{"generators": ["paint"], "input": wanted}])
    del changed["sources"]["masks"]
    with pytest.raises(PlanError, match=text):
        plan(load_spec(changed))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (
            {"mask": "masks"},
            r"input\.from\.sources: got no sources, so that the masks themselves would be images",
        ),
        (
            {"mask": "digits", "from": {"sources": ["digits"]}},
            r"input\.mask: got 'digits': format imagefolder, use rows; expected an imagefolder wi",
        ),
        (
            {"mask": "maks", "from": {"sources": ["digits"]}},
            r"input\.mask: got the source 'maks'; expected one of digits, masks\. Did you mean 'm",
        ),
    ],
)
def test_masks_that_cannot_be(root: Path, wanted: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        load_spec(document(root, synthesize=[{"generators": ["paint"], "input": wanted}]))
