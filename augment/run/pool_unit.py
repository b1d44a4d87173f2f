"""One unit of a pool: sample, check, score, encode, mark, write, record.

The next batch is sampled while threads encode the last one. Everything in a unit follows
from its ranges and the frozen job: the same unit made twice has the same bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.codec import encode_pngs, to_uint8
from augment.errors import StorageError
from augment.filters import Filter, build_filters, judge, score
from augment.generators import GeneratorHost, SampleRequest, load_host
from augment.intervals import Intervals
from augment.plan import PoolUnit
from augment.run.prepare import Prepared
from augment.sample import GeneratorRef, Origin, PoolRow, Stamp, pool_table
from augment.seeds import class_conditioning, digest, synthetic_ids
from augment.spec.models import Degenerate, FilterSpec
from augment.storage import Folder
from augment.write import Work, add_xmp, write_shard

Point = tuple[str, int]
"""Class and index."""
Finished = PoolRow | tuple[str, int, str]
"""A row, or class, index and reason of a sample that failed."""
_GROUP_BYTES = 32 << 20


def encoders(device: str) -> int:
    """Threads that finish images beside the one that samples. On a CPU the network needs the
    cores, and a second one only waits for the interpreter lock (measured: it costs)."""
    return 1 if device == "cpu" else 2


SCORERS: tuple[Filter, ...] = tuple(build_filters([FilterSpec(degenerate=Degenerate())]))
"""Every filter that needs the image alone. A pool row holds all their scores, whichever its
job asked for: so another job's thresholds need no pixels."""


