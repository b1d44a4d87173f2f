"""Units in processes of this machine: each once, whatever dies, and nothing is left behind."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment.errors import InterruptedRun, RequestError, StorageError, UnitFailed
from augment.run import ProcessEngine, Resources
from augment.run.engines.process_engine import ProcessEngine as Direct
from tests.run.engines.tasks import Notes
from tests.waiting import run, wait_until


@pytest.fixture
def engine() -> Iterator[ProcessEngine]:
    with ProcessEngine(cpus=2) as opened:
        yield opened


def runs(process: int) -> bool:
    """Whether a process is there and has not ended (a zombie waits for whoever started it)."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def built(folder: Path) -> list[int]:
    return [int(path.suffix[1:]) for path in folder.glob("built.*")]


def test_every_unit_comes_back_once_from_as_many_processes_as_are_asked_for(
    engine: ProcessEngine, tmp_path: Path
) -> None:
    names = [str(i) for i in range(40)]
    found = [json.loads(r) for r in engine.run(Notes(str(tmp_path)), names, Resources(2))]
    assert sorted(unit for unit, _, _ in found) == sorted(names)
    assert 1 <= len({process for _, process, _ in found}) <= 2
    assert os.getpid() not in {process for _, process, _ in found}
    assert len(built(tmp_path)) == 2


def test_no_more_processes_than_units(engine: ProcessEngine, tmp_path: Path) -> None:
    assert len(list(engine.run(Notes(str(tmp_path)), ["a"], Resources(2)))) == 1
    assert len(built(tmp_path)) == 1


@pytest.mark.parametrize(("asked", "expected"), [((1, 0.5, 0.0, 8), 4), ((1, 1.0, 0.0, 8), 2)])
def test_as_many_as_the_cpus_hold_between_the_least_and_the_most(
    engine: ProcessEngine, tmp_path: Path, asked: tuple[int, float, float, int], expected: int
) -> None:
    names = [str(i) for i in range(9)]
    assert len(list(engine.run(Notes(str(tmp_path)), names, Resources(*asked)))) == 9
    assert len(built(tmp_path)) == expected


def test_without_units_nothing_is_started(engine: ProcessEngine, tmp_path: Path) -> None:
    assert list(engine.run(Notes(str(tmp_path)), [], Resources())) == []
    assert built(tmp_path) == []


