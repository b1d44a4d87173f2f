"""Whatever dies, or is taken away by hand, the same command ends in the same data set."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from augment.api import load_spec, run
from augment.errors import StorageError
from augment.run import RunResult
from augment.storage import Folder
from augment.write import live_files
from tests.end_to_end.disturbed import document, job
from tests.end_to_end.jobs import CLASSES, job_document, write_digits
from tests.end_to_end.runs import (
    EPOCH,
    Command,
    Done,
    Driver,
    State,
    commanded,
    drive,
    made_indexes,
    published,
    state,
)
from tests.waiting import wait_until

Moment = Callable[[list[str]], int]


def event(events: list[str], *parts: str, nth: int = 1, after: str = "") -> int:
    """Number of the nth event that holds all parts, after the first that holds `after`."""
    start = next(i for i, e in enumerate(events) if after in e)
    found = [i for i, e in enumerate(events) if i >= start and all(part in e for part in parts)]
    return found[nth - 1]


def last_advance_of_the_synthesis(events: list[str]) -> int:
    stop = event(events, "told stage mix")
    return max(i for i in range(stop) if events[i].startswith("told advance"))


MOMENTS: dict[str, Moment] = {
    "before the plan is frozen": lambda e: event(e, "os.link", "plan.json"),
    "claimed, not begun": lambda e: event(e, "told stage synthesize", nth=2),
    "inside a pool unit": lambda e: event(e, "os.rename pool/data", nth=2),
    "pool shard, no record": lambda e: event(e, "os.link pool", "units/unit", ".json", nth=3),
    "pool record, no pool commit": last_advance_of_the_synthesis,
    "pool commit, no arrangement": lambda e: event(e, "os.link out", "plan/units.json"),
    "inside a unit": lambda e: event(e, "os.rename out/data/train"),
    "between units": lambda e: event(e, "told advance 2", after="told stage mix"),
    "shard, no record": lambda e: event(e, "os.link out", "units/train-00001.json"),
    "provenance, no transaction": lambda e: event(e, "os.link out/_provenance", "job.json"),
    "transaction, no card": lambda e: event(e, "told note committed version 1"),
    "card half written": lambda e: event(e, "os.rename out/README.md"),
    "card, not the end": lambda e: event(e, "open", after="os.rename out/README.md"),
}


def moment_of(events: list[str], name: str) -> str:
    """The moment for the driver, whatever else happens before it there."""
    at = MOMENTS[name](events)
    return f"{events[:at].count(events[at])}@{events[at]}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", {"0": 12, "1": 5, "2": 4})
    return root


@pytest.fixture
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EPOCH.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, State]:
    root = tmp_path_factory.mktemp("undisturbed")
    done = drive(job(data, root))
    assert done.result["ok"]
    return done, state(root)


def test_the_job_is_worth_disturbing(undisturbed: tuple[Done, State]) -> None:
    done, whole = undisturbed
    assert len(whole.pool) >= 4
    assert len(whole.data) == 5
    assert done.result["made_now"] > len(whole.images)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("fixed_clock")
def test_a_killed_driver_resumes(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path, moment: str
) -> None:
    done, whole = undisturbed
    path = job(data, tmp_path)
    killed = drive(path, moment_of(done.events, moment), signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert "signal at: " in killed.notes
    assert run(load_spec(path), engine="local").ok
    assert state(tmp_path) == whole


def test_killed_again_and_again(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path
) -> None:
    """Six drivers, each killed at a drawn event, however far the one before it came."""
    done, whole = undisturbed
    path, draw = job(data, tmp_path), random.Random(20)
    codes = {drive(path, str(draw.randrange(40, 120)), signal.SIGKILL).code for _ in range(6)}
    assert -signal.SIGKILL in codes
    last = drive(path)
    assert last.result["made_now"] < done.result["made_now"]
    assert state(tmp_path) == whole


FULL = (
    "before the plan is frozen",
    "claimed, not begun",
    "inside a pool unit",
    "pool shard, no record",
    "pool record, no pool commit",
    "inside a unit",
    "shard, no record",
    "provenance, no transaction",
    "transaction, no card",
)


@pytest.mark.parametrize("moment", FULL)
@pytest.mark.usefixtures("fixed_clock")
def test_a_disk_that_is_full_from_a_moment_on_ends_with_3(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path, moment: str
) -> None:
    done, whole = undisturbed
    path = job(data, tmp_path)
    full = drive(path, moment_of(done.events, moment), signal.SIGXFSZ)
    assert full.code == 3, full.notes
    assert str(tmp_path) in full.notes
    assert "run the same command again" in full.notes
    assert not list(tmp_path.rglob(".tmp-*"))
    shown = (
        live_files(Folder(str(tmp_path / "out"))) if (tmp_path / "out/_delta_log").exists() else []
    )
    assert bool(shown) == (moment == "transaction, no card")
    assert run(load_spec(path), engine="local").ok
    assert state(tmp_path) == whole


def test_killed_amid_copies(data: Path, tmp_path: Path) -> None:
    """With real augmentation, and without a fixed clock: ids and pixels are the same."""
    copies = {"augmentations": job_document(data)["augmentations"]}
    run(load_spec(document(data, tmp_path / "whole", **copies)), engine="local")
    path = job(data, tmp_path / "killed", **copies)
    killed = drive(path, "os.link out/.*/units/train-00001.json", signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert run(load_spec(path), engine="local").ok
    assert state(tmp_path / "killed").images == state(tmp_path / "whole").images


# ---- taken away by hand --------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(
    data: Path, undisturbed: tuple[Done, State], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Folders of drivers that were killed at some moments, to be copied."""
    roots: dict[str, Path] = {}
    for moment in ("pool record, no pool commit", "provenance, no transaction"):
        roots[moment] = tmp_path_factory.mktemp("stopped")
        at = moment_of(undisturbed[0].events, moment)
        assert drive(job(data, roots[moment]), at, signal.SIGKILL).code == -signal.SIGKILL
    return roots


