"""What an observed worker says beside its result, and what it says when it fails."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from augment import logs
from augment.errors import StorageError, UnitFailed
from augment.mix import MixUnit
from augment.plan import PoolUnit
from augment.run import Worker
from augment.run.engines.engine import as_raised
from augment.run.watch.observed import (
    BUCKETS,
    Lines,
    ObservedTask,
    ObservedWorker,
    Speech,
    counted,
    unit_name,
)

LOG = logging.getLogger("augment.run")
POOL = PoolUnit("u" * 64, "fake", (("0", 0, 3),))
MIX = MixUnit("train", 3, (0, 5))
IDS = {"job_id": "small-1", "generator": "fake", "actor": "node:7"}


def text_of(unit: PoolUnit | MixUnit) -> str:
    return json.dumps(unit.to_json())


@dataclass
class Maker:
    """A worker that says how long its batches took, or fails."""

    broken: Exception | None = None
    known: tuple[tuple[str, str], ...] = ()

    def __call__(self, unit: str) -> str:
        LOG.warning("looking at it")
        if self.broken is not None:
            raise self.broken
        each = [(5.0, 1.0), (11.0, 0.2), (12.0, 40.0)]
        return json.dumps({"entry": None, "batches": {"device": "cpu", "each": each}})


@dataclass(frozen=True)
class MakerTask:
    def worker(self, alone: bool = False) -> Worker:
        return Maker()


@pytest.fixture
def clock() -> Iterator[float]:
    return iter([10.0, 60.0])


def test_a_result_says_when_where_and_how_long(clock: Iterator[float]) -> None:
    worker = ObservedWorker(Maker(), IDS, clock=lambda: next(clock))
    result = json.loads(worker(text_of(POOL)))
    assert result == {
        "entry": None,
        "observed": {
            "unit": POOL.name, "actor": "node:7", "begun": 10.0, "ended": 60.0, "device": "cpu",
            "batches": counted([0.2, 40.0]),  # the first was of a unit that broke
        },
    }  # fmt: skip


def test_each_batch_is_told_where_somebody_draws_it(clock: Iterator[float]) -> None:
    worker = ObservedWorker(Maker(), IDS, detail=True, clock=lambda: next(clock))
    observed = json.loads(worker(text_of(POOL)))["observed"]
    assert observed["each"] == [[11.0, 0.2], [12.0, 40.0]]


def test_a_histogram_is_of_one_size() -> None:
    found = counted([0.001, 0.0011, 1e9])
    assert len(found["counts"]) == len(BUCKETS) + 1
    assert (found["counts"][:2], found["counts"][-1]) == ([1, 1], 1)
    assert found["sum"] == 1e9 + 0.0021


def test_a_unit_is_named_as_its_record_is() -> None:
    assert unit_name(text_of(POOL)) == POOL.name
    assert unit_name(text_of(MIX)) == "train-00003"


def test_lines_within_a_unit_are_about_it(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines(("looking",))
    LOG.addHandler(lines)
    try:
        with caplog.at_level(logging.INFO, "augment.run"):
            observed = json.loads(ObservedWorker(Maker(), IDS, lines)(text_of(MIX)))["observed"]
    finally:
        LOG.removeHandler(lines)
    assert [x["message"] for x in observed["lines"]] == [
        "*** at it",
        f"unit finished in {observed['ended'] - observed['begun']:.3f} s",
    ]
    for line in observed["lines"]:
        assert {name: line[name] for name in logs.IDS} == {**IDS, "unit": "train-00003"}
    assert lines.take() == []


def test_only_the_last_lines_of_a_unit_travel() -> None:
    lines = Lines()
    for number in range(1000):
        lines.handle(LOG.makeRecord(LOG.name, logging.INFO, "", 0, str(number), (), None))
    assert [x["message"] for x in lines.take()] == [str(n) for n in range(800, 1000)]


@pytest.mark.parametrize("broken", [StorageError("the disk is full"), KeyError("w")])
def test_an_error_says_which_unit_and_process_it_was(
    broken: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It crosses from a Ray worker as text; the driver's line has the ids all the same."""
    worker = ObservedWorker(Maker(broken), IDS)
    with pytest.raises((StorageError, UnitFailed)) as caught:
        worker(text_of(MIX))
    trace = "".join(traceback.format_exception(caught.value))
    assert logs.ids_in(trace) == {**IDS, "unit": "train-00003"}
    assert "node:7" not in str(caught.value)
    caplog.clear()
    as_raised(type(caught.value).__name__, str(caught.value), trace)
    line = logs.facts(caplog.records[0])
    assert (line["unit"], line["actor"]) == ("train-00003", "node:7")


def test_an_observed_task_makes_the_tasks_worker() -> None:
    """In the driver's own process nobody touches the loggers."""
    before = list(logging.getLogger("augment").handlers)
    task = ObservedTask(MakerTask(), {"job_id": "small-1"}, Speech(logs.actor(), secrets=("k3y",)))
    observed = json.loads(task.worker()(text_of(MIX)))["observed"]
    assert observed["actor"] == logs.actor()
    assert "lines" not in observed
    assert observed["started"][0] <= observed["started"][1] <= observed["begun"]
    assert logging.getLogger("augment").handlers == before
    assert "k3y" not in repr(task)
