"""One unit of a pool: sampled (sampling.py), written as one shard, recorded.

Everything in a unit follows from its ranges and the frozen job: the same unit made twice has
the same bytes. What kills or hangs the process is found out over several tries (suspects.py).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.errors import ErrorBudgetExceeded, StorageError, UnitFailed
from augment.filters import build_filters
from augment.generators import GeneratorInfo, Halving, Placement, load_host
from augment.intervals import Intervals
from augment.logs import actor
from augment.plan import InputList, PoolUnit
from augment.run.engines.ending import Ending
from augment.run.engines.suspects import Stage, Trail, Watch
from augment.run.prepare import Prepared
from augment.run.synthesis.asking import Asking, FromClasses, FromImages, Point
from augment.run.synthesis.finishers import finishers_beside
from augment.run.synthesis.finishing import finished
from augment.run.synthesis.sampling import Part, Recipe, Sampling
from augment.run.watch.beats import Beat
from augment.run.watch.timing import BatchTimes
from augment.sample import DigitalSourceType, Origin, Stamp, pool_table
from augment.storage import Folder
from augment.write import Work, write_shard

__all__ = ["PoolTask", "PoolWorker"]

_LOG = logging.getLogger("augment.run")
_GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class PoolTask:
    """What a worker of one generator is made from."""

    prepared: Prepared
    generator: str
    universe: str
    stamp: Stamp
    placement: Placement
    inputs: str = ""
    fed: InputList | None = None
    """Where the generator takes images: the frozen list's name, and its part of it."""
    run: str = ""
    """Names the run whose tries these are."""
    gpus: float = 0.0
    """What the worker takes of its node, for the account of what was spent."""
    mended: bool = False
    """Whether an image file that is not the census's any more is taken as it stands now."""

    def worker(self, alone: bool = False) -> PoolWorker:
        return PoolWorker(self, alone)


def universe_work(pool: Folder, universe: str) -> Work:
    """Where the records of one universe lie in a pool."""
    return Work(pool.child(f"_work/{universe[:16]}"))


