"""Batches of a unit: one after the other, or the next begun before the last one is here. The same
samples either way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from augment.api import load_spec
from augment.generators import (
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    Halving,
    Placement,
    SampleRequest,
    load_host,
)
from augment.generators.protocol import Coming
from augment.run.engines.suspects import Trail, Watch
from augment.run.prepare import prepare
from augment.run.synthesis.finishers import Finishers
from augment.run.synthesis.finishing import Finish, finished
from augment.run.synthesis.pool_unit import PoolTask, asking, recipe, universe_work
from augment.run.synthesis.sampling import Sampling
from augment.run.watch.timing import BatchTimes
from augment.sample import Stamp
from tests.end_to_end.jobs import job_document, write_digits, write_job

POINTS = [("0", index) for index in range(10)]


class Slow:
    """A host whose batches are begun and taken, as on a device that works by itself for 2 s."""

    def __init__(self, host: GeneratorHost) -> None:
        self._host = host
        self.seen: list[str] = []
        self.fails: set[str] = set()

    @property
    def info(self) -> GeneratorInfo:
        return self._host.info

    def validate(self, request: SampleRequest) -> None:
        self._host.validate(request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        return self._host.batch_key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        self.seen.append(f"generate {batch[0].index}")
        return self._host.generate(batch)

    def begin(self, batch: Sequence[SampleRequest]) -> Coming:
        self.seen.append(f"begin {batch[0].index}")
        if self.seen[-1] in self.fails:
            raise MemoryError("full")

        def take() -> GeneratedBatch:
            self.seen.append(f"take {batch[0].index}")
            if self.seen[-1] in self.fails:
                raise RuntimeError("late")
            return replace(self._host.generate(batch), seconds=2.0)

        return take


@pytest.fixture
def task(tmp_path: Path) -> PoolTask:
    write_digits(tmp_path / "data", {"0": 2, "1": 1})
    prepared = prepare(load_spec(write_job(tmp_path / "job.yaml", job_document(tmp_path))))
    stamp = Stamp("job", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return PoolTask(prepared, "fake", prepared.universe("fake"), stamp, Placement())


@pytest.fixture
def slow(task: PoolTask) -> Slow:
    spec = task.prepared.job.spec.generators["fake"]
    return Slow(load_host("fake", spec, task.prepared.infos["fake"]))


@pytest.fixture
def watch() -> Iterator[Watch]:
    with Watch(3600.0, lambda *_: None) as found:
        yield found


def sampled(
    task: PoolTask,
    host: Slow,
    watch: Watch,
    *,
    ahead: bool,
    tries: int = 1,
    finish: Finish = finished,
) -> tuple[list[tuple[int, str]], float]:
    """(index, digest of the file) of every sample, and the seconds of all batches."""
    work = universe_work(task.prepared.pool, task.universe)
    for _ in range(tries):
        attempt = work.begin(f"unit-{ahead}-{tries}")
    times = BatchTimes("cpu", lambda: 5.0)
    trail = Trail(work, attempt, "")
    sampling = Sampling(
        Halving(host), asking(task), recipe(task), POINTS, 2, trail, watch, times, 60.0,
        ahead=ahead, finish=finish,
    )  # fmt: skip
    rows = [row for part in sampling.parts(4, {}) for row in part.rows]
    return [(row.generator.index, row.sha256) for row in rows if row.generator], times.seconds()


def test_a_batch_is_begun_before_the_last_one_is_here(
    task: PoolTask, slow: Slow, watch: Watch
) -> None:
    plain, _ = sampled(task, slow, watch, ahead=False)
    assert slow.seen == ["generate 0", "generate 4", "generate 8"]
    slow.seen.clear()
    found, seconds = sampled(task, slow, watch, ahead=True)
    assert slow.seen == ["begin 0", "begin 4", "take 0", "begin 8", "take 4", "take 8"]
    assert found == plain
    assert [index for index, _ in found] == list(range(10))
    assert seconds == 6.0


def test_what_processes_finish_beside_it_is_the_same(
    task: PoolTask, slow: Slow, watch: Watch
) -> None:
    plain, _ = sampled(task, slow, watch, ahead=False)
    beside = Finishers(2)
    found, _ = sampled(task, slow, watch, ahead=True, finish=beside)
    assert found == plain
    assert beside.pids()
    beside.close()


@pytest.mark.parametrize("broken", ["begin 4", "take 4", "take 8"])
def test_a_batch_that_breaks_on_its_way_is_made_again(
    task: PoolTask, slow: Slow, watch: Watch, broken: str
) -> None:
    plain, _ = sampled(task, slow, watch, ahead=False)
    slow.fails = {broken}
    found, _ = sampled(task, slow, watch, ahead=True)
    assert found == plain
    assert f"generate {broken.split()[1]}" in slow.seen[3:]


def test_a_careful_try_takes_one_batch_after_the_other(
    task: PoolTask, slow: Slow, watch: Watch
) -> None:
    """Else the last batch's end would be the next one's fault."""
    plain, _ = sampled(task, slow, watch, ahead=False)
    slow.seen.clear()
    found, _ = sampled(task, slow, watch, ahead=True, tries=2)
    assert slow.seen == ["generate 0", "generate 4", "generate 8"]
    assert found == plain
