"""One unit of a pool: sample, check, score, encode, mark, write, record.

The next batch is sampled while threads encode the last one. Everything in a unit follows
from its ranges and the frozen job: the same unit made twice has the same bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.codec import encode_pngs, label_map, to_uint8
from augment.errors import RequestError, StorageError
from augment.filters import Filter, build_filters, judge, score
from augment.generators import GeneratorInfo, Halving, Placement, load_host
from augment.intervals import Intervals
from augment.plan import InputList, PoolUnit
from augment.run.asking import Asked, Asking, Failed, FromClasses, FromImages, Point
from augment.run.batches import batches
from augment.run.prepare import Prepared
from augment.sample import (
    DigitalSourceType,
    GeneratorRef,
    Origin,
    PoolRow,
    Stamp,
    pool_table,
)
from augment.seeds import canonical_json, digest
from augment.spec.models import Degenerate, FilterSpec
from augment.storage import Folder
from augment.write import Work, add_xmp, write_shard

_LOG = logging.getLogger("augment.run")
_GROUP_BYTES = 32 << 20


def encoders(device: str) -> int:
    """Threads that finish images beside the one that samples. On a CPU the network needs the
    cores, and a second one only waits for the interpreter lock (measured: it costs)."""
    return 1 if device == "cpu" else 2


SCORERS: tuple[Filter, ...] = tuple(build_filters([FilterSpec(degenerate=Degenerate())]))
"""Every filter that needs the image alone. A pool row holds all their scores, whichever its
job asked for: so another job's thresholds need no pixels."""


@dataclass(frozen=True)
class _Part:
    """Some finished samples of a unit. rejected: those of its rows that the job's filters
    reject, and why."""

    rows: list[PoolRow]
    rejected: dict[Point, str]
    failed: list[Failed]


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
    mended: bool = False
    """Whether an image file that is not the census's any more is taken as it stands now."""

    def worker(self) -> PoolWorker:
        return PoolWorker(self)


def universe_work(pool: Folder, universe: str) -> Work:
    """Where the records of one universe lie in a pool."""
    return Work(pool.child(f"_work/{universe[:16]}"))


def filters_digest(prepared: Prepared) -> str:
    """Names the verdict that a record holds: of the filters and their thresholds."""
    return digest([f.model_dump(mode="json") for f in prepared.job.spec.filters])