@dataclass(frozen=True)
class PoolTask:
    """What a worker of one generator is made from."""

    prepared: Prepared
    generator: str
    stamp: Stamp
    device: str
    batch_size: int

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
        self._host: GeneratorHost = load_host(
            task.generator, spec, self._info, device=task.device, options=prepared.options
        )
        self._filters: list[Filter] = build_filters(prepared.job.spec.filters)
        self._universe = prepared.universe(task.generator)
        self._pool = prepared.pool
        self._work = universe_work(self._pool, self._universe)
        self._filters_digest = filters_digest(prepared)
        self._generator_id = prepared.generator_id(task.generator)
        self._system = system_name(self._info.family, self._generator_id)

    def __call__(self, unit: str) -> str:
        """The unit's record, with `made`: whether its samples were generated just now."""
        todo = PoolUnit.from_json(json.loads(unit))
        known = self._work.get(todo.name)
        made = known is None or not is_published(self._pool, known["entry"])
        if known is None:
            attempt = self._work.begin(todo.name)
            built = self._build(todo, self._task.stamp, self._task.batch_size)
            known = self._work.record(attempt, built)
        elif made:
            self._remake(todo, known)
        return json.dumps({**known, "made": made})

    def _remake(self, unit: PoolUnit, known: Mapping[str, Any]) -> None:
        """A recorded shard was lost: made again as its record says, it has the same bytes."""
        job_id, created = known["stamp"]
        stamp = Stamp(job_id, dt.datetime.fromisoformat(created))
        entry = self._build(unit, stamp, known["batch_size"])["entry"]
        if (entry or {}).get("path") != known["entry"]["path"]:
            raise StorageError(
                f"{self._pool.url(known['entry']['path'])}: this recorded pool shard is gone and "
                "this machine makes other bytes (another device or library build); restore it, "
                f"or remove {self._work.folder.url(unit.name + '.json')} to have it made anew"
            )

    def _build(self, unit: PoolUnit, stamp: Stamp, batch_size: int) -> dict[str, Any]:
        rows: list[PoolRow] = []
        failed: list[tuple[str, int, str]] = []
        for row in self._rows(unit.samples(), batch_size):
            if isinstance(row, PoolRow):
                rows.append(row)
            else:
                failed.append(row)
        groups = self._groups(rows)
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
            "stamp": [stamp.job_id, stamp.generated_at.isoformat()],
            "batch_size": batch_size,
            "device": self._task.device,
            "entry": entry,
            "groups": [_by_class((r.label_name, r.generator.index) for r in g) for g in groups],
            "failed": failed,
            "verdicts": {self._filters_digest: [self._rejected(g) for g in groups]},
        }

    def _groups(self, rows: list[PoolRow]) -> list[list[PoolRow]]:
        info = self._info
        each = max(1, _GROUP_BYTES // max(1, info.height * info.width * info.channels))
        return [rows[i : i + each] for i in range(0, len(rows), each)]

    def _rejected(self, rows: Sequence[PoolRow]) -> dict[str, dict[str, list[list[int]]]]:
        """reason -> class -> intervals of what the job's filters reject."""
        found: dict[str, list[Point]] = {}
        for row in rows:
            verdict = judge(self._filters, dict(row.scores))
            if not verdict.accepted:
                found.setdefault(verdict.reason or "", []).append(
                    (row.label_name, row.generator.index)
                )
        return {reason: _by_class(points) for reason, points in found.items()}

    def _rows(self, points: Sequence[Point], size: int) -> Iterator[Finished]:
        """Sample batch by batch; threads finish one batch while the next is sampled."""
        ids = self._ids(points)
        count = encoders(self._task.device)
        with ThreadPoolExecutor(count) as threads:
            waiting: list[Future[list[Finished]]] = []
            for at in range(0, len(points), size):
                requests = [
                    SampleRequest(sample_id, label, index)
                    for sample_id, (label, index) in zip(
                        ids[at : at + size], points[at : at + size], strict=True
                    )
                ]
                batch = self._host.generate(requests)
                images_NHWC = to_uint8(batch.images)
                for done in waiting:
                    yield from done.result()
                each = -(-len(requests) // count)
                cuts = [slice(i, i + each) for i in range(0, len(requests), each)]
                waiting = [
                    threads.submit(self._finish, requests[c], images_NHWC[c], batch.failed[c])
                    for c in cuts
                ]
            for done in waiting:
                yield from done.result()

    def _ids(self, points: Sequence[Point]) -> list[str]:
        """Sample ids in the order of `points`; what a class's ids share is hashed once."""
        by_class: dict[str, list[int]] = {}
        for label, index in points:
            by_class.setdefault(label, []).append(index)
        seed, info = self._task.prepared.job.spec.seed, self._info
        made = {
            label: synthetic_ids(
                seed, info.identity, info.sampling_digest, class_conditioning(label), indexes
            )
            for label, indexes in by_class.items()
        }
        return [next(made[label]) for label, _ in points]

    def _finish(
        self,
        requests: Sequence[SampleRequest],
        images_NHWC: np.ndarray,
        failed: Sequence[str | None],
    ) -> list[Finished]:
        """Score, encode and mark some images; what failed comes back with its reason."""
        scores = score(SCORERS, images_NHWC)
        files = encode_pngs(images_NHWC[..., : self._info.channels])
        return [
            self._row(request, data, found)
            if reason is None
            else (request.label_name, request.index, reason)
            for request, data, found, reason in zip(requests, files, scores, failed, strict=True)
        ]

    def _row(self, request: SampleRequest, data: bytes, scores: Mapping[str, float]) -> PoolRow:
        info = self._info
        data = add_xmp(data, request.sample_id, info.digital_source_type, self._system)
        return PoolRow(
            sample_id=request.sample_id,
            image=data,
            label_name=request.label_name,
            origin=Origin.SYNTHETIC,
            digital_source_type=info.digital_source_type,
            width=info.width,
            height=info.height,
            sha256=hashlib.sha256(data).hexdigest(),
            generator=GeneratorRef(
                self._generator_id,
                info.checkpoint_sha256,
                info.family,
                request.index,
                class_conditioning(request.label_name),
            ),
            scores=tuple(sorted(scores.items())),
            marks=("xmp",),
        )


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