class PoolWorker:
    """Hosts one generator, from its first unit on, and builds units with it."""

    def __init__(self, task: PoolTask, alone: bool = False) -> None:
        """alone: see `Task.worker`."""
        self._task = task
        prepared = task.prepared
        self._info = prepared.infos[task.generator]
        self._host: Halving | None = None
        self._ask = asking(task)
        self._universe = task.universe
        self._pool = prepared.pool
        self._work = universe_work(self._pool, self._universe)
        self._filters_digest = prepared.image_filters_digest
        self._recipe = recipe(task)
        self._ending = Ending(alone)
        self._beat = Beat(prepared.work.folder, task.run, f"synthesize {task.generator}", actor())
        self._times = BatchTimes(task.placement.device)
        execution = prepared.job.spec.execution.of(task.generator)
        cpus, share = execution.resources.cpus, task.gpus or 1.0
        self._finishers = finishers_beside(task.placement.device, share, cpus)
        self._timeout_s = execution.batch_timeout_s
        self._read_s = prepared.job.spec.execution.image_timeout_s
        self._load_timeout_s = execution.load_timeout_s

    def risky(self, unit: str) -> bool:
        """See `Wary`."""
        return self._work.troubled(PoolUnit.from_json(json.loads(unit)).name)

    def __call__(self, unit: str) -> str:
        """The unit's record, with `made`: whether its samples were generated just now, and
        `batches`: how long each took."""
        todo = PoolUnit.from_json(json.loads(unit))
        known = self._work.get(todo.name)
        made = known is None or not is_published(self._pool, known["entry"])
        if known is None:
            known = self._first(todo)
        elif made:
            self._remake(todo, known)
        return json.dumps({**known, "made": made, "batches": self._times.take()})

    def _first(self, unit: PoolUnit) -> dict[str, Any]:
        """Build and record a unit that has no record."""
        attempt = self._work.begin(unit.name)
        trail = Trail(self._work, attempt, self._task.run)
        self._check_budget(unit, trail)
        begun = time.monotonic()
        self._load(trail)
        loaded = time.monotonic()
        self._times.take()  # what a try that broke left
        size = self._task.placement.batch_size
        built = self._build(unit, self._task.stamp, size, trail, trail.known.lost)
        seconds = {"load": loaded - begun, "make": time.monotonic() - loaded}
        cost = {name: round(value, 3) for name, value in seconds.items()}
        sampled = round(self._times.seconds(), 3)
        spent = {"seconds": cost, "gpus": self._task.gpus, "device_s": sampled}
        return self._work.record(attempt, {**built, **spent})

    def _load(self, trail: Trail) -> None:
        """Loads the generator, unless an earlier unit did. What a library does with somebody's
        files has no end that is known before, so it gets a time.

        Raises:
            UnitFailed: another try of this run took longer, or this one and the process goes on.
        """
        trail.at("load")
        if trail.known.slow:
            raise slow_to_load(self._task)
        if self._host is not None:
            return

        def late(stage: Stage, _: Sequence[int]) -> None:
            trail.fatal(stage, (), "timeout")
            self._ending.end(slow_to_load(self._task))

        watch = Watch(self._load_timeout_s, late)
        with self._ending.told(), watch, watch.over("load", tuple):
            self._host = hosted(self._task)

    def _loaded(self) -> Halving:
        assert self._host is not None, "units are built by a generator that was loaded"
        return self._host

    def _check_budget(self, unit: PoolUnit, trail: Trail) -> None:
        """Each row that kills costs several processes: not more than the job allows."""
        errors = self._task.prepared.job.spec.errors
        allowed = max(errors.min_count, errors.max_share * unit.rows)
        if len(lost := trail.known.lost) > allowed:
            some = "; ".join(f"{unit.samples()[at]}: {why}" for at, why in list(lost.items())[:5])
            raise ErrorBudgetExceeded(
                f"generators.{self._info.name}: {len(lost)} samples of unit {unit.name} ended the "
                f"process that made them; errors allows {allowed:g}. First: {some}. Mend the "
                "generator or raise `errors`, then run the same command again"
            )

    def _remake(self, unit: PoolUnit, known: Mapping[str, Any]) -> None:
        """A recorded shard was lost: made again as its record says, it has the same bytes."""
        job_id, created = known["stamp"]
        stamp = Stamp(job_id, dt.datetime.fromisoformat(created))
        turn = {point: at for at, point in enumerate(unit.samples())}
        lost = {turn[c, i]: why for c, i, why in known["failed"] if why in ("killed", "timeout")}
        trail = Trail(self._work, self._work.begin(unit.name), self._task.run)
        self._load(trail)
        size = known["batch_size"]
        entry = self._build(unit, stamp, size, trail, lost, known["failed"])["entry"]
        if (entry or {}).get("path") != known["entry"]["path"]:
            raise StorageError(
                f"{self._pool.url(known['entry']['path'])}: this recorded pool shard is gone and "
                "this machine makes other bytes (another device or library build); restore it, "
                f"or remove {self._work.folder.url(unit.name + '.json')} to have it made anew"
            )

    def _build(
        self,
        unit: PoolUnit,
        stamp: Stamp,
        batch_size: int,
        trail: Trail,
        given_up: Mapping[int, str],
        lost: Sequence[Sequence[Any]] = (),
    ) -> dict[str, Any]:
        """given_up: what is not tried. lost: what failed when the unit was recorded; it is no
        part of its shard, whether or not it fails now."""
        host, points = self._loaded(), unit.samples()
        beside = self._finishers
        threads = 1 if beside is None else beside.count  # a second one beside a network on the CPU
        #                                                  only waits for Python's lock (measured)
        watch = Watch(self._timeout_s, lambda stage, late: self._hung(trail, stage, late))
        sampling = Sampling(
            host, self._ask, self._recipe, points, threads, trail, watch, self._times, self._read_s,
            ahead=self._task.placement.device != "cpu", finish=beside or finished,
        )  # fmt: skip
        with self._ending.told(), watch:
            parts = list(self._counted(unit, sampling.parts(batch_size, given_up)))
        trail.at("keep")
        rows = [row for part in parts for row in part.rows]
        failed = [lost for part in parts for lost in part.failed]
        if lost:
            gone = {(label, index) for label, index, _ in lost}
            rows = [r for r in rows if (r.label_name, r.generator.index) not in gone]
            failed = [(label, index, reason) for label, index, reason in lost]
        made = [(row.label_name, row.generator.index) for row in rows]
        if failed or made != points:
            # batches of several keys end out of turn; a shard's rows stand as its unit says
            turn = {point: i for i, point in enumerate(points)}
            rows.sort(key=lambda row: turn[row.label_name, row.generator.index])
            failed.sort(key=lambda lost: turn[lost[0], lost[1]])
            made.sort(key=turn.__getitem__)
        rejected = {point: reason for part in parts for point, reason in part.rejected.items()}
        groups = self._groups(made)
        entry = None
        if rows:
            entry = write_shard(
                pool_table(rows, stamp),
                self._pool,
                f"data/{self._universe[:16]}/{unit.name}",
                class_names=None,
                group_rows=[len(g) for g in groups],
            ).to_json()
        return {
            "ranges": [list(r) for r in unit.ranges],
            **({"again": unit.again} if unit.again else {}),
            "stamp": [stamp.job_id, stamp.generated_at.isoformat()],
            "batch_size": batch_size,
            "batch_limit": host.limit,
            "device": self._task.placement.device,
            "channels_last": self._task.placement.channels_last,
            "compile": self._task.placement.compile,
            "entry": entry,
            "groups": [_by_class(g) for g in groups],
            "failed": failed,
            "verdicts": {self._filters_digest: [_by_reason(g, rejected) for g in groups]},
        }

    def _counted(self, unit: PoolUnit, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts as they come; it is said how many samples they are."""
        done = 0
        self._beat.begin(unit.name, lambda: unit.rows)
        for part in parts:
            done += len(part.rows) + len(part.failed)
            self._beat.at(done)
            yield part

    def _hung(self, trail: Trail, stage: Stage, late: Sequence[int]) -> None:
        """A batch, or reading its images, took too long: it is noted, and the try ends."""
        trail.fatal(stage, late, "timeout")
        what = f"a batch of {len(late)} took" if stage == "make" else "reading its images took"
        self._ending.end(
            UnitFailed(
                f"generators.{self._info.name}: {what} longer than "
                f"batch_timeout_s ({self._timeout_s:g} s); run the same command again: it finds "
                "the row at fault and leaves it out; raise batch_timeout_s if there is none"
            )
        )

    def _groups(self, made: list[Point]) -> list[list[Point]]:
        info = self._info
        each = max(1, _GROUP_BYTES // max(1, info.height * info.width * info.channels))
        return [made[i : i + each] for i in range(0, len(made), each)]


def hosted(task: PoolTask) -> Halving:
    """The task's generator, loaded."""
    prepared, name = task.prepared, task.generator
    spec, info = prepared.job.spec.generators[name], prepared.infos[name]
    placement, options = task.placement, prepared.options
    return Halving(load_host(name, spec, info, placement=placement, options=options))


def slow_to_load(task: PoolTask) -> UnitFailed:
    """The error of a generator that is not loaded in time."""
    limit = task.prepared.job.spec.execution.of(task.generator).load_timeout_s
    return UnitFailed(
        f"generators.{task.generator}: loading it took longer than load_timeout_s ({limit:g} s); "
        "its checkpoint is large, or made to harm: raise execution.generators."
        f"{task.generator}.load_timeout_s where you trust it, then run the same command again"
    )


def recipe(task: PoolTask) -> Recipe:
    """What all samples of the task have in common."""
    prepared, info = task.prepared, task.prepared.infos[task.generator]
    generator_id = prepared.generator_id(task.generator)
    return Recipe(
        info=info,
        generator_id=generator_id,
        system=system_name(info.family, generator_id),
        digital_source_type=source_type(info, task.fed),
        origin=Origin.SYNTHETIC if task.fed is None else task.fed.origin,
        max_pixels=prepared.job.spec.errors.max_pixels,
        filters=build_filters(prepared.image_filters),
        takes_images=task.fed is not None,
    )


def asking(task: PoolTask) -> Asking:
    """How the requests of a task's generator are made."""
    prepared, info = task.prepared, task.prepared.infos[task.generator]
    if task.fed is None:
        return FromClasses(prepared.job.spec.seed, info)
    return FromImages(prepared, info, task.inputs, task.fed, mended=task.mended)


def source_type(info: GeneratorInfo, fed: InputList | None) -> str:
    """IPTC URI of what is made: a photograph that a model translated is a composite with the
    model's part, what a model paints from a label map is its own."""
    trained = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value
    composite = DigitalSourceType.COMPOSITE_WITH_TRAINED.value
    if fed is None or info.digital_source_type not in (trained, composite):
        return info.digital_source_type
    return composite if fed.origin is Origin.TRANSLATED else trained


def is_published(table: Folder, entry: Mapping[str, Any] | None) -> bool:
    """Whether a recorded shard is there with its size; a unit without rows has none to lose."""
    if entry is None:
        return True
    try:
        return bool(table.info(entry["path"]).size == entry["size"])
    except FileNotFoundError:
        return False


def system_name(family: str, generator_id: str) -> str:
    """What stands as `AISystemUsed` in a mark: never a prompt, a path or a name of a person."""
    return f"augment {family} {generator_id[:16]}"


def _by_class(points: Any) -> dict[str, list[list[int]]]:
    members: dict[str, list[int]] = {}
    for label, index in points:
        members.setdefault(label, []).append(index)
    return {label: Intervals.of(found).to_json() for label, found in sorted(members.items())}


def _by_reason(
    points: Sequence[Point], rejected: Mapping[Point, str]
) -> dict[str, dict[str, list[list[int]]]]:
    """reason -> class -> intervals, of those of the points that were rejected."""
    found: dict[str, list[Point]] = {}
    for point in points if rejected else ():
        if (reason := rejected.get(point)) is not None:
            found.setdefault(reason, []).append(point)
    return {reason: _by_class(some) for reason, some in found.items()}
