"""The job files of all families: their checkpoints made and imported as a user does it, every
job run as it stands, with exact quotas and a clean audit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from augment.api import audit, load_spec, open_dataset, run
from augment.cli import main
from augment.generators.catalog import FAMILIES
from augment.policy import VARIABLE
from tests.end_to_end.jobs import rows_of

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings(  # how diffusers' schedulers use numpy
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:__array_wrap__ must:DeprecationWarning",
)

ROOT = Path(__file__).parents[2]
DIGITS = tuple("0123456789")
RARE = DIGITS[5:]
REAL = 10
"""Of each class and split: `max_per_class` of every job."""
ADDED: dict[str, tuple[str, dict[str, int]]] = {
    "autoregressive": ("synthetic", dict.fromkeys(DIGITS, 4)),
    "biggan": ("synthetic", dict.fromkeys(DIGITS, 4)),
    "custom": ("synthetic", dict.fromkeys(RARE, 4)),
    "diffusers": ("synthetic", {"3": 4, "7": 4}),
    "label-maps": ("synthetic", dict.fromkeys(DIGITS, 3)),
    "onnx": ("synthetic", dict.fromkeys(DIGITS, 4)),
    "palette": ("synthetic", dict.fromkeys(DIGITS, 4)),
    "stylegan3": ("synthetic", dict.fromkeys(DIGITS, 4)),
    "tint": ("translated", dict.fromkeys(RARE, 6)),
    "unet_i2i": ("translated", dict.fromkeys(DIGITS, REAL)),
}
"""Job file -> origin of what it adds to the train split, and how many of each class."""


def job_files() -> list[Path]:
    found = sorted((ROOT / "examples" / "families").glob("*.yaml"))
    return [path for path in found if path.stem != "policy"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout's examples, after the commands that each job file begins with."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples" / "families", folder / "examples" / "families",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    for script, out in (
        (ROOT / "examples" / "digits" / "prepare.py", "data/digits"),
        (folder / "examples" / "families" / "make_checkpoints.py", "data/families"),
    ):
        subprocess.run(
            [sys.executable, str(script), "--out", out],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture
def families(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the job files, on Python's search path and under its policy."""
    folder = root / "examples" / "families"
    monkeypatch.setenv(VARIABLE, str(folder / "policy.yaml"))
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("custom_generator", None)


def made(families: Path, stem: str) -> list[dict[str, Any]]:
    """The generated rows of a job's data set, after its run and audit went well."""
    result = run(load_spec(str(families / f"{stem}.yaml")), engine="local")
    assert result.ok
    report = audit(result.output, verify=True)
    assert report.ok
    rows = rows_of(open_dataset(result.output).to_table())
    origin, added = ADDED[stem]
    assert Counter((r["split"], r["origin"], r["label_name"]) for r in rows) == {
        **{(split, "real", label): REAL for split in ("train", "test") for label in DIGITS},
        **{("train", origin, label): n for label, n in added.items()},
    }
    return [r for r in rows if r["generated"]]


def test_every_family_has_a_job_file() -> None:
    """Names of families only: the parser of job files has its own tests."""
    named = set()
    for path in [*ROOT.glob("jobs/*.yaml"), *job_files()]:
        document = yaml.safe_load(path.read_text())
        named |= {spec["family"] for spec in document.get("generators", {}).values()}
    assert named == {family.name for family in FAMILIES}


def test_every_job_file_is_run_here() -> None:
    assert [path.stem for path in job_files()] == sorted(ADDED)


@pytest.mark.parametrize("stem", sorted(ADDED.keys() - {"diffusers", "label-maps", "unet_i2i"}))
def test_a_job_fills_its_quotas(families: Path, stem: str) -> None:
    rows = made(families, stem)
    assert len({r["image"]["bytes"] for r in rows}) == len(rows)
    (spec,) = load_spec(str(families / f"{stem}.yaml")).spec.generators.values()
    assert {r["generator"]["family"] for r in rows} == {spec.family}


def test_every_prompt_takes_its_turn(families: Path) -> None:
    said = [json.loads(r["generator"]["conditioning"]) for r in made(families, "diffusers")]
    assert Counter(s["prompt"] for s in said) == {
        text.format(name): 1
        for name in ("three", "seven")
        for text in (
            "a handwritten {}, chalk",
            "a handwritten {}, pencil",
            "the digit {} in chalk",
            "the digit {} in pencil",
        )
    }


def test_a_translated_row_keeps_label_and_size_of_its_parent(families: Path) -> None:
    rows = made(families, "unet_i2i")
    assert {(r["width"], r["height"]) for r in rows} == {(32, 32)}
    for row in rows:
        (parent,) = row["parents"]
        assert parent["locator"].split("/")[:2] == ["train", row["label_name"]]
        assert {a["name"]: a["value"] for a in row["attributes"]} == {"look": "translated"}


def test_what_is_made_from_a_label_map_keeps_it(families: Path, root: Path) -> None:
    for row in made(families, "label-maps"):
        (parent,) = row["parents"]
        source = root / "data" / "families" / "maps" / parent["locator"]
        assert row["mask"]["bytes"] == source.read_bytes()
        assert (row["width"], row["height"]) == (64, 64)


def test_the_example_class_keeps_the_contract(
    families: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--init", '{"classes": ["0", "1"]}']
    assert main(["generators", "check", "custom_generator:Printed", *arguments]) == 0
    assert "FAIL" not in capsys.readouterr().out
