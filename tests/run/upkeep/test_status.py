"""What a job has done so far, read from outside: while it runs, after it died, when it is done."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, run, status
from augment.cli import main
from augment.errors import InterruptedRun
from augment.run import LocalEngine, carry_out
from augment.run.synthesis.stock import rows_per_minute
from augment.run.upkeep.states import JobStatus
from augment.run.upkeep.status import status as status_at
from augment.run.watch.beats import Progress
from augment.storage import Folder
from augment.write import Journal, read_journals
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.end_to_end.runs import Driver, drive
from tests.run.upkeep.test_clean import files
from tests.waiting import wait_until

COUNTS = {"0": 12, "1": 5, "2": 4}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", COUNTS)
    return write_job(tmp_path / "job.yaml", document(tmp_path))


def document(root: Path, **changes: Any) -> dict[str, Any]:
    return job_document(root, **changes)


def only(path: Path) -> JobStatus:
    """The one job, looked at without a trace."""
    out = path.parent / "out"
    before = files(path.parent)
    (job,) = status(str(out)).jobs
    assert files(path.parent) == before
    return job


def test_a_committed_job(path: Path) -> None:
    result = run(load_spec(path), engine="local")
    job = only(path)
    assert (job.state, job.version, job.generation, job.exit_code) == ("committed", 1, 1, 0)
    assert (job.pool, job.holders, job.last_error, job.trouble) == (result.pool, (), None, None)
    fill, mix = job.stages
    assert (fill.name, fill.units, fill.units_planned, fill.left_s) == ("synthesize fake", 1, 1, 0)
    assert fill.rows == fill.rows_planned == sum(d.target for d in job.drawn)
    assert (mix.name, mix.units, mix.units_planned, mix.left_s) == ("mix", 2, 2, 0)
    assert mix.rows == mix.rows_planned == sum(c.written for c in result.cells)
    assert {(d.label_name, d.accepted, d.rejected, d.failed) for d in job.drawn} == {
        (a.label_name, a.accepted, 0, 0) for a in result.accounts
    }
    assert job.cells["train", "1", "synthetic"] == (20, 0)
    json.dumps(job.to_json())


def test_a_job_that_died_in_the_middle(path: Path) -> None:
    killed = drive(path, r"os.link out/.*units/train-00000\.json", signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    job = only(path)
    assert (job.state, job.version, job.generation) == ("died", None, 0)
    assert (job.exit_code, job.ended_at, job.at_stage) == (None, None, "mix")
    (holder,) = job.holders
    assert not holder.alive
    mix = job.stages[-1]
    assert (mix.units, mix.units_planned) == (1, 2)
    assert 0 < mix.rows < (mix.rows_planned or 0)
    assert run(load_spec(path), engine="local").ok
    assert only(path).state == "committed"


def test_a_job_that_runs(path: Path) -> None:
    driver = Driver(path, "told stage mix", signal.SIGSTOP)
    wait_until(lambda: "signal at: told stage mix" in driver.notes())
    try:
        job = only(path)
        assert job.state == "running"
        (holder,) = job.holders
        assert holder.alive
        assert holder.who.startswith(f"process {driver.pid} on ")
        assert [(s.units, s.units_planned) for s in job.stages] == [(1, 1), (0, 2)]
    finally:
        driver.signal(signal.SIGCONT)
    assert driver.end().code == 0


def test_rows_inside_a_unit(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker's word of a unit that is not finished; old ones and finished units say nothing."""
    driver = Driver(path, r"os.link out/.*units/train-00000\.json", signal.SIGSTOP)
    wait_until(lambda: "signal at: os.link" in driver.notes())
    try:
        (work,) = (p for p in (path.parent / "out/_work").iterdir() if (p / "plan").exists())
        (work / "beats").mkdir(exist_ok=True)
        now = time.time()
        said = [
            ("train-00000", "mix", now),
            ("test-00000", "mix", now),
            ("train-00001", "mix", 9.0),
        ]
        for i, (unit, stage, at) in enumerate(said):
            word = Progress("run-1", unit, stage, 1200, 4096, at, "node-3:14020")
            (work / f"beats/run-1.{i}.json").write_text(json.dumps(asdict(word)))
        (work / "beats/run-1.cut.json").write_text('{"unit": "tr')
        recorded = {p.stem for p in (work / "units").glob("*.json")}
        mix = only(path).stages[-1]
        assert {w.unit for w in mix.in_hand} == {"train-00000", "test-00000"} - recorded
        assert main(["status", str(path.parent / "out")]) == 0
        assert "  mix: unit train-00000: 1,200 of 4,096 rows\n" in capsys.readouterr().out
    finally:
        driver.signal(signal.SIGCONT)
    assert driver.end().code == 0
    assert not list((work / "beats").glob("*.json")) or only(path).stages[-1].in_hand == ()


