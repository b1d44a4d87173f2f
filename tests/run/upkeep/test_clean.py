"""Cleaning takes what nothing names and nothing else, whatever lies around."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run, status
from augment.audit.table import open_data_set
from augment.errors import RequestError
from augment.features import read_all
from augment.features.kept import folder_of
from augment.run import LocalEngine
from augment.run.extraction.extracting import extract
from augment.run.upkeep.clean import clean
from augment.run.upkeep.litter import Cleaning
from augment.run.upkeep.retry import retry
from augment.storage import Folder
from augment.write import Lease, live_files, newest_version
from tests.end_to_end.jobs import fingerprint, job_document, rows_of, write_digits
from tests.end_to_end.runs import drive

COUNTS = {"0": 12, "1": 5, "2": 4}
DAY = 86400.0


def small(root: Path, **changes: Any) -> dict[str, Any]:
    return job_document(root, **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two versions: a run, and a retry that healed an image."""
    root = tmp_path_factory.mktemp("made")
    write_digits(root / "data", COUNTS)
    (root / "data/train/0/000.png").write_bytes(b"")
    run(load_spec(small(root)), engine="local")
    write_digits(root / "data", COUNTS)
    assert retry(load_spec(small(root)), LocalEngine()).version == 2
    shutil.copytree(root / "out", root / "saved")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "saved", tmp_path / "out")
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def versions(out: Path) -> list[dict[str, str]]:
    """sample id -> sha256 of every version, read from its files."""
    newest = newest_version(Folder(str(out)))
    assert newest is not None
    return [
        fingerprint(rows_of(open_dataset(str(out), v).to_table())) for v in range(1, newest + 1)
    ]


def plant(out: Path, path: str, age_s: float = 2 * DAY, data: bytes = b"litter") -> str:
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    then = time.time() - age_s
    os.utime(target, (then, then))
    return path


def job_of(out: Path) -> str:
    (job,) = (p.name for p in (out / "_provenance").iterdir())
    return job


def paths(found: Cleaning) -> set[str]:
    return {one.path for one in found.litter}


def test_a_dry_run_removes_nothing_and_yes_removes_exactly_that(root: Path) -> None:
    out = root / "out"
    job = job_of(out)
    planted = {
        plant(out, f"data/train/{job}/train-00000-0123456789ab.parquet"),
        plant(out, "data/train/gone-0123456789ab/train-00007-0123456789ab.parquet"),
        plant(out, f"data/train/{job}/.tmp-12-0123456789ab"),
        plant(out, f"_work/{job}/clock/0123"),
        plant(out, ".tmp-12-0123456789ab"),
    }
    left = {
        plant(out, f"data/train/{job}/.tmp-12-aaaaaaaaaaaa", age_s=1.0),
        plant(out, "data/train/notes.txt"),
        plant(out, "data/train/.tmp-mine"),
        plant(out, "notes/.hidden"),
        plant(out, f"_work/{job}/units/train-09999.try-1"),
    }
    before, seen = files(out), versions(out)
    dry = clean(str(out))
    assert not dry.removed
    assert files(out) == before
    assert planted <= paths(dry)
    assert not left & paths(dry)
    rest = paths(dry) - planted
    assert all(".try-" in path for path in rest), rest
    assert dry.notes == ("data/: files that augment did not write are left alone: 1",)
    done = clean(str(out), yes=True)
    assert done.removed
    assert paths(done) == paths(dry)
    assert files(out) == {p: h for p, h in before.items() if p not in paths(dry)}
    assert versions(out) == seen
    assert clean(str(out), yes=True).litter == ()


def test_features_of_shards_that_no_version_names_go(root: Path) -> None:
    out = root / "out"
    with extract(open_data_set(str(out), 1), read_all(["random"]), LocalEngine()) as found:
        folder = f"_features/{folder_of(found.infos[0])}"
    kept = set(files(out))
    planted = {
        plant(out, f"{folder}/{'0' * 32}.safetensors", age_s=1.0),
        plant(out, f"_features/{'a' * 32}/{'0' * 32}.safetensors"),
        plant(out, f"_features/{'a' * 32}/extractor.json"),
        plant(out, f"_features/tries/units/{'0' * 32}.try-1"),
    }
    left = {
        plant(out, f"_features/tries/units/{'1' * 32}.try-1", age_s=1.0),
        plant(out, f"{folder}/notes.txt"),
        plant(out, "_features/notes.txt"),
    }
    of_features = {one for one in paths(clean(str(out))) if one.startswith("_features/")}
    assert of_features == planted
    clean(str(out), yes=True)
    assert files(out).keys() & (planted | left) == left
    assert {one for one in kept if one.startswith("_features/")} <= files(out).keys()
    with extract(open_data_set(str(out)), read_all(["random"]), LocalEngine()) as found:
        assert found.made == {"random": 1}  # the shard that a retry added


