"""What a run tells whoever observes it: stages, units, rows, accounts.

One object goes through the runner: the reporter (for people) with any number of observers
(metrics, a timeline) behind it. They are told what the driver knows for certain: the stages it
is in, and every result as it arrives. Nothing comes back from them. Knows no Prometheus.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from augment import logs
from augment.errors import AugmentError
from augment.run.progress import Reporter, Silent
from augment.run.watch.observed import ObservedTask, Speech
from augment.run.watch.timing import Seconds, now
from augment.secrecy import secret_values

if TYPE_CHECKING:
    from augment.plan import Plan
    from augment.run.engines.engine import Engine, Task
    from augment.run.watch.account import Account
    from augment.spec import Job

_LOG = logging.getLogger("augment.run")
Record = dict[str, Any]
_EVERY_S = 5.0
STAGES = ("prepare", "census", "plan", "engine", "measure", "synthesize", "score", "arrange", "mix",
          "gate", "commit", "card", "audit")  # fmt: skip
"""Every stage that a run can be in. A stage lies in no other; the engine begins before the first
stage that has work for it."""


class Stage(NamedTuple):
    """A part of a run; of one generator where it has one."""

    name: str
    generator: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.generator}".rstrip()


class UnitDone(NamedTuple):
    """A unit whose result arrived. observed: what its worker said of times and place; `each`,
    `started`, `device` and `batches` may be missing. made: samples generated just now."""

    stage: Stage
    rows: int
    made: int
    observed: Mapping[str, Any]
    arrived: float


class Observer(Protocol):
    """Told what a run does; must not raise, and must be quick."""

    def named(self, job_id: str, engine: str) -> None:
        """The run has a name from here on."""

    def planned(self, plan: Plan) -> None: ...

    def began(self, stage: Stage, at: float) -> None: ...

    def ended(self, stage: Stage, at: float, *, broken: bool) -> None:
        """broken: by an error, which goes on upwards."""

    def queued(self, stage: Stage, units: int) -> None:
        """So many units are with the engine: they were just handed to it, or some of them."""

    def unit(self, done: UnitDone) -> None: ...

    def pooled(self, generator: str, size: int) -> None:
        """The pool holds so many more bytes, made now or found there."""

    def accounts(self, accounts: Sequence[Account]) -> None:
        """What became of some cells up to now."""

    def written(self, record: Mapping[str, Any]) -> None:
        """The record of a data-set unit, made now or found there."""

    def committed(self, version: int) -> None: ...


@contextlib.contextmanager
def spanning(observers: Sequence[Observer], stage: Stage, clock: Seconds = now) -> Iterator[None]:
    """What runs within is one stage."""
    begun = clock()
    for observer in observers:
        observer.began(stage, begun)
    broken = True
    try:
        yield
        broken = False
    finally:
        ended = clock()
        for observer in observers:
            observer.ended(stage, ended, broken=broken)


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """What is logged within is about one run, once it has a name; how it breaks is logged."""
    with logs.about():
        try:
            yield
        except BaseException as error:
            foreseen = isinstance(error, AugmentError) or not isinstance(error, Exception)
            text = f"the run ended: {type(error).__name__}: {error}"
            of = logs.ids_in("\n".join(getattr(error, "__notes__", ())))
            _LOG.error("%s", text, exc_info=None if foreseen else error, extra={"ids": of})
            raise


class Telling:
    """A reporter with observers behind it."""

    def __init__(
        self,
        reporter: Reporter | None = None,
        observers: Sequence[Observer] = (),
        clock: Seconds = now,
    ) -> None:
        self._reporter, self._observers = reporter or Silent(), tuple(observers)
        self._clock = clock
        self._ids: Mapping[str, str] = {}
        self._speech = Speech(logs.actor())
        self._accounted = clock()

    # ---- as a reporter ---------------------------------------------------------------

    def stage(self, name: str, total: int | None) -> None:
        self._reporter.stage(name, total)

    def advance(self, done: int, rows: int) -> None:
        self._reporter.advance(done, rows)

    def doing(self, text: str) -> None:
        self._reporter.doing(text)

    def seen(self, images: int) -> None:
        """A census has found so many up to now."""
        self.doing(f"{images:,} images")

    def note(self, text: str) -> None:
        self._reporter.note(text)

    @contextlib.contextmanager
    def wrapped(self, wrap: Callable[[Reporter], Reporter]) -> Iterator[None]:
        """Within, what the reporter is told goes through what `wrap` makes of it."""
        before, self._reporter = self._reporter, wrap(self._reporter)
        try:
            yield
        finally:
            self._reporter = before

    # ---- the run ---------------------------------------------------------------------

    def named(self, job_id: str, job: Job, engine: str) -> None:
        """From here on it is known which job this is; what is logged says so."""
        execution = job.spec.execution
        self._ids = {"job_id": job_id}
        logs.tell(**self._ids)
        self._speech = Speech(
            logs.actor(),
            execution.log_format,
            secret_values(execution.storage_options, os.environ, job.text),
            detail=bool(self._observers),
        )
        for observer in self._observers:
            observer.named(job_id, engine)

    def planned(self, plan: Plan) -> None:
        for observer in self._observers:
            observer.planned(plan)

    def span(self, name: str, generator: str = "") -> contextlib.AbstractContextManager[None]:
        """What runs within is this stage, one of `STAGES`."""
        return spanning(self._observers, Stage(name, generator), self._clock)

    def begin(self, engine: Engine) -> None:
        """The engine begins, where it has not: there is work for it.

        Raises:
            InterruptedRun, RequestError: see `Engine.open`.
        """
        if what := engine.opening:
            with self.span("engine"):
                self.stage(what, None)
                engine.open(lambda seconds: self.doing(f"{seconds:.0f} s"))

    def committed(self, version: int) -> None:
        for observer in self._observers:
            observer.committed(version)

    # ---- units -----------------------------------------------------------------------

    def task(self, task: Task, stage: str, generator: str, units: int) -> Task:
        """The task, observed, for so many units of a stage."""
        self.queued(stage, generator, units)
        ids = {**self._ids, "generator": generator} if generator else self._ids
        return ObservedTask(task, ids, self._speech)

    def queued(self, stage: str, generator: str, units: int) -> None:
        """So many units of a stage are with the engine now."""
        for observer in self._observers:
            observer.queued(Stage(stage, generator), units)

    def unit(self, stage: str, generator: str, result: str) -> Record:
        """The record in a result of an observed task, once everyone has been told of it."""
        record: Record = json.loads(result)
        observed = record.pop("observed")
        for line in observed.pop("lines", ()):
            logs.relogged(line)
        made = _rows(record) if record.get("made") else 0
        rows = _rows(record)
        done = UnitDone(Stage(stage, generator), rows, made, observed, self._clock())
        for observer in self._observers:
            observer.unit(done)
        return record

    def pooled(self, generator: str, size: int) -> None:
        """Bytes of shards of a universe, each told once."""
        for observer in self._observers if size else ():
            observer.pooled(generator, size)

    def due(self) -> bool:
        """Whether accounts should be told: they cost too much for every unit."""
        due = bool(self._observers) and self._clock() - self._accounted >= _EVERY_S
        if due:
            self._accounted = self._clock()
        return due

    def accounts(self, accounts: Sequence[Account]) -> None:
        for observer in self._observers:
            observer.accounts(accounts)

    def written(self, record: Mapping[str, Any]) -> None:
        for observer in self._observers:
            observer.written(record)


def _rows(record: Mapping[str, Any]) -> int:
    """Of a pool unit its ranges', of a data-set unit its shard's."""
    if "ranges" in record:
        return sum(stop - start for _, start, stop in record["ranges"])
    return 0 if record["entry"] is None else int(record["entry"]["rows"])
