"""Output for people folds: with very many classes it is as long as with a few."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.cli import main
from augment.write.card import CARD
from tests.end_to_end.jobs import job_document, write_job

N = 130
CLASSES = [f"class-{n:04d}" for n in range(N)]
LOST, RICH = CLASSES[77], CLASSES[33]
LINES = 150
"""Far more than a folded table has, and less than a line for every class of two splits."""
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed data set of many classes; one lost an image, one has more than others."""
    home = tmp_path_factory.mktemp("many")
    draw = np.random.default_rng(1)
    for label in CLASSES:
        for split, n in (("train", 9 if label == RICH else 2), ("test", 1)):
            folder = home / "data" / split / label
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = draw.integers(0, 256, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    (home / "data/train" / LOST / "bad.png").write_bytes(b"")
    limits = {"synthetic_share": {"per_class": 0.1}, "min_rows_per_class": {"train": 20}}
    changes = {
        "generators": {"fake": {"family": "palette", "classes": CLASSES, "size": 8}},
        "synthesize": [{"generators": ["fake"], "fill": {"to": n}} for n in (20, {RICH: 40})],
        "limits": limits,
    }
    write_job(home / "job.yaml", job_document(home, **changes))
    command = ["run", str(home / "job.yaml"), "--engine", "local", "--despite-limits", "--json"]
    assert main(command) == 1
    return home


def said_by(verb: str, home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(home)
    capfd.readouterr()
    assert main(verb.split()) in (0, 1)
    return capfd.readouterr().out


VERBS = (
    "plan job.yaml",
    "run job.yaml --engine local --despite-limits",
    "synthesize job.yaml --engine local --despite-limits",
    "audit out",
    "audit out --by class,origin",
    "status out",
    "pool ls pool",
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_folds_and_all_shows_everything(
    verb: str, home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = said_by(verb, home, capfd, monkeypatch).splitlines()
    assert len(short) < LINES
    assert max(map(len, short)) < 250
    whole = said_by(f"{verb} --all", home, capfd, monkeypatch)
    assert all(label in whole for label in CLASSES)
    assert "--all shows everything" not in whole


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_left_out_is_said(
    verb: str, home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--all shows everything" in said_by(verb, home, capfd, monkeypatch)


def test_trouble_and_extremes_are_shown_and_totals_are_of_all(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = said_by("mix job.yaml --engine local --despite-limits", home, capfd, monkeypatch)
    table = ran[ran.index("split class") :].split("\n\n")[0].splitlines()
    assert len(table) < 30
    (lost,) = (line.split() for line in table if f"train {LOST} " in line)
    assert lost[-2:] == ["2", "0"]
    assert any(f"train {RICH} " in line for line in table)
    assert table[-1].split()[:2] == ["total", str(N * 3 + 7)]
    assert f"train {LOST} real" in said_by("status out", home, capfd, monkeypatch)


def test_every_limit_that_is_broken_is_shown(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many places break another one."""
    (home / "limits.yaml").write_text(
        "synthetic_share: {per_class: 0.1}\nmin_rows_per_class: {train: 1000}\n"
    )
    said = said_by("audit out --limits limits.yaml", home, capfd, monkeypatch)
    assert "FAIL  limits.synthetic_share.per_class" in said
    assert "FAIL  limits.min_rows_per_class" in said


def test_programs_get_everything(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in VERBS:
        said = said_by(f"{verb} --json", home, capfd, monkeypatch)
        assert len(said.splitlines()) == 1
        json.loads(said)
        assert all(label in said for label in CLASSES)


def test_the_card_folds(home: Path) -> None:
    card = (home / "out" / CARD).read_text(encoding="utf-8").splitlines()
    assert len(card) < LINES
    assert f"20 of {N} classes are shown." in "\n".join(card)
    assert any(line.startswith(f"| {RICH} |") for line in card)


def test_a_list_of_problems_folds(home: Path, capfd: Capture) -> None:
    document = job_document(home, generators={"fake": {"family": "palette", "classes": ["x"]}})
    document["augmentations"] = [{"name": f"a{n}", "copies": 0, "ops": []} for n in range(500)]
    path = write_job(home / "wrong.yaml", document)
    assert main(["validate", str(path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) < LINES