def test_a_half_done_job_beside_is_kept_and_goes_on(root: Path) -> None:
    """Another job's records and shards, with no version yet, and its own orphan."""
    write_digits(root / "data", COUNTS)
    (root / "half").mkdir()
    path = root / "half" / "job.yaml"
    document = small(root, name="half", output={"uri": str(root / "half/out")})
    document["pool"] = str(root / "half/pool")
    import yaml

    path.write_text(yaml.safe_dump(document))
    assert drive(path, r"os.link out/.*_provenance/.*/job.json|open .*job.json", 9).code == -9
    shutil.copytree(root / "half/out/_work", root / "out/_work", dirs_exist_ok=True)
    shutil.copytree(root / "half/out/data", root / "out/data", dirs_exist_ok=True)
    out = root / "out"
    seen, before = versions(out), files(out)
    orphan = plant(out, "data/train/half-0123456789ab/train-00000-0123456789ab.parquet")
    done = clean(str(out), yes=True, keep_days=0, clock=lambda: time.time() + 400 * DAY)
    assert orphan in paths(done)
    half = {p for p in before if "half-" in p and ".try-" not in p and "/leases/" not in p}
    assert half
    assert half <= files(out).keys()
    assert versions(out) == seen


def test_old_records_go_and_the_job_is_still_known(made: Path) -> None:
    """In place, since the job is run again afterwards."""
    out = made / "out"
    seen, told = versions(out), status(str(out))
    later = time.time() + 31 * DAY
    done = clean(str(out), yes=True, clock=lambda: later)
    assert any("/units/" in path for path in paths(done))
    assert not list(out.glob("_work/*/units/*"))
    assert not list(out.glob("_work/*/retry-*/units/*"))
    assert versions(out) == seen
    (job,) = status(str(out)).jobs
    assert (job.state, job.generation, job.version) == ("committed", 2, 2)
    assert job.cells == told.jobs[0].cells
    again = run(load_spec(small(made)), engine="local")
    assert (again.already, again.version, again.made_now, again.ok) == (True, 2, 0, True)
    assert sum(c.written for c in again.cells) == len(seen[-1])
    with pytest.raises(RequestError, match=r"the records of job small-\w+ were removed"):
        retry(load_spec(small(made)), LocalEngine())
    assert clean(str(out), yes=True, clock=lambda: later).litter == ()


def test_records_of_a_lost_shard_are_kept(root: Path) -> None:
    out = root / "out"
    lost = live_files(Folder(str(out)))[0].path
    (out / lost).unlink()
    found = clean(str(out), clock=lambda: time.time() + 31 * DAY)
    assert not any(p.endswith(".json") and "/units/" in p for p in paths(found))
    job = job_of(out)
    assert found.notes == (
        f"job {job}: its records are kept, because {lost} is lost and can be made again from them",
    )


def test_somebody_alive_is_not_cleaned_under(root: Path) -> None:
    out = root / "out"
    job = job_of(out)
    plant(out, f"data/train/{job}/train-00000-0123456789ab.parquet")
    before = files(out)
    with Lease(Folder(str(out / "_work" / job)), time.time):
        assert any("is running" in note for note in clean(str(out)).notes)
        with pytest.raises(RequestError, match=r"holds a lease there and may be working; clean"):
            clean(str(out), yes=True)
    assert files(out) == before


def test_stopped_anywhere_every_version_is_whole_and_the_rest_goes_later(root: Path) -> None:
    """Any part of what a cleaning removes may be gone already, as after a kill."""
    out, draw = root / "out", random.Random(4)
    seen, later = versions(out), time.time() + 31 * DAY
    everything = clean(str(out), clock=lambda: later).litter
    assert everything
    for one in everything[: draw.randrange(1, len(everything))]:
        (out / one.path).unlink()
    assert versions(out) == seen
    clean(str(out), yes=True, clock=lambda: later)
    assert versions(out) == seen
    assert not {one.path for one in everything} & files(out).keys()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_lies_around_no_version_loses_a_byte(root: Path, seed: int) -> None:
    out, draw = root / "out", random.Random(seed)
    job, visible = job_of(out), {f.path for f in live_files(Folder(str(out)))}
    for number in range(draw.randrange(5, 40)):
        name = draw.choice([
            f"train-{number:05d}-{draw.randrange(16**12):012x}.parquet", f"x{number}.bin",
            f".tmp-{number}-{draw.randrange(16**12):012x}", f"train-{number:05d}.parquet",
        ])  # fmt: skip
        folder = draw.choice([f"data/train/{job}", "data/odd", f"_work/{job}/units", "data/test"])
        plant(out, f"{folder}/{name}", age_s=draw.choice([0.0, DAY]))
    seen, sums = versions(out), {p: h for p, h in files(out).items() if p in visible}
    later = time.time() + draw.choice([0, 31 * DAY])
    clean(str(out), yes=True, keep_days=draw.choice([0.0, 30.0]), clock=lambda: later)
    assert versions(out) == seen
    assert {p: h for p, h in files(out).items() if p in visible} == sums


def test_where_no_job_was_begun_nothing_is_cleaned(tmp_path: Path) -> None:
    plant(tmp_path, "data/train/x-0123456789ab/train-00000-0123456789ab.parquet")
    with pytest.raises(RequestError, match=r"no job was begun here .*expected the folder that"):
        clean(str(tmp_path), yes=True)
    with pytest.raises(RequestError, match="no job was begun here"):
        status(str(tmp_path))