def test_what_a_process_dies_at_is_built_again_and_its_last_words_are_logged(
    engine: ProcessEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a", "kill", "b", "kill2", "c"]
    with caplog.at_level(logging.WARNING, logger="augment.run"):
        found = [json.loads(r)[0] for r in engine.run(Notes(str(tmp_path)), names, Resources(2))]
    assert Counter(found) == Counter(names)
    assert (tmp_path / "kill.1").exists()
    said = sorted(record.getMessage() for record in caplog.records)
    assert said == [
        "a process that built unit kill ended with -9\n  try 0 of kill is killed",
        "a process that built unit kill2 ended with -9\n  try 0 of kill2 is killed",
    ]


def test_a_worker_that_dies_while_it_is_made_is_given_up(
    engine: ProcessEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnitFailed, match="unit a: 5 processes died while its worker was made"):
        list(engine.run(Notes(str(tmp_path), "kill"), ["a"], Resources()))
    assert caplog.text.count("no room for the weights") == 5


@pytest.mark.parametrize(
    ("unit", "load", "kind", "text"),
    [
        ("disk", "", StorageError, "^the disk is full$"),
        ("odd", "", UnitFailed, "^unit odd: ZeroDivisionError: division by zero; the log has"),
        ("a", "refuse", RequestError, "^the checkpoint is none$"),
    ],
)
def test_an_error_of_a_worker_arrives_as_itself_and_ends_the_others(
    engine: ProcessEngine, tmp_path: Path, unit: str, load: str, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        list(engine.run(Notes(str(tmp_path), load), [unit, "wait"], Resources(2)))
    assert not any(map(runs, built(tmp_path)))


def test_a_task_that_cannot_be_read_over_there(engine: ProcessEngine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("class Task:\n    pass\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import elsewhere  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    with pytest.raises(UnitFailed, match="could not read its task: ModuleNotFoundError: No module"):
        list(engine.run(elsewhere.Task(), ["a"], Resources()))


def test_processes_stay_for_the_next_units_of_their_task_alone(
    engine: ProcessEngine, tmp_path: Path
) -> None:
    (tmp_path / "x").mkdir()
    task, other = Notes(str(tmp_path)), Notes(str(tmp_path / "x"))
    first = [json.loads(r)[1] for r in engine.run(task, ["a"], Resources(1))]
    second = [json.loads(r)[1] for r in engine.run(Notes(str(tmp_path)), ["b"], Resources(1))]
    third = [json.loads(r)[1] for r in engine.run(other, ["c"], Resources(1))]
    assert first == second != third
    assert not runs(first[0])


def test_closing_ends_them(tmp_path: Path) -> None:
    with Direct(cpus=2) as engine:
        list(engine.run(Notes(str(tmp_path)), ["a", "b", "c"], Resources(2)))
        assert all(map(runs, built(tmp_path)))
    assert not any(map(runs, built(tmp_path)))


def test_results_that_nobody_wants_any_more_end_them(engine: ProcessEngine, tmp_path: Path) -> None:
    results = engine.run(Notes(str(tmp_path)), ["a", "wait", "wait2"], Resources(2))
    next(results)
    del results
    assert not any(map(runs, built(tmp_path)))


def test_one_that_stands_still_holds_no_other(engine: ProcessEngine, tmp_path: Path) -> None:
    results = engine.run(Notes(str(tmp_path)), ["wait", "a", "b", "c"], Resources(2))
    assert {json.loads(next(results))[0] for _ in range(3)} == {"a", "b", "c"}
    (tmp_path / "go").touch()
    assert json.loads(next(results))[0] == "wait"


def test_one_that_is_killed_from_outside_is_replaced(engine: ProcessEngine, tmp_path: Path) -> None:
    results = engine.run(Notes(str(tmp_path)), ["wait"], Resources(1))

    def kill() -> None:
        wait_until(lambda: (tmp_path / "wait.0").exists())
        os.kill(built(tmp_path)[0], signal.SIGKILL)
        wait_until(lambda: (tmp_path / "wait.1").exists())
        (tmp_path / "go").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    assert json.loads(next(results))[0] == "wait"
    thread.join()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("OMP_NUM_THREADS", "3"), ("MALLOC_ARENA_MAX", "1"), ("PYTHONPATH", None)],
)
def test_the_environment_of_workers(
    engine: ProcessEngine, tmp_path: Path, variable: str, expected: str | None
) -> None:
    if variable in os.environ:
        expected = os.environ[variable]  # what somebody has settled stays
    [found] = engine.run(Notes(str(tmp_path)), [f"env {variable}"], Resources(1, 3.0))
    assert json.loads(found)[2] == (expected or "")


def test_more_than_this_machine_has_is_refused_with_the_arithmetic(engine: ProcessEngine) -> None:
    assert engine.infeasible(Resources(4, 1.0)) is None
    assert engine.gpus() == 0.0
    for asked in (Resources(5, 1.0), Resources(gpus=1.0), Resources(memory=1 << 60)):
        why = engine.infeasible(asked)
        assert why is not None
        assert f"{asked.workers} actors" in why
        assert "this machine holds" in why
        with pytest.raises(RequestError, match="this machine holds"):
            list(engine.run(Notes("."), ["a"], asked))


ALONE = """
import sys
from augment.run import ProcessEngine, Resources
from tests.run.engines.tasks import Notes

with ProcessEngine(cpus=2) as engine:
    print(list(engine.run(Notes(sys.argv[1]), ["wait", "wait2"], Resources(2))))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_takes_its_processes_with_it(tmp_path: Path, how: int) -> None:
    """Each is in the middle of a unit that would never end."""
    driver = subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path)])
    wait_until(lambda: len(list(tmp_path.glob("wait*.0"))) == 2)
    assert all(map(runs, built(tmp_path)))
    driver.send_signal(how)
    driver.wait()
    wait_until(lambda: not any(map(runs, built(tmp_path))))


def test_a_machine_without_another_process_is_told_of(tmp_path: Path) -> None:
    """No file descriptor is left for a pipe."""
    script = ALONE.replace("with ", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, "
                           "(4, 4))\nwith ", 1)  # fmt: skip
    done = run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode != 0
    assert "InterruptedRun: a worker's process could not be started" in done.stderr
    assert InterruptedRun.exit_code == 3