def again(data: Path, root: Path) -> RunResult:
    """The same request, in this process."""
    return run(load_spec(document(data, root)), engine="local")


def largest(folder: Path) -> Path:
    return max(folder.rglob("*.parquet"), key=lambda path: (path.stat().st_size, path.name))


@pytest.mark.parametrize("cut", [False, True], ids=["deleted", "truncated"])
@pytest.mark.parametrize("table", ["pool", "out"])
@pytest.mark.usefixtures("fixed_clock")
def test_a_lost_shard_is_made_again_before_the_commit(
    data: Path,
    undisturbed: tuple[Done, State],
    stopped: dict[str, Path],
    tmp_path: Path,
    table: str,
    cut: bool,
) -> None:
    moment = {"pool": "pool record, no pool commit", "out": "provenance, no transaction"}[table]
    root = shutil.copytree(stopped[moment], tmp_path / "root")
    lost = largest(root / table / "data")
    if cut:
        lost.write_bytes(lost.read_bytes()[:100])
    else:
        lost.unlink()
    result = again(data, root)
    assert result.ok
    assert (result.made_now > 0) == (table == "pool")
    assert state(root) == undisturbed[1]


@pytest.mark.usefixtures("fixed_clock")
def test_a_lost_pool_is_made_again_for_units_that_still_draw_from_it(
    data: Path, undisturbed: tuple[Done, State], stopped: dict[str, Path], tmp_path: Path
) -> None:
    root = shutil.copytree(stopped["provenance, no transaction"], tmp_path / "root")
    largest(root / "out" / "data").unlink()
    shutil.rmtree(root / "pool")
    assert again(data, root).made_now > 0
    assert state(root) == undisturbed[1]


@pytest.mark.usefixtures("fixed_clock")
def test_a_shard_lost_after_the_commit_is_made_again(
    data: Path, undisturbed: tuple[Done, State], stopped: dict[str, Path], tmp_path: Path
) -> None:
    root = shutil.copytree(stopped["provenance, no transaction"], tmp_path / "root")
    first = again(data, root)
    largest(root / "out" / "data").unlink()
    second = again(data, root)
    assert (first.already, second.already) == (False, True)
    assert (second.version, second.made_now) == (first.version, 0)
    assert state(root) == undisturbed[1]


@pytest.mark.usefixtures("fixed_clock")
def test_a_committed_data_set_needs_no_pool(
    data: Path, undisturbed: tuple[Done, State], stopped: dict[str, Path], tmp_path: Path
) -> None:
    root = shutil.copytree(stopped["provenance, no transaction"], tmp_path / "root")
    again(data, root)
    shutil.rmtree(root / "pool")
    assert again(data, root).made_now == 0
    assert not (root / "pool").exists()
    assert published(root / "out") == undisturbed[1].data


