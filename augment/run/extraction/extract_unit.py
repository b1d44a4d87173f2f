"""One unit of an extraction: one shard, of which every image is decoded once, for all extractors
whose features of it are not kept.

An image that cannot be decoded costs its row and is named with its reason. One that hangs or kills
the process is found over several tries, as in the mix (`engines.suspects`), and is lost too. The
tries' marks are removed once the unit's files are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from augment import codec
from augment.audit.foreign import ImageFiles
from augment.audit.shard_file import image_bytes
from augment.audit.sizes import most_pixels
from augment.audit.table import DataSet, Shard, contents, open_shard
from augment.errors import RequestError, SampleError, UnitFailed
from augment.features import Extractor, ExtractorInfo, build
from augment.features.arithmetic import plain_sums
from augment.features.asked import Asked
from augment.features.kept import TRIES, Bytes, Kept, Lost, Shelf, shard_name
from augment.run.engines.ending import Ending
from augment.run.engines.suspects import Stage, Trail, Watch
from augment.run.extraction.slow import EXTRACTOR_S, too_slow
from augment.write import Attempt, Work

_COLUMNS = ("sample_id", "image", "width", "height")
_READ = 64  # rows whose coded images are held at once
_BATCH = 32  # images that are decoded at once
_BATCH_PIXELS = 1 << 25  # and at most so many of their pixels, or one image


@dataclass(frozen=True)
class ExtractTask:
    """What a worker is made from. data: without its shards. infos: of the extractors `asked`, in
    their order. run: names the run, for its tries. device: as torch names it. image_s: seconds
    that one image may take to decode; extractor_s: that extractors may take to load, or for a
    batch."""

    data: DataSet
    asked: tuple[Asked, ...]
    infos: tuple[ExtractorInfo, ...]
    shelf: Shelf
    run: str
    device: str = "cpu"
    image_s: float = 60.0
    extractor_s: float = EXTRACTOR_S

    def worker(self, alone: bool = False) -> ExtractWorker:
        return ExtractWorker(self, alone)


def unit_text(shard: Shard) -> str:
    """A shard as a unit."""
    said: dict[str, Any] = {"path": shard.path, "size": shard.size}
    return json.dumps(said if shard.images is None else {**said, "images": asdict(shard.images)})


def _shard_of(unit: str) -> Shard:
    said = json.loads(unit)
    if (images := said.pop("images", None)) is not None:
        images = ImageFiles(**{**images, "files": tuple(images["files"])})
    return Shard(**said, images=images)


def known_by(data: DataSet, shard: Shard) -> str:
    """What changes when the bytes of a shard do. A log never gives a name to other bytes; in a
    folder without one anybody may, so there it is the sha256 of the bytes, which are read.

    Raises:
        StorageError: the shard vanished or cannot be read.
    """
    if data.version is not None:
        return f"{shard.size} bytes"
    state = hashlib.sha256()
    try:
        for part in contents(data, shard):
            state.update(part)
    except FileNotFoundError:
        with open_shard(data, shard):  # which says what is to be done
            pass
    return f"sha256 {state.hexdigest()}"


class ExtractWorker:
    """Extracts the features of shards; loads its extractors when it first needs them."""

    def __init__(self, task: ExtractTask, alone: bool = False) -> None:
        """alone: see `Task.worker`."""
        self._task = task
        self._work = Work(task.shelf.folder.child(TRIES))
        self._ending = Ending(alone)
        self._extractors: dict[int, Extractor] = {}

    def __call__(self, unit: str) -> str:
        """JSON: `path`; `known_by`, of the shard; `made`, names of extractors whose features were
        made just now; `rows`, how many images were looked at for them."""
        shard = _shard_of(unit)
        known = Bytes(shard.path, known_by(self._task.data, shard))
        lacking = [
            at
            for at, info in enumerate(self._task.infos)
            if self._task.shelf.get(info, known) is None
        ]
        rows = self._make(shard, known, lacking) if lacking else 0
        made = [self._task.infos[at].name for at in lacking]
        return json.dumps({"path": known.path, "known_by": known.known_by, "made": made,
                           "rows": rows})  # fmt: skip

    def risky(self, unit: str) -> bool:
        """See `Wary`."""
        return self._work.troubled(_name(json.loads(unit)["path"]))

    def _make(self, shard: Shard, known: Bytes, lacking: Sequence[int]) -> int:
        attempt = self._work.begin(_name(shard.path))
        trail = Trail(self._work, attempt, self._task.run)
        slow = self._too_slow(lacking)
        if trail.known.slow:
            raise slow

        def late(stage: Stage, _: Sequence[int]) -> None:
            trail.fatal(stage, (), "timeout")
            self._ending.end(slow)

        rows, watch = 0, Watch(self._task.extractor_s, late)
        with plain_sums(self._task.device), watch:
            trail.at("load")
            with self._ending.told(), watch.over("load", tuple):
                found = [_Gathered(self._loaded(at)) for at in lacking]
            trail.at("read")
            for batch in self._decoded(shard, trail):
                rows += len(batch.rows) + len(batch.lost)
                trail.at("make")
                with self._ending.told(), watch.over("make", tuple):
                    for one in found:
                        one.take(batch)
        trail.at("keep")
        for one in found:
            self._task.shelf.put(one.extractor.info, known, one.kept())
        self._forget(attempt)
        return rows

    def _too_slow(self, lacking: Sequence[int]) -> UnitFailed:
        names = ", ".join(self._task.infos[at].name for at in lacking)
        return UnitFailed(str(too_slow(names, self._task.extractor_s)))

    def _loaded(self, at: int) -> Extractor:
        if at not in self._extractors:
            task, info = self._task, self._task.infos[at]
            found = build(task.asked[at], task.device, task.data.folder.options)
            if found.info != info:
                raise RequestError(
                    f"extractor {info.name}: its weights are others now than when the run began "
                    f"(sha256 {found.info.weights_sha256}, was {info.weights_sha256}); run the "
                    "same command again"
                )
            self._extractors[at] = found
        return self._extractors[at]

    def _forget(self, attempt: Attempt) -> None:
        """What was made needs no marks of how."""
        for number in range(1, attempt.number + 1):
            for kind in ("try", "at"):
                self._work.folder.remove(f"units/{attempt.unit}.{kind}-{number}")

    # ---- decoding --------------------------------------------------------------------

    def _decoded(self, shard: Shard, trail: Trail) -> Iterator[_Batch]:
        batch = _Batch()
        watch = Watch(self._task.image_s, lambda stage, late: self._hung(shard, stage, late, trail))
        with watch:
            for row, line in enumerate(lines(self._task.data, shard)):
                with self._ending.told():
                    self._take(batch, row, line, trail, watch)
                if batch.full:
                    yield batch
                    batch = _Batch()
        if batch.rows or batch.lost:
            yield batch

    def _take(
        self, batch: _Batch, row: int, line: dict[str, Any], trail: Trail, watch: Watch
    ) -> None:
        sample_id = _text(line.get("sample_id"))
        try:
            if reason := trail.known.lost.get(row):
                raise SampleError(reason, self._why_lost(reason))
            trail.reach(row)
            with watch.over("make", lambda: (row,)):
                image = image_of(line)
        except SampleError as error:
            batch.lost.append(Lost(row, sample_id, error.reason, error.detail))
        else:
            batch.add(row, sample_id, image)

    def _why_lost(self, reason: str) -> str:
        if reason == "timeout":
            return f"its image took longer to decode than {self._task.image_s:g} s"
        return "every process that decoded its image died"

    def _hung(self, shard: Shard, stage: Stage, late: Sequence[int], trail: Trail) -> None:
        """An image takes too long: it is noted, and the try ends."""
        trail.fatal(stage, late, "timeout")
        self._ending.end(
            UnitFailed(
                f"shard {shard.path}: the image of row {late[0]} took longer to decode than "
                f"{self._task.image_s:g} s; run the same command again: it is tried apart once "
                "more and left out then"
            )
        )


@dataclass
class _Batch:
    """Decoded images with their rows, and rows without."""

    rows: list[int] = field(default_factory=list)
    sample_ids: list[str] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    _pixels: int = 0

    def add(self, row: int, sample_id: str, image: np.ndarray) -> None:
        self.rows.append(row)
        self.sample_ids.append(sample_id)
        self.images.append(image)
        self._pixels += image.shape[0] * image.shape[1]

    @property
    def full(self) -> bool:
        return len(self.images) >= _BATCH or self._pixels >= _BATCH_PIXELS


class _Gathered:
    """The features of one extractor, batch by batch."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self._rows: list[int] = []
        self._sample_ids: list[str] = []
        self._parts = [np.empty((0, extractor.info.dimensions), np.float32)]
        self._lost: list[Lost] = []

    def take(self, batch: _Batch) -> None:
        self._lost += batch.lost
        if not batch.images:
            return
        features = np.asarray(self.extractor(batch.images), np.float32)
        finite = np.asarray(np.isfinite(features).all(axis=1))
        for row, sample_id, good in zip(batch.rows, batch.sample_ids, finite, strict=True):
            if good:
                self._rows.append(row)
                self._sample_ids.append(sample_id)
            else:
                why = f"extractor {self.extractor.info.name} gives NaN or infinity for its image"
                self._lost.append(Lost(row, sample_id, "nan", why))
        self._parts.append(features[finite])

    def kept(self) -> Kept:
        lost = tuple(sorted(self._lost, key=lambda one: one.row))
        rows = np.array(self._rows, np.int64)
        return Kept(rows, tuple(self._sample_ids), np.concatenate(self._parts), lost)


def lines(data: DataSet, shard: Shard) -> Iterator[dict[str, Any]]:
    """The rows of a shard that extraction needs of it."""
    with open_shard(data, shard) as file:
        columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
        if "image" not in columns:
            raise RequestError(
                f"{data.name}: shard {shard.path} has no column image, so nothing can be seen in "
                f"it; it has {', '.join(file.schema_arrow.names)}. Leave features out, or add it"
            )
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_READ, row_groups=[group], columns=columns):
                yield from batch.to_pylist()


def image_of(line: dict[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8 RGB as displayed. Raises: SampleError."""
    data = image_bytes(line.get("image"))
    if not data:
        raise SampleError("empty", "the row holds no image bytes")
    return codec.decode(data, most_pixels(line.get("width"), line.get("height")))


def _text(said: object) -> str:
    return "" if said is None else str(said)


def _name(path: str) -> str:
    return shard_name(path).partition(".")[0]
