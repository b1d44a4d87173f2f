"""Cleaning and links: what stands behind one is somebody else's, and is told, not touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from augment.api import audit, load_spec, open_dataset, run, status
from augment.cli import main
from augment.errors import RequestError, StorageError
from augment.run.upkeep.clean import clean
from augment.run.upkeep.litter import Cleaning
from augment.run.upkeep.pool import gc, pool_status
from augment.sample import SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write import Commit, commit_once, ensure_table
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.run.upkeep.test_clean import DAY, files, job_of, paths, plant

COUNTS = {"0": 12, "1": 5, "2": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    write_digits(root / "data", COUNTS)
    assert run(load_spec(job_document(root)), engine="local").ok
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A data set and a pool to clean, and copies of both that are somebody else's."""
    for name in ("out", "pool"):
        shutil.copytree(made / name, tmp_path / name)
        shutil.copytree(made / name, tmp_path / f"their-{name}")
    return tmp_path


def links(found: Cleaning) -> list[str]:
    return [note for note in found.notes if "link" in note]


def test_no_cleaning_reaches_another_data_set(root: Path) -> None:
    out, theirs = root / "out", root / "their-out"
    job = job_of(out)
    plant(theirs, "data/train/.tmp-123-0123456789ab")
    own = plant(out, ".tmp-123-0123456789ab")
    for link, target in {
        "data/link-train": theirs / "data/train",
        "data/home": theirs,
        "data/up": Path(".."),
        f"data/train/{job}/sub": theirs / f"data/train/{job}",
        "_work/home": theirs,
        f"_work/{job}/units/all": theirs / "_work",
        f"_work/{job}/leases/x.json": theirs / "README.md",
        "gone": theirs / "nothing",
        "loop": Path("loop"),
    }.items():
        (out / link).parent.mkdir(exist_ok=True)
        (out / link).symlink_to(target)
    before, mine = files(theirs), {p for p in files(out) if Path(out, p).is_file()}
    dry = clean(str(out))
    assert links(dry) == [
        f"link, left alone: {link} -> {os.readlink(out / link)}"
        for link in sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_symlink())
    ]
    assert len(links(dry)) == 9
    done = clean(str(out), yes=True)
    assert (paths(done), links(done)) == (paths(dry), links(dry))
    assert own in paths(done)
    assert not [path for path in paths(done) if not (path in mine or path == own)]
    assert files(theirs) == before
    assert all((out / note.split(": ")[1].split(" -> ")[0]).is_symlink() for note in links(done))
    assert audit(str(theirs)).ok
    assert audit(str(out)).ok


def test_many_links_are_folded(root: Path) -> None:
    for n in range(25):
        (root / f"out/data/l{n:02}").symlink_to("/")
    found = links(clean(str(root / "out")))
    assert len(found) == 21
    assert found[-1] == "links, left alone: 5 more"


def test_work_of_a_job_behind_a_link_is_left_alone(root: Path) -> None:
    """Its records would be called old and complete, and go."""
    theirs, job = root / "their-out", job_of(root / "out")
    linked = f"linked-{'0' * 12}"
    (root / "out/_work" / linked).symlink_to(theirs / "_work" / job)
    before = files(theirs)
    later = lambda: os.path.getmtime(theirs) + 400 * DAY  # noqa: E731
    done = clean(str(root / "out"), yes=True, keep_days=0, clock=later)
    assert any(path.startswith(f"_work/{job}/units/") for path in paths(done))
    assert not any(linked in path for path in paths(done))
    assert files(theirs) == before


def test_a_data_set_that_was_moved_behind_links_is_told_of_and_not_read(root: Path) -> None:
    """Its state is the user's own; its rows are those of a copy with the links followed."""
    out = root / "out"
    for place in ("_work", "data", "_provenance", "_delta_log"):
        shutil.move(out / place, root / f"moved{place}")
        (out / place).symlink_to(root / f"moved{place}")
    for read in (audit, open_dataset):
        with pytest.raises(StorageError, match=r"outside the data set; .* \(cp -rL\) and audit"):
            read(str(out))
    (job,) = status(str(out)).jobs
    assert job.state == "committed"
    assert sum(universe.made for universe in pool_status(str(root / "pool")).universes)
    shutil.copytree(out, root / "copy")
    assert audit(str(root / "copy")).ok
    assert open_dataset(str(root / "copy")).count_rows() > 0


def test_a_data_set_may_be_named_by_a_link(root: Path) -> None:
    (root / "named").symlink_to(root / "out")
    planted = plant(root / "out", ".tmp-123-0123456789ab")
    assert planted in paths(clean(str(root / "named"), yes=True))
    assert planted not in files(root / "out")


@pytest.mark.parametrize("verb", [clean, gc])
def test_a_log_behind_a_link_decides_nothing(root: Path, verb: object) -> None:
    table = root / ("out" if verb is clean else "pool")
    shutil.move(table / "_delta_log", root / "log")
    (table / "_delta_log").symlink_to(root / "log")
    before = files(table)
    with pytest.raises(StorageError, match="_delta_log is a link, so another folder says which"):
        verb(str(table), yes=True)  # type: ignore[operator]
    assert files(table) == before


def test_no_collecting_reaches_another_pool(root: Path) -> None:
    pool, theirs = root / "pool", root / "their-pool"
    (name,) = (u.id for u in pool_status(str(theirs)).universes)
    other, third = "f" * 16, "e" * 16
    (pool / "data" / other).symlink_to(theirs / "data" / name)
    (pool / "_work" / third).symlink_to(theirs / "_work" / name)
    own = plant(pool, f"data/{name}/.tmp-3-0123456789ab")
    before = files(theirs)
    for yes in (False, True):
        found = gc(str(pool), yes=yes)
        assert links(found) == [
            f"link, left alone: _work/{third} -> {theirs}/_work/{name}",
            f"link, left alone: data/{other} -> {theirs}/data/{name}",
        ]
        assert own in paths(found)
        assert not [p for p in paths(found) if other in p or third in p]
    for linked in (other, third):
        with pytest.raises(RequestError, match=f"--universe '{linked}' is reached by a link"):
            gc(str(pool), yes=True, universes=[linked])
    gc(str(pool), yes=True, universes=[name])
    assert files(theirs) == before


@pytest.mark.parametrize("place", ["data", "data/train", "_work", "_provenance", "_work/logs"])
def test_a_run_writes_nothing_through_a_link(
    root: Path, made: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """An output of another job, a place of which leads into somebody's data set."""
    output, theirs = root / "other", root / "their-out"
    before = files(theirs)
    (output / place).parent.mkdir(parents=True)
    (output / place).symlink_to(theirs / place)
    changes = {"output": {"uri": str(output)}, "name": "other", "pool": str(root / "pool")}
    job = write_job(root / "job.yaml", job_document(made, **changes))
    assert main(["run", str(job), "--engine", "local"]) == 3
    assert f"{output}/{place} is a link to {theirs}/{place}, and nothing" in capfd.readouterr().err
    assert files(theirs) == before


def test_no_transaction_is_written_into_another_log(root: Path) -> None:
    mine, theirs = root / "mine", root / "their-out"
    mine.mkdir()
    (mine / "_delta_log").symlink_to(theirs / "_delta_log")
    before = files(theirs)
    table = ensure_table(Folder(str(mine)), SAMPLE_SCHEMA, ("0", "1", "2"))  # stands there
    with pytest.raises(StorageError, match="_delta_log is a link, and nothing is written through"):
        commit_once(Folder(str(mine)), table, Commit("d" * 64, 1, []), lambda _: None)
    assert files(theirs) == before