@pytest.mark.parametrize("table", ["pool", "out"])
@pytest.mark.usefixtures("fixed_clock")
def test_a_damaged_record_names_itself_and_the_way_out(
    data: Path,
    undisturbed: tuple[Done, State],
    stopped: dict[str, Path],
    tmp_path: Path,
    table: str,
) -> None:
    moment = {"pool": "pool record, no pool commit", "out": "provenance, no transaction"}[table]
    root = shutil.copytree(stopped[moment], tmp_path / "root")
    record = sorted((root / table).glob("_work/*/units/*.json"))[0]
    record.write_bytes(b'{"entry":')
    for folds in root.glob("pool/_work/*/folds"):
        shutil.rmtree(folds)
    with pytest.raises(StorageError) as told:
        again(data, root)
    text = str(told.value)
    assert text.startswith(f"{record}: 9 bytes that are no record of unit {record.stem}; ")
    assert "delete this one file and run the same command again" in text
    record.unlink()
    assert again(data, root).ok
    assert state(root) == undisturbed[1]


@pytest.mark.usefixtures("fixed_clock")
def test_a_damaged_record_that_a_fold_holds_is_not_missed(
    data: Path, undisturbed: tuple[Done, State], stopped: dict[str, Path], tmp_path: Path
) -> None:
    root = shutil.copytree(stopped["provenance, no transaction"], tmp_path / "root")
    for record in root.glob("pool/_work/*/units/*.json"):
        record.write_bytes(b'{"entry":')
    assert again(data, root).made_now == 0
    assert published(root / "out") == undisturbed[1].data


# ---- interrupted, and two at once ----------------------------------------------------


def test_control_c_ends_with_3_and_the_command_resumes(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path
) -> None:
    path = job(data, tmp_path)
    stopped = drive(path, "os.rename out/data/train", signal.SIGINT)
    assert stopped.code == 3
    assert "augment: stopped: finished units are kept; the same command resumes" in stopped.notes
    assert not (tmp_path / "out" / "README.md").exists()
    assert not list(tmp_path.rglob("leases/*.json"))
    resumed = commanded("run", str(path), "--engine", "local", "--json", cwd=tmp_path, **EPOCH)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["made_now"] == 0
    assert state(tmp_path) == undisturbed[1]


def test_two_drivers_started_at_once_make_one_version(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path
) -> None:
    path = job(data, tmp_path)
    both = [Driver(path), Driver(path)]
    results = [driver.end().result for driver in both]
    assert [r["ok"] for r in results] == [True, True]
    assert sorted(r["already"] for r in results) == [False, True]
    assert sum(r["made_now"] for r in results) == len(made_indexes(tmp_path / "pool"))
    assert state(tmp_path) == undisturbed[1]


def test_a_second_driver_waits_for_the_first(
    data: Path, undisturbed: tuple[Done, State], tmp_path: Path
) -> None:
    path = job(data, tmp_path)
    first = Driver(path, "told stage mix", signal.SIGSTOP)
    wait_until(lambda: "signal at: told stage mix" in first.notes())
    second = Driver(path)
    try:
        wait_until(lambda: "runs this job already, since" in second.notes())
        assert f"process {first.pid} on " in second.notes()
        assert published(tmp_path / "out") == {}
    finally:
        first.signal(signal.SIGCONT)
    assert first.end().result["already"] is False
    assert second.end().result["already"] is True
    assert live_files(Folder(str(tmp_path / "out")), 1)
    assert state(tmp_path) == undisturbed[1]


# ---- Ray -----------------------------------------------------------------------------


@pytest.mark.usefixtures("fixed_clock")
def test_a_killed_ray_worker_costs_one_try(data: Path, tmp_path: Path) -> None:
    """SIGKILL of the process that builds a unit: Ray starts another one, which makes the unit
    again; afterwards no process of Ray is left."""
    slow = {
        "generators": {"fine": {"family": "palette", "classes": list(CLASSES), "size": 512}},
        "synthesize": [{"generators": ["fine"], "fill": {"to": 30}}],
    }
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    slow_job = document(data, whole, **slow, output={"uri": str(whole / "out")})
    assert run(load_spec(slow_job), engine="local").ok
    path = job(data, killed, **slow, output={"uri": str(killed / "out")})
    pool = path.parent / "pool"
    command = Command(["run", str(path), "--engine", "ray"], path.parent)
    wait_until(lambda: command.running() and list(pool.glob("_work/*/units/*.try-1")))
    victim = command.descendant("ray::MapWorker")
    assert not list(pool.glob("_work/*/units/*.json"))
    os.kill(victim, signal.SIGKILL)
    assert command.end() in (0, 3), command.notes()
    assert list(pool.glob("_work/*/units/*.try-2"))
    assert run(load_spec(path), engine="local").ok
    assert state(killed) == state(whole)
