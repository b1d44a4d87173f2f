"""The trained examples: what their checkpoints say of themselves, that judges read what was asked
for, and that every training script still runs."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from augment.api import load_spec
from augment.spec.generators import GeneratorSpec
from tests.waiting import run

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
SCRIPTS = {
    "train_vae.py": "checkpoint",
    "train_gan.py": "checkpoint-gan",
    "train_diffusion.py": "checkpoint-diffusion",
    "train_cyclegan.py": "checkpoint-photos",
}
OF_CLASSES = [name for script, name in SCRIPTS.items() if script != "train_cyclegan.py"]


@pytest.fixture(scope="module")
def examples() -> dict[str, ModuleType]:
    """The examples' own modules, which import one another by their bare names."""
    sys.path.insert(0, str(DIGITS))
    try:
        import evaluate
        import prepare
        import prepare_photos
    finally:
        sys.path.remove(str(DIGITS))
    return {m.__name__: m for m in (evaluate, prepare, prepare_photos)}


def learned(checkpoint: str) -> dict[str, object]:
    config = json.loads((DIGITS / checkpoint / "generator.json").read_text())
    return dict(config["trained_on"])


def generator(job: str, name: str) -> GeneratorSpec:
    return load_spec(ROOT / "jobs" / job).spec.generators[name]


@pytest.mark.parametrize("checkpoint", SCRIPTS.values())
def test_a_checkpoint_is_small_and_whole(checkpoint: str) -> None:
    weights = (DIGITS / checkpoint / "weights.safetensors").read_bytes()
    config = json.loads((DIGITS / checkpoint / "generator.json").read_text())
    assert len(weights) < 2_000_000
    assert config["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert SCRIPTS[Path(config["trained_on"]["script"]).name] == checkpoint


@pytest.mark.parametrize("checkpoint", OF_CLASSES)
def test_it_learned_from_the_train_split(checkpoint: str, examples: dict[str, ModuleType]) -> None:
    pixels, labels = examples["prepare"].images("train")
    said = learned(checkpoint)
    assert said["pixels_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert said["images"] == {str(k): n for k, n in enumerate(np.bincount(labels).tolist())}


@pytest.mark.parametrize("domain", ["clean", "photos"])
def test_the_translators_learned_from_both_train_splits(
    domain: str, examples: dict[str, ModuleType]
) -> None:
    pixels, _ = examples["prepare_photos"].images(domain, "train")
    said = learned("checkpoint-photos")["pixels_sha256"]
    assert isinstance(said, dict)
    assert said[domain] == hashlib.sha256(pixels.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("job", "name"),
    [("digits-gan.yaml", "digits-gan"), ("digits-diffusion.yaml", "digits-diffusion")],
)
def test_samples_are_the_digits_asked_for(
    job: str, name: str, examples: dict[str, ModuleType]
) -> None:
    shares = examples["evaluate"].figures(generator(job, name), each=20)
    judged = {what: s.mean() for what, s in shares.items() if what.endswith("samples")}
    assert len(judged) == 2  # one judge of the train split, one of all that is not test
    assert min(judged.values()) >= 0.90, judged


@pytest.mark.parametrize("name", ["to-photos", "to-clean"])
def test_translations_keep_their_digit(name: str, examples: dict[str, ModuleType]) -> None:
    shares = examples["evaluate"].figures(generator("digits-photos.yaml", name), each=1)
    (of_all,) = (s for w, s in shares.items() if "all but test" in w and "translations" in w)
    assert of_all.mean() >= 0.90, shares


def test_no_scan_is_in_two_of_the_domains_and_splits(examples: dict[str, ModuleType]) -> None:
    photos = examples["prepare_photos"]
    numbers = [
        {row.name.split("-")[0] for row in photos.pictures(domain, "train")}
        for domain in ("clean", "photos")
    ]
    test = {row.name for row in photos.pictures("clean", "test")}
    assert [len(found) for found in [*numbers, test]] == [225, 225, 540]
    assert not numbers[0] & numbers[1]
    assert not (numbers[0] | numbers[1]) & test


def test_preparing_twice_writes_the_same_bytes(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    def written(out: Path) -> dict[str, bytes]:
        examples["prepare_photos"].prepare(out)
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*.png")}

    assert written(tmp_path / "a") == written(tmp_path / "b")


TWO_STEPS = """
import os, runpy, sys
import sklearn.svm, torch, torch._dynamo  # what every script imports, in seconds
for script, out in zip(sys.argv[1::2], sys.argv[2::2]):
    if not (child := os.fork()):
        sys.argv = [script, "--steps", "2", "--each", "0", "--out", out]
        sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")
        break
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder for each script that ended well, and what they said. Each runs in a process of its
    own, a copy of one that has imported torch."""
    root = tmp_path_factory.mktemp("trained")
    words = [word for script in SCRIPTS for word in (str(DIGITS / script), str(root / script))]
    done = run([sys.executable, "-c", TWO_STEPS, *words], cwd=ROOT)
    return root, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_two_steps_of_training_make_a_checkpoint(script: str, trained: tuple[Path, str]) -> None:
    root, said = trained
    assert "Traceback" not in said, said
    config = json.loads((root / script / "generator.json").read_text())
    shipped = json.loads((DIGITS / SCRIPTS[script] / "generator.json").read_text())
    assert config["trained_on"] == shipped["trained_on"] | {"steps": 2}
    assert config["init"] == shipped["init"]
