"""What goes through a run's telling to reporter and observers, and what it takes off results."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from augment import logs
from augment.errors import StorageError
from augment.plan import Plan
from augment.run import LocalEngine, Prepared, Resources, Silent, Worker
from augment.run.watch.account import Account
from augment.run.watch.observed import Lines
from augment.run.watch.telling import Stage, Telling, UnitDone, logged

UNIT = json.dumps({"split": "train", "number": 3, "census": [0, 5], "pool": []})


class Told:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def named(self, job_id: str, engine: str) -> None:
        self.all.append(("named", job_id, engine))

    def planned(self, plan: Plan) -> None:
        self.all.append(("planned", plan))

    def began(self, stage: Stage, at: float) -> None:
        self.all.append(("began", stage, at))

    def ended(self, stage: Stage, at: float, *, broken: bool) -> None:
        self.all.append(("ended", stage, at, broken))

    def queued(self, stage: Stage, units: int) -> None:
        self.all.append(("queued", stage, units))

    def unit(self, done: UnitDone) -> None:
        self.all.append(("unit", done))

    def pooled(self, generator: str, size: int) -> None:
        self.all.append(("pooled", generator, size))

    def accounts(self, accounts: Sequence[Account]) -> None:
        self.all.append(("accounts", list(accounts)))

    def written(self, record: Mapping[str, Any]) -> None:
        self.all.append(("written", dict(record)))

    def committed(self, version: int) -> None:
        self.all.append(("committed", version))


class Heard(Silent):
    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def stage(self, name: str, total: int | None) -> None:
        self.all.append((name, total))

    def doing(self, text: str) -> None: ...

    def advance(self, done: int, rows: int) -> None:
        self.all.append((done, rows))

    def note(self, text: str) -> None:
        self.all.append((text,))


class Clock:
    at = 0.0

    def __call__(self) -> float:
        self.at += 1.0
        return self.at


class RecordTask:
    """Its workers find every unit recorded."""

    def worker(self, alone: bool = False) -> Worker:
        return lambda unit: json.dumps({"unit": "train-00003", "entry": {"rows": 5, "size": 70}})


def test_the_reporter_hears_what_it_always_heard() -> None:
    heard = Heard()
    telling = Telling(heard)
    telling.stage("mix", 2)
    telling.advance(1, 5)
    telling.note("committed")
    assert heard.all == [("mix", 2), (1, 5), ("committed",)]


def test_a_unit_through_an_engine_and_back() -> None:
    """The record that comes back holds nothing of how it was observed."""
    told = Told()
    telling = Telling(None, [told], Clock())
    task = telling.task(RecordTask(), "mix", "", 1)
    (result,) = LocalEngine().run(task, [UNIT], Resources())
    record = telling.unit("mix", "", result)
    assert record == {"unit": "train-00003", "entry": {"rows": 5, "size": 70}}
    (queued, (_, done)) = told.all
    assert queued == ("queued", Stage("mix"), 1)
    assert (done.stage, done.rows, done.made) == (Stage("mix"), 5, 0)
    assert done.observed["unit"] == "train-00003"


@pytest.mark.parametrize(("made", "samples"), [(True, 8), (False, 0)])
def test_a_pool_unit_counts_as_made_where_this_run_made_it(made: bool, samples: int) -> None:
    told = Told()
    record = {"ranges": [["0", 0, 5], ["1", 2, 5]], "entry": None, "made": made}
    Telling(None, [told]).unit("synthesize", "fake", json.dumps({**record, "observed": {}}))
    ((_, done),) = told.all
    assert (done.rows, done.made) == (8, samples)


def test_lines_of_a_worker_elsewhere_are_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    line = {
        "time": "2026-01-02T03:04:05+00:00", "level": "WARNING", "logger": "augment.run",
        "message": "odd", "job_id": "small-1", "unit": "train-00003", "generator": None,
        "actor": "other:7",
    }  # fmt: skip
    result = {"entry": None, "observed": {"lines": [line]}}
    with caplog.at_level(logging.INFO, "augment.run"):
        Telling().unit("mix", "", json.dumps(result))
    (record,) = caplog.records
    assert record.getMessage() == "odd"
    assert record.__dict__["ids"] == {
        "job_id": "small-1", "unit": "train-00003", "actor": "other:7",
    }  # fmt: skip


def test_a_span_ends_also_where_it_breaks() -> None:
    told = Told()
    telling = Telling(None, [told], Clock())
    with telling.span("synthesize", "fake"):
        pass
    with pytest.raises(KeyError), telling.span("mix"):
        raise KeyError("w")
    make, mix = Stage("synthesize", "fake"), Stage("mix")
    assert told.all == [
        ("began", make, 2.0), ("ended", make, 3.0, False),
        ("began", mix, 4.0), ("ended", mix, 5.0, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "trace"),
    [
        (StorageError("the disk is full"), False),
        (KeyError("w"), True),
        (KeyboardInterrupt(), False),
    ],
)
def test_how_a_run_breaks_is_logged_with_its_job(
    error: BaseException, trace: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lines = Lines()
    logging.getLogger("augment.run").addHandler(lines)
    try:
        with pytest.raises(type(error)), logged():  # noqa: PT012
            logs.tell(job_id="small-1")
            raise error
    finally:
        logging.getLogger("augment.run").removeHandler(lines)
    (line,) = lines.take()
    assert line["message"] == f"the run ended: {type(error).__name__}: {error}"
    assert (line["job_id"], "traceback" in line) == ("small-1", trace)


def test_accounts_are_due_every_five_seconds_where_somebody_observes() -> None:
    clock = Clock()
    telling = Telling(None, [Told()], clock)
    assert not telling.due()
    clock.at = 6.0
    assert telling.due()
    assert not telling.due()
    assert not Telling(None, (), lambda: 1e9).due()


def test_shards_are_told_as_bytes() -> None:
    told = Told()
    telling = Telling(None, [told])
    telling.pooled("fake", 0)
    telling.pooled("fake", 7)
    assert told.all == [("pooled", "fake", 7)]


def test_workers_know_the_credentials_that_no_line_may_show(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)  # of a Ray that this process has started
    one: Prepared = prepared(
        pool="s3://bucket/pool", execution={"storage_options": {"s3": {"secret": "hunter22"}}}
    )
    telling = Telling()
    with logs.about():
        telling.named(one.job_id, one.job, "local")
        assert logs.ids() == {"job_id": one.job_id}
    task: Any = telling.task(RecordTask(), "mix", "", 1)
    assert task.speech.secrets == ("hunter22",)
    assert task.ids == {"job_id": one.job_id}
