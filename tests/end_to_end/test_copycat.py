"""A generator that gives back what it has learned from is found by what its rows show.

Its files are all different: each carries its own id, and is encoded and fitted as a real image of
its class is. Real images are JPEGs here, so that encoding alone would part equal pictures.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from augment import codec
from augment.api import load_spec, open_dataset, run
from augment.audit import render
from augment.generators import GeneratedBatch, Placement, SampleRequest
from augment.policy import VARIABLE
from tests.end_to_end.jobs import job_document, rows_of
from tests.end_to_end.toys import toy_info

PHOTO = load_sample_images().images[1]
CLASSES = ("a", "b", "c")
SIDE = 32


def cut(place: int) -> np.ndarray:
    """A piece of the photograph that no other place has."""
    top, left = divmod(place * 37, 500)
    return PHOTO[20 + 7 * top : 20 + 7 * top + SIDE, left : left + SIDE]


class Copycat:
    """Returns the images in a folder, by class, whatever its noise says. few: how many it knows
    of each class; mirrored: what it returns is turned."""

    def __init__(self, folder: str, few: int = 1, mirrored: bool = False) -> None:
        self.info = toy_info("copycat", CLASSES, SIDE, more=[few, mirrored])
        self._images = {
            label: [
                codec.decode(path.read_bytes(), 1 << 20)[:, :: -1 if mirrored else 1]
                for path in sorted(Path(folder, label).glob("*.jpg"))[:few]
            ]
            for label in CLASSES
        }

    def place(self, placement: Placement) -> None: ...

    def validate(self, request: SampleRequest) -> None: ...

    def batch_key(self, request: SampleRequest) -> str:
        return "copycat"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        chosen = [self._images[r.label_name][r.index % len(self._images[r.label_name])]
                  for r in batch]  # fmt: skip
        images = np.stack(chosen).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return GeneratedBatch(images, (None,) * len(batch))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """JPEGs of two sizes and qualities, and a policy that allows the toy."""
    for number in range(30):
        split, label = ("test", "train", "train")[number % 3], CLASSES[number // 10]
        folder = tmp_path / "data" / split / label
        folder.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        Image.fromarray(cut(number)).save(out, "JPEG", quality=80 + number % 9)
        (folder / f"{number:02}.jpg").write_bytes(out.getvalue())
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Copycat']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    return tmp_path


def job(root: Path, split: str = "train", **arguments: Any) -> dict[str, Any]:
    given = {"folder": str(root / "data" / split), **arguments}
    own = {"family": "custom", "class_path": f"{__name__}:Copycat", "init_args": given}
    return job_document(
        root,
        generators={"copycat": own},
        synthesize=[{"generators": ["copycat"], "fill": {"to": 20}}],
        augmentations=[],
    )


def test_training_images_given_back_are_not_ok(root: Path) -> None:
    result = run(load_spec(job(root)), engine="local")
    made = [r for r in rows_of(open_dataset(result.output).to_table()) if r["generated"]]
    assert len({r["sha256"] for r in made}) == len(made) == 3 * 20 - 20
    assert len({codec.pixels_sha256(codec.decode(r["image"]["bytes"], 1 << 20)) for r in made}) > 3
    assert len({r["pixels_sha256"] for r in made}) == 3
    assert not result.ok
    assert "verdict: ok" not in render(result.audit)
    failing = [f for f in result.audit.findings if not f.warns]
    assert Counter(f.check for f in failing) == {"real_pictures": 3, "different": 3}
    counts = Counter(r["label_name"] for r in made)
    for finding in failing:
        label = finding.text.partition("class '")[2][0]
        assert finding.n == counts[label] - (finding.check == "different")


def test_test_images_given_back_are_named_as_such(root: Path) -> None:
    """All of them different, and none of the split that they are made for."""
    result = run(load_spec(job(root, split="test", few=30)), engine="local")
    assert not result.ok
    (first, *_) = [f for f in result.audit.findings if f.check == "real_pictures"]
    assert ", 14 of them one of another split, for example sample " in first.text


def test_a_few_pictures_that_are_nobodys_are_not_ok(root: Path) -> None:
    result = run(load_spec(job(root, few=2, mirrored=True)), engine="local")
    failing = [f.check for f in result.audit.findings if not f.warns]
    assert failing == ["different"] * 3
    assert not result.ok
