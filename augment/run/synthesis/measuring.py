"""Timing a few batches of a generator where it would run: on an actor, or in this process.

Nothing that is made is kept. Knows no Ray: the engine decides where a worker lives.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from augment.errors import UnitFailed
from augment.run.engines.ending import Ending
from augment.run.engines.engine import Engine
from augment.run.engines.placing import place
from augment.run.engines.suspects import Watch
from augment.run.synthesis.asking import Asked, Point
from augment.run.synthesis.batches import batches
from augment.run.synthesis.cost import Estimate, Measured
from augment.run.synthesis.pool_unit import PoolTask, asking, hosted, recipe

BATCHES = 4
"""The first warms up."""


@dataclass(frozen=True)
class Wanted:
    """A generator to be measured. task: as its units would have it. missing: accepted samples
    that the pool lacks. points: what to try. inputs: the list of images that it is fed, as
    Parquet, where it is not frozen yet."""

    task: PoolTask
    missing: int
    points: Sequence[Point]
    inputs: bytes = b""


@dataclass(frozen=True)
class MeasureTask:
    """What a measuring worker is made from."""

    wanted: Wanted

    def worker(self, alone: bool = False) -> MeasureWorker:
        return MeasureWorker(self.wanted)


class MeasureWorker:
    """Loads a generator and times its batches."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def __call__(self, unit: str) -> str:
        with tempfile.TemporaryDirectory(prefix="augment-measure-") as folder:
            return json.dumps(asdict(self._measured(self._task(folder), json.loads(unit))))

    def _task(self, folder: str) -> PoolTask:
        """The task, with the list of inputs in a folder of its own where none is frozen."""
        task = self._wanted.task
        if not self._wanted.inputs:
            return task
        job = task.prepared.job
        output = job.spec.output.model_copy(update={"uri": folder})
        moved = replace(job, spec=job.spec.model_copy(update={"output": output}))
        prepared = replace(task.prepared, job=moved)
        path = Path(folder) / "_work" / prepared.job_id / "plan" / task.inputs
        path.parent.mkdir(parents=True)
        path.write_bytes(self._wanted.inputs)
        return replace(task, prepared=prepared)

    def _measured(self, task: PoolTask, n: int) -> Measured:
        begun = time.perf_counter()
        host = hosted(task)
        loaded = time.perf_counter() - begun
        own, size = recipe(task), task.placement.batch_size
        points = self._wanted.points[: n * size]
        asked = (one for one in asking(task)(points) if isinstance(one, Asked))
        took, rows, lost, rejected, sizes = [], 0, 0, 0, 0
        for batch in itertools.islice(batches(asked, lambda a: host.batch_key(a.request), size), n):
            begun = time.perf_counter()
            made = host.generate([a.request for a in batch])
            notes = made.notes or (None,) * len(batch)
            part = own.finish(batch, made.images, made.failed, notes)
            took.append((time.perf_counter() - begun) / len(batch))
            rows += len(batch)
            lost += len(part.failed)
            rejected += len(part.rejected)
            sizes += sum(len(row.image) for row in part.rows)
        if not rows:
            raise UnitFailed(
                f"generators.{task.generator}: none of the first {len(points)} samples could be "
                "asked for; `augment run` says of each why"
            )
        each = statistics.median(took[1:] or took)
        return Measured(
            generator=task.generator,
            device=task.placement.device,
            load_s=loaded,
            batch_s=each * size,
            batch_rows=size,
            made=rows,
            accepted=rows - lost - rejected,
            image_bytes=sizes / max(1, rows - lost),
        )


def measure(wanted: Sequence[Wanted], engine: Engine, n: int = BATCHES) -> list[Estimate]:
    """Time `n` batches of each generator on one actor of the engine, one after the other.

    Raises:
        AugmentError: as a worker raised it.
    """
    found = []
    for one in wanted:
        execution = one.task.prepared.job.spec.execution.of(one.task.generator)
        resources, _ = place(execution, engine)
        alone = replace(resources, workers=1, most=1)
        with _limited(one.task, n):
            result = next(iter(engine.run(MeasureTask(one), [json.dumps(n)], alone)))
        measured = Measured(**json.loads(result))
        most = max(resources.workers, resources.most or 0)
        found.append(Estimate(measured, one.missing, resources.gpus, most))
    return found


@contextlib.contextmanager
def _limited(task: PoolTask, n: int) -> Iterator[None]:
    """What is measured inside takes no longer than loading and `n` batches may in a run."""
    execution = task.prepared.job.spec.execution.of(task.generator)
    limit = execution.load_timeout_s + n * execution.batch_timeout_s
    ending = Ending(alone=False)
    late = UnitFailed(
        f"generators.{task.generator}: measuring it took longer than load_timeout_s and {n} times "
        f"batch_timeout_s ({limit:g} s); raise them, or name a smaller batch_size"
    )
    watch = Watch(limit, lambda *_: ending.end(late))
    with ending.told(), watch, watch.over("load", tuple):
        yield


def first_points(missing: Mapping[str, int], n: int) -> list[Point]:
    """The first points of each class in turn, at most `n`, of classes that lack samples."""
    columns = [[(label, i) for i in range(min(n, most))] for label, most in missing.items() if most]
    turns = itertools.zip_longest(*columns)
    return list(itertools.islice((p for turn in turns for p in turn if p is not None), n))
