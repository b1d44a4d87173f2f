"""A run that hangs and another that goes on without it; and one that is told to end."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.end_to_end.disturbed import job
from tests.end_to_end.jobs import write_digits
from tests.end_to_end.runs import EPOCH, Command, Done, Driver, State, commanded, drive, state
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", {"0": 12, "1": 5, "2": 4})
    return root


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, State]:
    root = tmp_path_factory.mktemp("undisturbed")
    return drive(job(data, root)), state(root)


# ---- a second driver -----------------------------------------------------------------


def stopped_at(path: Path, moment: str) -> Driver:
    """A run that a signal stopped at a moment: alive, with its lease, but it does nothing."""
    driver = Driver(path, moment, signal.SIGSTOP)
    wait_until(lambda: "signal at:" in driver.notes())
    return driver


@pytest.mark.parametrize(
    "moment",
    [
        "os.rename pool/data",  # a shard of the pool is whole, but has no name
        "os.rename out/data/train",  # a shard of the data set
        "open out/_provenance/.*job.json",  # all is made, the transaction comes next
    ],
)
def test_a_zombie_may_write_but_no_version_names_it(
    data: Path, tmp_path: Path, undisturbed: tuple[Done, State], moment: str
) -> None:
    path = job(data, tmp_path)
    zombie = stopped_at(path, moment)
    second = Command(["run", "job.yaml", "--engine", "local", "--takeover"], tmp_path)
    assert second.end() == 0
    assert f"took over from process {zombie.pid} on" in second.notes()
    assert state(tmp_path) == undisturbed[1]
    log = sorted((tmp_path / "out" / "_delta_log").iterdir())
    zombie.signal(signal.SIGCONT)
    done = zombie.end()
    assert done.code in (0, 3), done.notes  # it sees the commit made, or the lease gone
    if done.code == 3:
        assert "took this job over at" in done.notes
    assert sorted((tmp_path / "out" / "_delta_log").iterdir()) == log
    assert state(tmp_path) == undisturbed[1]


def test_the_second_driver_is_told_who_runs_since_when_and_the_way_out(
    data: Path, tmp_path: Path, undisturbed: tuple[Done, State]
) -> None:
    path = job(data, tmp_path)
    first = stopped_at(path, "os.rename out/data/train")
    second = Command(["run", "job.yaml", "--engine", "local"], tmp_path)
    told = rf"process {first.pid} on \S+ runs this job already, since \d{{4}}-\d\d-\d\d "
    told += r"\d\d:\d\d UTC; waiting for it to end \(if it hangs, --takeover goes on without it\)"
    wait_until(lambda: second.running() and re.search(told, " ".join(second.notes().split())))
    first.signal(signal.SIGCONT)
    assert first.end().code == 0
    assert second.end() == 0
    assert "already committed" in second.notes()
    assert state(tmp_path) == undisturbed[1]


# ---- SIGTERM -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["local", "processes", "ray"])
def test_a_machine_that_is_taken_away_says_so_first(
    data: Path, tmp_path: Path, undisturbed: tuple[Done, State], engine: str
) -> None:
    job(data, tmp_path)
    command = Command(["run", "job.yaml", "--engine", engine], tmp_path)
    units = tmp_path / "pool" / "_work"
    wait_until(lambda: command.running() and list(units.glob("*/units/*.json")))
    command.signal(signal.SIGTERM)
    assert command.end() == 3
    assert "augment: stopped by SIGTERM: finished units are kept; the same command resumes" in (
        command.notes()
    )
    assert not list(units.glob("leases/*"))
    assert commanded("run", "job.yaml", "--engine", "local", cwd=tmp_path, **EPOCH).returncode == 0
    assert state(tmp_path) == undisturbed[1]
