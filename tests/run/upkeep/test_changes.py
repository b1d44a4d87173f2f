"""What has changed in the sources of a committed job since its census; how much is looked at."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.api import load_spec, run, status
from augment.cli import main
from augment.run import LocalEngine
from augment.run.prepare import prepare
from augment.run.upkeep.changes import OF_RUN, Bounds, Changes, SourceChange, changes
from augment.run.upkeep.clean import clean
from augment.run.upkeep.retry import retry
from tests.end_to_end.jobs import job_document, write_digits

COUNTS = {"0": 6, "1": 4, "2": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", COUNTS, test=2)
    return tmp_path


def looked(made: dict[str, Any], bounds: Bounds = OF_RUN) -> Changes:
    prepared = prepare(load_spec(made))
    return changes(prepared.job, prepared.work, bounds)


def committed(root: Path, *, alone: bool = False, **more: Any) -> dict[str, Any]:
    """alone: real rows and their copies, nothing else."""
    made = job_document(root, **more)
    for key in ("generators", "synthesize", "filters", "pool") if alone else ():
        del made[key]
    assert run(load_spec(made), engine="local").ok
    assert looked(made) == Changes()
    return made


def add(root: Path, place: str, name: str) -> None:
    folder = root / "data" / place
    shutil.copy(sorted(folder.iterdir())[0], folder / name)


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_new_gone_and_changed_images_are_counted(root: Path) -> None:
    made = committed(root)
    for n in range(5):
        add(root, "train/0", f"new{n}.png")
    (root / "data/train/1/000.png").unlink()
    touched(root / "data/test/2/001.png")
    (found,) = looked(made).sources
    assert found == SourceChange("digits", new=5, gone=1, changed=1)
    (line,) = looked(made).lines
    assert line.startswith(
        "source digits has changed since the census: 5 new, 1 gone, 1 changed. The data set keeps"
    )
    assert "give the job another output.uri" in line


def test_run_and_status_tell_it_in_one_line(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = committed(root)
    path = root / "job.json"
    path.write_text(json.dumps(made))
    add(root, "train/0", "new.png")
    said = "source digits has changed since the census: 1 new, 0 gone, 0 changed. The data set"
    assert main(["run", str(path), "--engine", "local"]) == 0
    out = capfd.readouterr().out
    assert out.startswith("already committed: small-")
    assert sum(line.startswith(said) for line in out.splitlines()) == 1
    assert main(["status", str(root / "out")]) == 0
    out = capfd.readouterr().out
    assert sum(line.strip().startswith(said) for line in out.splitlines()) == 1
    assert main(["run", str(path), "--engine", "local", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["changes"] == {
        "sources": [{"source": "digits", "new": 1, "gone": 0, "changed": 0}], "skipped": None,
    }  # fmt: skip
    (job,) = status(str(root / "out")).jobs
    assert job.changes == Changes((SourceChange("digits", 1, 0, 0),))
    made["output"]["uri"] = str(root / "other")  # the way out
    again = run(load_spec(made), engine="local")
    assert (again.version, again.changes) == (1, None)
    assert sum(c.written for c in again.cells if c.origin == "real") == 13 + 6 + 1


def test_nothing_that_changed_is_no_line(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = root / "job.json"
    path.write_text(json.dumps(committed(root)))
    assert main(["run", str(path), "--engine", "local"]) == 0
    assert "has changed since" not in capfd.readouterr().out
    assert main(["status", str(root / "out")]) == 0
    assert "has changed since" not in capfd.readouterr().out


def test_shares_and_caps_are_drawn_as_the_job_would(root: Path) -> None:
    source = {
        "format": "imagefolder", "uri": str(root / "data/train"), "max_per_class": 3,
        "splits": {"train": 0.5, "test": 0.5},
    }  # fmt: skip
    made = committed(root, alone=True, sources={"digits": source})
    before = looked(made)
    for n in range(40):
        add(root, "train/0", f"new{n}.png")
    (found,) = looked(made).sources
    assert before == Changes()
    assert 0 < found.new <= 3  # of the class are taken as many as before
    assert found.new == found.gone


def test_rows_of_parquet_files(root: Path) -> None:
    images = [p.read_bytes() for p in sorted((root / "data/train/0").iterdir())]
    table = pa.table({"image": images, "label": ["0"] * len(images)})
    pq.write_table(table, root / "a.parquet")
    sources = {"p": {"format": "parquet", "uri": str(root / "a.parquet"), "splits": {"train": 1}}}
    made = committed(root, alone=True, sources=sources)
    pq.write_table(pa.concat_tables([table, table.slice(0, 2)]), root / "a.parquet")
    assert looked(made).sources == (SourceChange("p", new=2, gone=0, changed=6),)


def test_images_that_only_generators_are_fed(root: Path) -> None:
    shutil.copytree(root / "data/train", root / "fed")
    made = job_document(root, augmentations=[], filters=[])
    made["sources"]["fed"] = {
        "format": "imagefolder", "uri": str(root / "fed"), "splits": {"train": 1.0},
        "use": "inputs",
    }  # fmt: skip
    made["generators"] = {"tint": {"family": "tint"}}
    chosen = {"sources": ["fed"], "classes": ["0"]}
    made["synthesize"] = [{"generators": ["tint"], "input": {"from": chosen}}]
    assert run(load_spec(made), engine="local").ok
    for label in ("0", "1"):  # images of class 1 are fed to nobody
        shutil.copy(root / f"fed/{label}/000.png", root / f"fed/{label}/new.png")
    touched(root / "fed/0/000.png")
    assert looked(made).sources == (SourceChange("fed", new=1, gone=0, changed=1),)


def test_an_image_that_was_mended_and_taken_has_not_changed(root: Path) -> None:
    bad = root / "data/train/0/000.png"
    whole = bad.read_bytes()
    bad.write_bytes(b"")
    made = committed(root)
    bad.write_bytes(whole)
    assert looked(made).sources == (SourceChange("digits", 0, 0, 1),)
    assert retry(load_spec(made), LocalEngine()).healed == 2
    assert looked(made) == Changes()


# ---- what is not looked at -----------------------------------------------------------


def gone(root: Path) -> None:
    shutil.rmtree(root / "data")


def cleaned(root: Path) -> None:
    assert clean(str(root / "out"), yes=True, keep_days=0).removed


def without_plan(root: Path) -> None:
    (plan,) = (root / "out/_work").glob("*/plan/plan.json")
    plan.unlink()


def damaged(root: Path) -> None:
    (plan,) = (root / "out/_work").glob("*/plan/plan.json")
    plan.write_text("[]")


def with_a_damaged_census(root: Path) -> None:
    (census,) = (root / "out/_work").glob("*/plan/census-*.parquet")
    held = census.read_bytes()
    census.write_bytes(held[:-30] + b"\xff" * 18 + held[-12:])  # within the footer


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (gone, "source digits cannot be listed|cannot be listed as they are now: sources.digits"),
        (cleaned, "`augment clean` removed the census of the job"),
        (without_plan, "the frozen plan of the job is gone"),
        (damaged, "its frozen plan cannot be read"),
        (with_a_damaged_census, "its frozen plan cannot be read"),
    ],
)
def test_what_cannot_be_seen_is_said_to_be_skipped(
    root: Path, what: Callable[[Path], None], why: str
) -> None:
    made = committed(root)
    prepared = prepare(load_spec(made))
    what(root)
    found = changes(prepared.job, prepared.work, OF_RUN)
    assert found.sources == ()
    assert found.skipped is not None
    assert any(part in found.skipped for part in why.split("|")), found.skipped
    assert found.lines[0].startswith("sources: not looked at, ")


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        (Bounds(local=18, remote=0), "19 images are more than are listed here: `augment plan`"),
        (Bounds(local=19, remote=0), "source digits holds more than 19 files: `augment plan`"),
        (Bounds(local=25, remote=0), None),
    ],
)
def test_no_more_is_listed_than_may_be(root: Path, bounds: Bounds, why: str | None) -> None:
    made = committed(root)
    for n in range(5):
        add(root, "train/0", f"new{n}.png")
    found = looked(made, bounds)
    assert (found.skipped or "").startswith(why or "")
    assert bool(found.sources) == (why is None)


def test_a_job_that_cannot_be_read_any_more(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGMENT_TEST_DATA", str(root / "data"))
    made = job_document(root)
    made["sources"]["digits"]["uri"] = "${AUGMENT_TEST_DATA}"
    committed(root, sources=made["sources"])
    monkeypatch.delenv("AUGMENT_TEST_DATA")
    (job,) = status(str(root / "out")).jobs
    assert job.changes is not None
    assert "AUGMENT_TEST_DATA" in str(job.changes.skipped)
    assert (job.state, job.trouble) == ("committed", None)