class PoolWorker:
    """Hosts one generator and builds units with it."""

    def __init__(self, task: PoolTask) -> None:
        self._task = task
        prepared = task.prepared
        self._info = prepared.infos[task.generator]
        spec = prepared.job.spec.generators[task.generator]
        self._host = Halving(
            load_host(
                task.generator, spec, self._info, placement=task.placement, options=prepared.options
            )
        )
        self._ask = asking(task)
        self._filters: list[Filter] = build_filters(prepared.job.spec.filters)
        self._universe = task.universe
        self._pool = prepared.pool
        self._work = universe_work(self._pool, self._universe)
        self._filters_digest = filters_digest(prepared)
        self._generator_id = prepared.generator_id(task.generator)
        self._system = system_name(self._info.family, self._generator_id)
        self._digital_source_type = source_type(self._info, task.fed)

    def __call__(self, unit: str) -> str:
        """The unit's record, with `made`: whether its samples were generated just now."""
        todo = PoolUnit.from_json(json.loads(unit))
        known = self._work.get(todo.name)
        made = known is None or not is_published(self._pool, known["entry"])
        if known is None:
            attempt = self._work.begin(todo.name)
            built = self._build(todo, self._task.stamp, self._task.placement.batch_size)
            known = self._work.record(attempt, built)
        elif made:
            self._remake(todo, known)
        return json.dumps({**known, "made": made})

    def _remake(self, unit: PoolUnit, known: Mapping[str, Any]) -> None:
        """A recorded shard was lost: made again as its record says, it has the same bytes."""
        job_id, created = known["stamp"]
        stamp = Stamp(job_id, dt.datetime.fromisoformat(created))
        entry = self._build(unit, stamp, known["batch_size"], known["failed"])["entry"]
        if (entry or {}).get("path") != known["entry"]["path"]:
            raise StorageError(
                f"{self._pool.url(known['entry']['path'])}: this recorded pool shard is gone and "
                "this machine makes other bytes (another device or library build); restore it, "
                f"or remove {self._work.folder.url(unit.name + '.json')} to have it made anew"
            )

    def _build(
        self, unit: PoolUnit, stamp: Stamp, batch_size: int, lost: Sequence[Sequence[Any]] = ()
    ) -> dict[str, Any]:
        """lost: what failed when the unit was recorded; it is no part of its shard, whether or
        not it fails now."""
        points = unit.samples()
        parts = list(self._parts(points, batch_size))
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
            "batch_limit": self._host.limit,
            "device": self._task.placement.device,
            "channels_last": self._task.placement.channels_last,
            "compile": self._task.placement.compile,
            "entry": entry,
            "groups": [_by_class(g) for g in groups],
            "failed": failed,
            "verdicts": {self._filters_digest: [_by_reason(g, rejected) for g in groups]},
        }

    def _groups(self, made: list[Point]) -> list[list[Point]]:
        info = self._info
        each = max(1, _GROUP_BYTES // max(1, info.height * info.width * info.channels))
        return [made[i : i + each] for i in range(0, len(made), each)]

    def _parts(self, points: Sequence[Point], size: int) -> Iterator[_Part]:
        """Sample batch by batch; threads finish one batch while the next is sampled."""
        count = encoders(self._task.placement.device)
        lost: list[Failed] = []
        with ThreadPoolExecutor(count) as threads:
            waiting: list[Future[_Part]] = []
            cut = batches(self._readable(points, lost), self._key, size)
            upcoming = threads.submit(next, cut, None)
            while (asked := upcoming.result()) is not None:
                upcoming = threads.submit(next, cut, None)  # reads sources beside the network
                batch = self._host.generate([a.request for a in asked])
                images_NHWC = to_uint8(batch.images)
                for done in waiting:
                    yield done.result()
                each = -(-len(asked) // count)
                cuts = [slice(i, i + each) for i in range(0, len(asked), each)]
                notes = batch.notes or (None,) * len(asked)
                waiting = [
                    threads.submit(
                        self._finish, asked[c], images_NHWC[c], batch.failed[c], notes[c]
                    )
                    for c in cuts
                ]
            for done in waiting:
                yield done.result()
        yield _Part([], {}, lost)

    def _readable(self, points: Sequence[Point], lost: list[Failed]) -> Iterator[Asked]:
        """What can be asked for; a sample whose parent is bad is noted in `lost`."""
        for asked in self._ask(points):
            if not isinstance(asked, Asked):
                lost.append(asked)
            elif not self._refused(asked, lost):
                yield asked

    def _refused(self, asked: Asked, lost: list[Failed]) -> bool:
        """Whether the generator cannot take this image; classes were checked by the plan."""
        if self._task.fed is None:
            return False
        try:
            self._host.validate(asked.request)
        except RequestError as error:
            request = asked.request
            _LOG.warning("sample %s: %s", request.sample_id, error)
            lost.append((request.label_name, request.index, "source_refused"))
            return True
        return False

    def _key(self, asked: Asked) -> Hashable:
        return self._host.batch_key(asked.request)

    def _finish(
        self,
        asked: Sequence[Asked],
        images_NHWC: np.ndarray,
        failed: Sequence[str | None],
        notes: Sequence[Mapping[str, Any] | None],
    ) -> _Part:
        """Score, encode, mark and judge some images; what failed stands with its reason."""
        scores = score(SCORERS, images_NHWC)
        files = encode_pngs(images_NHWC)
        part = _Part([], {}, [])
        size = images_NHWC.shape[1:3]
        for one, data, found, reason, note in zip(asked, files, scores, failed, notes, strict=True):
            point = (one.request.label_name, one.request.index)
            if reason is not None:
                part.failed.append((*point, reason))
                continue
            part.rows.append(self._row(one, (data, *size), found, note))
            verdict = judge(self._filters, found)
            if not verdict.accepted:
                part.rejected[point] = verdict.reason or ""
        return part

    def _row(
        self,
        asked: Asked,
        png: tuple[bytes, int, int],
        scores: Mapping[str, float],
        note: Mapping[str, Any] | None,
    ) -> PoolRow:
        """png: an encoded image, its height and its width."""
        info, request, task = self._info, asked.request, self._task
        kind = self._digital_source_type
        data, height, width = png
        data = add_xmp(data, request.sample_id, kind, self._system)
        mask = None
        if asked.source_map is not None:
            max_pixels = task.prepared.job.spec.errors.max_pixels
            mask = label_map(asked.source_map, width, height, max_pixels)
        conditioning = asked.conditioning
        if note:
            conditioning = canonical_json({**json.loads(conditioning), **note})
        return PoolRow(
            sample_id=request.sample_id,
            image=data,
            label_name=request.label_name,
            origin=Origin.SYNTHETIC if task.fed is None else task.fed.origin,
            digital_source_type=kind,
            width=width,
            height=height,
            sha256=hashlib.sha256(data).hexdigest(),
            generator=GeneratorRef(
                self._generator_id,
                info.checkpoint_sha256,
                info.family,
                request.index,
                conditioning,
            ),
            parents=asked.parents,
            scores=tuple(sorted(scores.items())),
            marks=("xmp",),
            mask=mask,
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
