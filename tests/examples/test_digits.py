"""The digits example: prepared as stated, and the stored checkpoint makes those digits."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from augment.generators import SampleRequest, describe, load_host
from augment.seeds import class_conditioning, synthetic_id
from augment.spec.generators import VaeGenerator

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_prepare", DIGITS / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(prepare: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits")
    assert prepare.prepare(out) == {"train": 450, "test": 540}
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_train_split_is_long_tailed_and_the_test_split_whole(folder: Path) -> None:
    def count(split: str) -> list[int]:
        return [len(list((folder / split / str(k)).iterdir())) for k in range(10)]

    assert count("train") == [80] * 5 + [10] * 5
    assert sum(count("test")) == 540
    assert min(count("test")) >= 52


def test_no_scan_stands_in_both_splits(folder: Path) -> None:
    train, test = ({p.stem for p in (folder / s).rglob("*.png")} for s in ("train", "test"))
    assert not train & test
    pixels = [p.read_bytes() for p in folder.rglob("*.png")]
    assert len({hashlib.sha256(data).digest() for data in pixels}) == 990


def test_files_are_the_scans_they_are_named_after(folder: Path) -> None:
    digits = load_digits()
    for path in sorted(folder.rglob("*.png"))[::40]:
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("L", (32, 32))
            small = np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=float)
        number = int(path.stem)
        assert path.parent.name == str(digits.target[number])
        assert np.corrcoef(small.ravel(), digits.images[number].ravel())[0, 1] > 0.97


def test_a_second_run_writes_the_same_bytes_and_touches_nothing(
    prepare: ModuleType, folder: Path, tmp_path: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    prepare.prepare(folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    prepare.prepare(tmp_path)
    assert files(tmp_path) == files(folder)


def test_the_checkpoint_is_small_and_says_what_it_learned_from(prepare: ModuleType) -> None:
    checkpoint = DIGITS / "checkpoint"
    assert (checkpoint / "weights.safetensors").stat().st_size < 2_000_000
    learned = json.loads((checkpoint / "generator.json").read_text())["trained_on"]
    pixels, labels = prepare.images("train")
    assert learned["pixels_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert list(learned["images"].values()) == np.bincount(labels).tolist()


def test_its_samples_are_the_digits_asked_for(prepare: ModuleType) -> None:
    spec = VaeGenerator(family="vae", checkpoint=str(DIGITS / "checkpoint"))
    info = describe("digits", spec)
    assert info.classes == tuple("0123456789")

    def request(name: str, index: int) -> SampleRequest:
        key = (7, info.identity, info.sampling_digest, class_conditioning(name), index)
        return SampleRequest(synthetic_id(*key), name, index)

    batch = [request(name, index) for name in info.classes for index in range(40)]
    made = load_host("digits", spec, info).generate(batch).images.reshape(len(batch), -1)
    parts = [prepare.images(split) for split in ("train", "rest")]
    real, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    judge = SVC(C=10.0).fit(real.reshape(len(real), -1) / 255.0, labels)
    read = judge.predict((made + 1.0) / 2.0)
    asked = np.array([int(r.label_name) for r in batch])
    assert (read == asked).mean() >= 0.95
    assert min((read == asked)[asked == k].mean() for k in range(10)) >= 0.8
