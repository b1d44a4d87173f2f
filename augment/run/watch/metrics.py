"""The metrics of a run: one table of names that stay, and their values.

Everything that counts rows, rejects and bytes is set from records, which other runs of the
same request may have left: so a resume shows the whole, and the figures at the end are those
of the commit. Everything about speed is of this run alone, from what workers said. Knows the
driver's side only, and no library of metrics (`exporter.py`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from augment.run.watch.observed import BUCKETS, counted
from augment.run.watch.telling import Stage, UnitDone
from augment.run.watch.timing import Seconds, now

if TYPE_CHECKING:
    from augment.plan import Plan
    from augment.run.watch.account import Account

Kind = Literal["gauge", "counter", "histogram"]
Scope = Literal["request", "run"]
Labels = tuple[str, ...]


class Metric(NamedTuple):
    """A metric's name and meaning, which no later version changes. labels: after `job_id`.
    scope: of the whole request, whoever made it, and exact; or of what this run saw."""

    name: str
    kind: Kind
    labels: Labels
    scope: Scope
    help: str


_CELL = ("split", "class", "origin", "generator")
_WORK = ("stage", "generator")

RUN_INFO = Metric("augment_run_info", "gauge", ("engine",), "run", "1 while this run lives")
STAGE_RUNNING = Metric(
    "augment_stage_running", "gauge", _WORK, "run", "1 while the run is in this stage, then 0"
)
STAGE_SECONDS = Metric(
    "augment_stage_seconds", "gauge", _WORK, "run", "Seconds spent in a stage up to now"
)
PLANNED = Metric(
    "augment_planned_samples", "gauge", _CELL, "request", "Rows of the data set that are planned"
)
SAMPLES = Metric(
    "augment_samples", "gauge", _CELL, "request", "Rows in finished shards of the data set"
)
QUARANTINED = Metric(
    "augment_quarantined_samples", "gauge", ("reason",), "request",
    "Planned rows that were left out of finished shards",
)  # fmt: skip
SYNTHESIS = Metric(
    "augment_synthesis_samples", "gauge", ("generator", "class", "outcome"), "request",
    "Generated samples that were looked at; outcome is accepted, rejected or failed",
)  # fmt: skip
REJECTED = Metric(
    "augment_rejected_samples", "gauge", ("generator", "class", "reason"), "request",
    "Generated samples that a filter rejected",
)  # fmt: skip
SHARD_BYTES = Metric(
    "augment_shard_bytes", "gauge", ("table", "generator"), "request",
    "Bytes of finished shards; table is dataset or pool",
)  # fmt: skip
COMMITTED = Metric(
    "augment_committed_version", "gauge", (), "request",
    "Version of the data set that holds the request; absent before the commit",
)  # fmt: skip
GENERATED = Metric(
    "augment_generated_samples_total", "counter", ("generator",), "run",
    "Samples that were generated",
)  # fmt: skip
UNITS = Metric("augment_units_finished_total", "counter", _WORK, "run", "Units that were finished")
QUEUE = Metric(
    "augment_queue_depth", "gauge", _WORK, "run",
    "Units that were handed to the engine and have not come back",
)  # fmt: skip
UNIT_AGE = Metric(
    "augment_unit_age_seconds", "gauge", _WORK, "run",
    "Seconds since a unit came back, or since they were handed over; 0 where none is out",
)  # fmt: skip
UNIT_SECONDS = Metric(
    "augment_unit_seconds", "histogram", _WORK, "run", "Seconds that a worker spent on a unit"
)
BATCH_SECONDS = Metric(
    "augment_batch_seconds", "histogram", ("generator", "device"), "run",
    "Seconds that a generator took for a batch",
)  # fmt: skip
ACTORS = Metric(
    "augment_actors", "gauge", _WORK, "run", "Processes from which units of a stage came back"
)
BUSY = Metric(
    "augment_device_busy_share", "gauge", ("generator", "device"), "run",
    "Seconds in batches of units that came back, by actors and seconds up to the last of them",
)  # fmt: skip
SPEED = Metric(
    "augment_generated_samples_per_second", "gauge", ("generator", "device"), "run",
    "Samples of units that came back, by seconds up to the last of them, of all actors",
)  # fmt: skip

METRICS = (
    RUN_INFO, STAGE_RUNNING, STAGE_SECONDS, PLANNED, SAMPLES, QUARANTINED, SYNTHESIS, REJECTED,
    SHARD_BYTES, COMMITTED, GENERATED, UNITS, QUEUE, UNIT_AGE, UNIT_SECONDS, BATCH_SECONDS,
    ACTORS, BUSY, SPEED,
)  # fmt: skip
"""All of them, in the order in which they are shown."""


class Histogram(NamedTuple):
    """counts: within each of `BUCKETS`, not cumulative; the last one has the rest."""

    counts: tuple[int, ...]
    sum: float


Value = float | Histogram
Values = dict[Metric, dict[Labels, Value]]


@dataclass
class _Work:
    """Units of one stage as the driver sees them."""

    began: float
    out: int = 0
    changed: float = 0.0
    actors: set[str] = field(default_factory=set)
    busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """device -> seconds in batches."""
    made: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """device -> samples."""

    @property
    def wall(self) -> float:
        return max(0.0, self.changed - self.began)


class Metrics:
    """The values of a run's metrics: an observer that another thread may read."""

    def __init__(self, clock: Seconds = now) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._job_id = ""
        self._values: dict[Metric, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: dict[Metric, dict[Labels, Histogram]] = defaultdict(dict)
        self._running: dict[Stage, float] = {}
        self._work: dict[Stage, _Work] = {}

    def values(self) -> Values:
        """Every value now; labels begin with the job's id. Nothing before the run is named."""
        with self._lock:
            if not self._job_id:
                return {}
            at = self._clock()
            found: Values = {m: dict(v) for m, v in self._values.items()}
            found |= {m: dict(v) for m, v in self._histograms.items()}
            found[STAGE_SECONDS] = dict(self._stage_seconds(at))
            for metric, values in self._of_work(at).items():
                found[metric] = dict(values)
            return {
                metric: {(self._job_id, *labels): value for labels, value in of.items()}
                for metric, of in found.items()
            }

    # ---- told by the run -------------------------------------------------------------

    def named(self, job_id: str, engine: str) -> None:
        with self._lock:
            self._job_id = job_id
            self._values[RUN_INFO][(engine,)] = 1

    def planned(self, plan: Plan) -> None:
        with self._lock:
            for c in plan.cells:
                key = (c.split, c.label_name, c.origin.value, c.generator or "")
                self._values[PLANNED][key] += c.n

    def began(self, stage: Stage, at: float) -> None:
        with self._lock:
            self._running[stage] = at
            self._values[STAGE_RUNNING][stage] = 1

    def ended(self, stage: Stage, at: float, *, broken: bool) -> None:
        with self._lock:
            self._values[STAGE_SECONDS][stage] += at - self._running.pop(stage)
            self._values[STAGE_RUNNING][stage] = 0

    def queued(self, stage: Stage, units: int) -> None:
        with self._lock:
            at = self._clock()
            work = self._work.setdefault(stage, _Work(self._running.get(stage, at)))
            work.out, work.changed = units, at

    def unit(self, done: UnitDone) -> None:
        stage, said = done.stage, done.observed
        with self._lock:
            work = self._work.setdefault(stage, _Work(done.arrived))
            work.out, work.changed = max(0, work.out - 1), done.arrived
            work.actors.add(said["actor"])
            self._values[UNITS][stage] += 1
            if stage.generator:
                self._values[GENERATED][(stage.generator,)] += done.made
            self._add(UNIT_SECONDS, stage, counted([said["ended"] - said["begun"]]))
            if "batches" in said:
                work.busy[said["device"]] += said["batches"]["sum"]
                work.made[said["device"]] += done.made
                self._add(BATCH_SECONDS, (stage.generator, said["device"]), said["batches"])

    def pooled(self, generator: str, size: int) -> None:
        with self._lock:
            self._values[SHARD_BYTES]["pool", generator] += size

    def accounts(self, accounts: Sequence[Account]) -> None:
        with self._lock:
            for a in accounts:
                cell = (a.generator, a.label_name)
                rejected = sum(a.rejected.values())
                self._values[SYNTHESIS][*cell, "accepted"] = a.accepted
                self._values[SYNTHESIS][*cell, "rejected"] = rejected
                self._values[SYNTHESIS][*cell, "failed"] = a.failed
                for reason, n in a.rejected.items():
                    self._values[REJECTED][*cell, reason] = n

    def written(self, record: Mapping[str, Any]) -> None:
        with self._lock:
            for split, label, origin, _, generator, _, wrote, _ in record["cells"]:
                self._values[SAMPLES][split, label, origin, generator or ""] += wrote
            for row in record["quarantine"]:
                self._values[QUARANTINED][(row["reason"],)] += 1
            if record["entry"] is not None:
                self._values[SHARD_BYTES]["dataset", ""] += record["entry"]["size"]

    def committed(self, version: int) -> None:
        with self._lock:
            self._values[COMMITTED][()] = version

    # ---- within ----------------------------------------------------------------------

    def _add(self, metric: Metric, labels: Labels, more: Mapping[str, Any]) -> None:
        old = self._histograms[metric].get(labels, Histogram((0,) * (len(BUCKETS) + 1), 0.0))
        counts = tuple(a + b for a, b in zip(old.counts, more["counts"], strict=True))
        self._histograms[metric][labels] = Histogram(counts, old.sum + more["sum"])

    def _stage_seconds(self, at: float) -> dict[Labels, float]:
        seconds: dict[Labels, float] = dict(self._values[STAGE_SECONDS])
        for stage, began in self._running.items():
            seconds[stage] = seconds.get(stage, 0.0) + max(0.0, at - began)
        return seconds

    def _of_work(self, at: float) -> dict[Metric, dict[Labels, float]]:
        found: dict[Metric, dict[Labels, float]] = {QUEUE: {}, UNIT_AGE: {}, ACTORS: {}, BUSY: {}}
        found[SPEED] = {}
        for stage, work in self._work.items():
            found[QUEUE][stage] = work.out
            found[UNIT_AGE][stage] = max(0.0, at - work.changed) if work.out else 0.0
            found[ACTORS][stage] = len(work.actors)
            for device, busy in work.busy.items():
                if whole := len(work.actors) * work.wall:
                    found[BUSY][stage.generator, device] = busy / whole
                    found[SPEED][stage.generator, device] = work.made[device] / work.wall
        return found
