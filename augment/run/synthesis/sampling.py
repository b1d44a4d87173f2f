"""The samples of one pool unit: asked for, made in batches, checked, encoded, marked, judged.

The next batch is sampled while threads finish the last one. After trouble a try is careful:
rows under suspicion go first and alone, and every step is noted before it is taken.
Knows nothing of shards and records.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from augment import logs
from augment.codec import label_map
from augment.errors import RequestError, UnitFailed
from augment.filters import Filter, judge
from augment.generators import GeneratedBatch, GeneratorInfo, Halving
from augment.generators.protocol import Coming
from augment.run.engines.suspects import Trail, Watch
from augment.run.synthesis.asking import Asked, Asking, Failed, Point
from augment.run.synthesis.batches import batches
from augment.run.synthesis.finishing import Finish, Finished, finished
from augment.run.watch.timing import BatchTimes
from augment.sample import GeneratorRef, Origin, PoolRow
from augment.seeds import canonical_json
from augment.write import add_xmp

_LOG = logging.getLogger("augment.run")
_BROKEN = 3
"""So many samples that fail in the host before any is made: it is the host, not the rows."""
_READ = 64
HOST_REASONS = frozenset({"raised", "out_of_memory", "killed", "timeout"})
"""Why a sample failed where the generator is at fault, not its numbers or its image."""


@dataclass(frozen=True)
class Part:
    """Some finished samples of a unit. rejected: those of its rows that the job's filters
    reject, and why."""

    rows: list[PoolRow]
    rejected: dict[Point, str]
    failed: list[Failed]


@dataclass(frozen=True)
class Recipe:
    """What the samples of one generator have in common, for one job."""

    info: GeneratorInfo
    generator_id: str
    system: str
    digital_source_type: str
    origin: Origin
    max_pixels: int
    filters: Sequence[Filter]
    takes_images: bool

    def finish(
        self,
        asked: Sequence[Asked],
        images_NCHW: np.ndarray,
        failed: Sequence[str | None],
        notes: Sequence[Mapping[str, Any] | None],
        finish: Finish = finished,
    ) -> Part:
        """Score, encode, mark and judge some images; what failed stands with its reason. All of it
        is done beside the sampling of the next batch, to whole numbers too: of 16 images of
        1024 px that alone takes as long as a fast device takes for them."""
        part = Part([], {}, [])
        for one, image, reason, note in zip(asked, finish(images_NCHW), failed, notes, strict=True):
            point = (one.request.label_name, one.request.index)
            if reason is not None:
                part.failed.append((*point, reason))
                continue
            part.rows.append(self._row(one, image, note))
            verdict = judge(self.filters, image.scores)
            if not verdict.accepted:
                part.rejected[point] = verdict.reason or ""
        return part

    def _row(
        self,
        asked: Asked,
        image: Finished,
        note: Mapping[str, Any] | None,
    ) -> PoolRow:
        info, request = self.info, asked.request
        data = add_xmp(image.data, request.sample_id, self.digital_source_type, self.system)
        mask = None
        if asked.source_map is not None:
            mask = label_map(asked.source_map, image.width, image.height, self.max_pixels)
        conditioning = asked.conditioning
        if note:
            conditioning = canonical_json({**json.loads(conditioning), **note})
        return PoolRow(
            sample_id=request.sample_id,
            image=data,
            label_name=request.label_name,
            origin=self.origin,
            digital_source_type=self.digital_source_type,
            width=image.width,
            height=image.height,
            sha256=hashlib.sha256(data).hexdigest(),
            generator=GeneratorRef(
                self.generator_id,
                info.checkpoint_sha256,
                info.family,
                request.index,
                conditioning,
            ),
            parents=asked.parents,
            scores=tuple(sorted(image.scores.items())),
            marks=("xmp",),
            mask=mask,
            pixels_sha256=image.shown,
        )


@dataclass(frozen=True)
class _Begun:
    """A batch on its way. at, took_s: when it was begun, and what beginning it took."""

    asked: list[Asked]
    coming: Coming
    at: float
    took_s: float


@dataclass(frozen=True)
class Sampling:
    """Makes the samples of one unit with a host. points: all of the unit, in its order."""

    host: Halving
    ask: Asking
    recipe: Recipe
    points: Sequence[Point]
    threads: int
    trail: Trail
    watch: Watch
    times: BatchTimes
    read_s: float
    """How long it may take to read what one sample is made from, once reading is suspected."""
    ahead: bool = False
    """Whether a batch is begun before the images of the last one are here."""
    finish: Finish = finished
    """Of that which is finished beside the next batch."""

    def parts(self, batch_size: int, given_up: Mapping[int, str]) -> Iterator[Part]:
        """All samples in finished parts; of batches with several keys, out of turn. given_up:
        position -> reason, of rows that are not tried.

        Raises:
            UnitFailed: the host makes nothing.
        """
        size = min(batch_size, self.trail.known.limit or batch_size)
        yield Part([], {}, [(*self.points[at], reason) for at, reason in given_up.items()])
        todo = [point for at, point in enumerate(self.points) if at not in given_up]
        if self.trail.careful:
            self._probe(size)
            self._read(todo)
        yield from self._made(todo, size)

    def positions(self, asked: Sequence[Asked]) -> list[int]:
        """Where these samples stand in the unit."""
        turn = {point: at for at, point in enumerate(self.points)}
        return [turn[one.request.label_name, one.request.index] for one in asked]

    def _probe(self, size: int) -> None:
        """Make the suspects apart from all others; what comes of it is thrown away."""
        for piece in self.trail.known.pieces():
            self.trail.at("probe", piece)
            suspects = partial(tuple, piece)
            with self.watch.over("probe", suspects, self.read_s * len(piece)):
                asked = list(self._readable([self.points[at] for at in piece], []))
            for batch in batches(asked, self._key, size):
                with self.watch.over("probe", suspects), self.times.batch():
                    made = self.host.generate([a.request for a in batch])
                notes = made.notes or (None,) * len(batch)
                self.recipe.finish(batch, made.images, made.failed, notes)
            self.trail.passed(piece)

    def _read(self, points: Sequence[Point]) -> None:
        """Read every image once, so that one that kills its reader is found."""
        if not self.recipe.takes_images:
            return
        turn = {point: at for at, point in enumerate(self.points)}
        for i in range(0, len(points), _READ):
            some = points[i : i + _READ]
            positions = [turn[point] for point in some]
            self.trail.at("read", positions)
            with self.watch.over("read", partial(list, positions), self.read_s * len(some)):
                for _ in self.ask(some):
                    pass

    def _made(self, points: Sequence[Point], size: int) -> Iterator[Part]:
        lost: list[Failed] = []
        with ThreadPoolExecutor(self.threads, initializer=logs.inherited()) as threads:
            waiting: list[Future[Part]] = []
            cut = batches(self._readable(points, lost), self._key, size)
            made, broken = 0, 0
            for asked, batch in self._batches(threads, cut, waiting):
                broken += sum(reason in HOST_REASONS for reason in batch.failed)
                made += sum(reason not in HOST_REASONS for reason in batch.failed)
                self._check(made, broken)
                for done in waiting:
                    yield done.result()
                each = -(-len(asked) // self.threads)
                cuts = [slice(i, i + each) for i in range(0, len(asked), each)]
                notes = batch.notes or (None,) * len(asked)
                waiting[:] = [
                    threads.submit(
                        self.recipe.finish,
                        asked[c],
                        batch.images[c],
                        batch.failed[c],
                        notes[c],
                        self.finish,
                    )
                    for c in cuts
                ]
            for done in waiting:
                yield done.result()
        yield Part([], {}, lost)

    def _batches(
        self,
        threads: ThreadPoolExecutor,
        cut: Iterator[list[Asked]],
        waiting: Sequence[Future[Part]],
    ) -> Iterator[tuple[list[Asked], GeneratedBatch]]:
        """Every batch with what was made of it. waiting: what is done with the one before."""
        begun: _Begun | None = None
        upcoming = threads.submit(next, cut, None)
        while (asked := self._next(upcoming)) is not None:
            upcoming = threads.submit(next, cut, None)  # reads sources beside the network
            if self.trail.careful:
                wait(waiting)  # else the last batch's end would be this one's fault
                self.trail.at("make", self.positions(asked))
            if not self.ahead or self.trail.careful:
                with self.watch.over("make", partial(self.positions, asked)), self.times.batch():
                    made = self.host.generate([a.request for a in asked])
                yield asked, made
                continue
            before, begun = begun, self._begin(asked)
            if before is not None:
                yield self._taken(before)
        if begun is not None:
            yield self._taken(begun)

    def _begin(self, asked: list[Asked]) -> _Begun:
        at = self.times.now()
        with self.watch.over("make", partial(self.positions, asked)):
            coming = self.host.begin([a.request for a in asked])
        return _Begun(asked, coming, at, self.times.now() - at)

    def _taken(self, one: _Begun) -> tuple[list[Asked], GeneratedBatch]:
        with self.watch.over("make", partial(self.positions, one.asked)):
            made = one.coming()
        self.times.add(one.at, one.took_s if made.seconds is None else made.seconds)
        return one.asked, made

    def _next(self, upcoming: Future[list[Asked] | None]) -> list[Asked] | None:
        if upcoming.done():
            return upcoming.result()
        with self.watch.over("read", tuple):
            return upcoming.result()

    def _check(self, made: int, broken: int) -> None:
        if not made and broken >= _BROKEN:
            raise UnitFailed(
                f"generators.{self.recipe.info.name}: the first {broken} samples all failed in the "
                "generator itself; the log has the errors; mend the cause and run the same "
                "command again"
            )

    def _readable(self, points: Sequence[Point], lost: list[Failed]) -> Iterator[Asked]:
        """What can be asked for; a sample whose parent is bad is noted in `lost`."""
        for asked in self.ask(points):
            if not isinstance(asked, Asked):
                lost.append(asked)
            elif not self._refused(asked, lost):
                yield asked

    def _refused(self, asked: Asked, lost: list[Failed]) -> bool:
        """Whether the generator cannot take this image; classes were checked by the plan."""
        if not self.recipe.takes_images:
            return False
        try:
            self.host.validate(asked.request)
        except RequestError as error:
            request = asked.request
            _LOG.warning("sample %s: %s", request.sample_id, error)
            lost.append((request.label_name, request.index, "source_refused"))
            return True
        return False

    def _key(self, asked: Asked) -> Hashable:
        return self.host.batch_key(asked.request)
