"""A task whose workers say when, where and for how long they worked on each unit.

What they say travels with the unit's result under `observed` and is taken off again by the
driver (`telling.py`): a record never holds it. Lines that a worker in another process logs
travel the same way; they also stand in that process's standard error, where Ray keeps them,
because a process that is killed brings no result.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augment import logs
from augment.errors import AugmentError
from augment.mix import MixUnit
from augment.plan import PoolUnit
from augment.run.engines.engine import Task, Wary, Worker, built, call
from augment.run.watch.timing import Seconds, now

_LOG = logging.getLogger("augment.run")
_MAX_LINES = 200
"""Lines of a unit that travel with its result."""
_MAX_BATCHES = 256
"""Batches of a unit that a timeline shows."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
           60.0, 300.0, 900.0)  # fmt: skip
"""Upper limits, in seconds, of the histograms of batches and units; one more has the rest."""


@dataclass(frozen=True)
class Speech:
    """How workers speak. driver: the process that logs to the run's own file.
    detail: also each batch by itself."""

    driver: str
    log_format: logs.LogFormat = "text"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    detail: bool = False


@dataclass(frozen=True)
class ObservedTask:
    """Another task, observed. ids: what its lines are about."""

    task: Task
    ids: Mapping[str, str]
    speech: Speech

    def worker(self, alone: bool = False) -> Worker:
        here = logs.actor()
        away = here != self.speech.driver
        lines = _speak_up(self.speech) if away else None
        ids = {**self.ids, "actor": here}
        with logs.about(**ids):
            begun = now()
            worker = ObservedWorker(built(self.task, alone), ids, lines, detail=self.speech.detail)
            worker.started = (begun, now())
            return worker


class ObservedWorker:
    """Another worker, observed."""

    def __init__(
        self,
        worker: Worker,
        ids: Mapping[str, str],
        lines: Lines | None = None,
        *,
        detail: bool = False,
        clock: Seconds = now,
    ) -> None:
        self._worker, self._ids, self._lines = worker, ids, lines
        self._detail, self._clock = detail, clock
        self.started: tuple[float, float] | None = None
        """When the worker's making began and ended; told with its first unit."""

    def risky(self, unit: str) -> bool:
        """As the worker says, where it knows of such units."""
        return isinstance(self._worker, Wary) and self._worker.risky(unit)

    def __call__(self, unit: str) -> str:
        """The worker's result with `observed`.

        Raises:
            AugmentError: the worker's, with a note that says which unit and process it was.
        """
        ids = {**self._ids, "unit": unit_name(unit)}
        with logs.about(**ids):
            begun = self._clock()
            try:
                text = call(self._worker, unit)
            except AugmentError as error:
                error.add_note(logs.note(ids))
                raise
            ended = self._clock()
            _LOG.info("unit finished in %.3f s", ended - begun)
        return self._told(text, ids, begun, ended)

    def _told(self, text: str, ids: Mapping[str, str], begun: float, ended: float) -> str:
        result = json.loads(text)
        batches = result.pop("batches", None)
        said = {"unit": ids["unit"], "actor": ids["actor"], "begun": begun, "ended": ended}
        if batches is not None:
            own = [(at, s) for at, s in batches["each"] if at >= begun]
            said |= {"device": batches["device"], "batches": counted([s for _, s in own])}
            said |= {"each": own[:_MAX_BATCHES]} if self._detail else {}
        if self.started is not None:
            said["started"], self.started = self.started, None
        if self._lines is not None:
            said["lines"] = self._lines.take()
        return json.dumps({**result, "observed": said})


class Lines(logging.Handler):
    """The last lines that were logged, kept until they are taken."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__(logging.INFO)
        self._secrets = secrets
        self._kept: deque[dict[str, Any]] = deque(maxlen=_MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(logs.facts(record, self._secrets))

    def take(self) -> list[dict[str, Any]]:
        with self.lock:  # type: ignore[union-attr]  # None only in a handler that was closed
            kept = list(self._kept)
            self._kept.clear()
        return kept


def counted(seconds: list[float]) -> dict[str, Any]:
    """Durations as a histogram over `BUCKETS` with their sum: of one size, however many."""
    counts = [0] * (len(BUCKETS) + 1)
    for each in seconds:
        counts[next((i for i, limit in enumerate(BUCKETS) if each <= limit), -1)] += 1
    return {"counts": counts, "sum": sum(seconds)}


def unit_name(unit: str) -> str:
    """The name that a unit's record and shard have."""
    document = json.loads(unit)
    if "universe" in document:
        return PoolUnit.from_json(document).name
    return MixUnit.from_json(document).name


def _speak_up(speech: Speech) -> Lines:
    """In a process of its own: what `augment` logs goes to its standard error and is kept."""
    ours = logging.getLogger("augment")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    lines, aloud = Lines(speech.secrets), logging.StreamHandler(sys.stderr)
    aloud.setFormatter(logs.formatter(speech.log_format, speech.secrets))
    ours.handlers = [lines, aloud]
    return lines