def test_a_job_that_takes_its_census(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no lease yet, and nothing but a journal."""
    work = Folder(str(path.parent / "out/_work/small-0123456789ab"))
    with Journal(work, "run", time.time, {}) as journal:
        journal.keep()
        journal.stage("census", None)
        job = only(path)
        assert (job.state, job.at_stage, job.holders) == ("running", "census", ())
        entry = next(iter(read_journals(work)))
        far = {**entry, "place": "far/boot/ns", "doing": "12,000 images"}
        work.replace(f"state/{entry['driver']}.json", json.dumps(far).encode())
        assert main(["status", str(path.parent / "out")]) == 0
        assert "  now: census: 12,000 images\n" in capsys.readouterr().out
        later = status_at(str(path.parent / "out"), clock=lambda: time.time() + 61)
        assert later.jobs[0].state == "died"
    assert only(path).state == "stopped"


def test_the_last_error_and_how_the_driver_ended(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    (tmp_path / "data/train/0/000.png").write_bytes(b"")
    job = document(tmp_path, errors={"min_count": 0, "max_share": 0})
    with pytest.raises(InterruptedRun):
        run(load_spec(job), engine="local")
    (found,) = status(str(tmp_path / "out")).jobs
    assert (found.state, found.exit_code) == ("failed", 3)
    assert found.last_error is not None
    assert found.last_error.kind == "ErrorBudgetExceeded"
    assert "1 bad inputs of" in found.last_error.text
    assert found.holders == ()


def test_a_pool_that_is_filled_alone(path: Path) -> None:
    carry_out(load_spec(path), LocalEngine(), "synthesize")
    job = only(path)
    assert (job.state, job.generation, job.exit_code) == ("stopped", 0, 0)
    assert [(s.name, s.units) for s in job.stages] == [("synthesize fake", 1), ("mix", 0)]
    assert job.stages[1].units_planned is None


def test_a_work_folder_without_a_journal_shows(path: Path) -> None:
    run(load_spec(path), engine="local")
    (state,) = (path.parent / "out/_work").glob("*/state")
    shutil.rmtree(state)
    job = only(path)
    assert (job.state, job.version, job.pool, job.started_at) == ("committed", 1, None, None)
    assert [s.name for s in job.stages] == ["mix"]


def test_a_damaged_file_hides_nothing_else(path: Path) -> None:
    run(load_spec(path), engine="local")
    (plan,) = (path.parent / "out/_work").glob("*/plan/plan.json")
    plan.write_bytes(b"{")
    job = only(path)
    assert (job.state, job.version) == ("committed", 1)
    assert job.trouble is not None
    assert "plan/plan.json: not a frozen plan" in job.trouble


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]"])
def test_a_damaged_job_of_a_data_set_hides_no_other(path: Path, text: str) -> None:
    run(load_spec(path), engine="local")
    (kept,) = (path.parent / "out/_provenance").glob("*/job.json")
    kept.write_text(text)
    shutil.copytree(
        path.parent / "out/_work" / kept.parent.name, path.parent / "out/_work/other-000000000000"
    )
    found = {job.job_id: job for job in status(str(path.parent / "out")).jobs}
    job, other = found[kept.parent.name], found["other-000000000000"]
    assert (job.state, job.generation, job.version) == ("committed", 1, 1)
    assert job.trouble is not None
    assert "job.json: not a JSON object; it was damaged from outside" in job.trouble
    assert (other.generation, other.trouble) == (0, None)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", "{}", '{"a": 3}', '{"a": {"b": 1}}'])
def test_damaged_estimates_are_none(path: Path, text: str) -> None:
    run(load_spec(path), engine="local")
    (work,) = (p for p in (path.parent / "out/_work").iterdir() if (p / "plan").exists())
    (work / "estimate.json").write_text(text)
    job = only(path)
    assert (job.state, job.trouble) == ("committed", None)
    assert all(stage.estimate is None for stage in job.stages)


def test_a_lease_of_another_machine_ages_by_its_heartbeat(path: Path) -> None:
    run(load_spec(path), engine="local")
    (work,) = (p for p in (path.parent / "out/_work").iterdir() if (p / "plan").exists())
    lease = work / "leases/lease-0123.json"
    holder = {"id": "0123", "host": "far/boot/ns", "pid": 7, "started": "9", "since": 5.0}
    lease.write_text(json.dumps(holder))
    touched = lease.stat().st_mtime
    out = str(path.parent / "out")
    for age, state in ((10.0, "running"), (100.0, "committed")):
        (job,) = status_at(out, clock=lambda age=age: touched + age).jobs
        assert job.state == state
        assert job.holders[0].who == "process 7 on far"


@pytest.mark.parametrize(
    ("moments", "rate"),
    [
        ([], None),
        ([(5.0, 3)], None),
        ([(5.0, 3), (5.0, 3)], None),
        ([(0.0, 100), (60.0, 30)], 30.0),
        ([(60.0, 30), (0.0, 100)], 30.0),
        ([(0.0, 10), (1000.0, 50), (1060.0, 20), (1120.0, 40)], 30.0),
    ],
)
def test_the_rate_is_that_of_the_last_minutes(
    moments: list[tuple[float, int]], rate: float | None
) -> None:
    assert rows_per_minute(moments) == rate
