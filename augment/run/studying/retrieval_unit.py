"""One unit of a study: real images that are no rows are looked at, and the nearest are named in a
record. And their pixels, for those who train on them. Nothing decoded leaves it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from augment import codec
from augment.audit.facts import read_facts
from augment.audit.patience import Patience
from augment.audit.table import DataSet, open_data_set
from augment.errors import SampleError, StorageError
from augment.features import Extractor, build, read_asked
from augment.run.studying.gathering import decoded, fitted, read_rows
from augment.run.studying.retrieved_record import Chosen, Looked, keep_looked, read_looked
from augment.sample import Origin, RealRow
from augment.sources import open_source
from augment.spec.models import SourceSpec
from augment.storage import Folder, Options
from augment.study.networks import one_thread
from augment.study.retrieval import (
    KNOWN,
    REPEATED,
    TESTED,
    UNREADABLE,
    nearness,
    sample,
    taken,
    unit_length,
)
from augment.study.rows import REAL, RETRIEVED, Rows, Splits, used

MOST_QUERIES = 10_000
"""Train images that others are held against: 51 MB of features."""
_READ = 64  # images that are held at once
_THREADS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """How images of sources are read. sources: by name. max_pixels, image_s: of one image."""

    sources: Mapping[str, SourceSpec]
    options: Options
    max_pixels: int
    image_s: float


@dataclass(frozen=True)
class RetrievalTask:
    """What the worker is made from. uri, version: of the table. path: of the record, in `folder`.
    rows, labels: what is offered, see `offering.Offer`. asked: of every class, how many."""

    uri: str
    version: int
    folder: Folder
    path: str
    splits: Splits
    seed: int
    classes: Sequence[str]
    asked: Sequence[int]
    rows: Sequence[RealRow]
    labels: Sequence[str | None]
    extractor: str
    reading: Reading
    device: str = "cpu"

    def worker(self, alone: bool = False) -> RetrievalWorker:
        return RetrievalWorker(self)


class RetrievalWorker:
    """Looks images up."""

    def __init__(self, task: RetrievalTask) -> None:
        self._task = task

    def __call__(self, unit: str) -> str:
        """The same unit; its record stands now."""
        task = self._task
        with one_thread():
            keep_looked(task.folder, task.path, _looked(task))
        return unit


def _looked(task: RetrievalTask) -> Looked:
    data = open_data_set(task.uri, task.version, task.reading.options)
    shown, unnamed = _pictures(data, task.splits)
    if unnamed:
        return Looked(task.extractor, (), {}, unnamed)
    extractor = build(read_asked(task.extractor, "study"), task.device, task.reading.options)
    train_ND, labels_N = _queries(data, task, extractor)
    lost, seen = Counter[str](), set[str]()
    some, near, own = list[Chosen](), list[np.ndarray](), list[int]()
    for offered in _batches(_offered(task.rows, task.labels, task.reading)):
        fresh = []
        for one in offered:
            if one.image is None:
                lost[UNREADABLE] += 1
                continue
            name = codec.pixels_sha256(one.image)
            if (why := shown.get(name, REPEATED if name in seen else None)) is not None:
                lost[why] += 1
                continue
            seen.add(name)
            fresh.append(one)
        if fresh:
            images = [one.image for one in fresh if one.image is not None]
            near.append(
                nearness(unit_length(extractor(images)), train_ND, labels_N, len(task.classes))
            )
            own += [-1 if one.label is None else task.classes.index(one.label) for one in fresh]
            some += [Chosen(one.row.source, one.row.locator, "", one.sha256) for one in fresh]
    near_BC = np.concatenate([np.empty((0, len(task.classes)), np.float32), *near])
    found = taken(near_BC, np.array(own, np.int64), task.asked, [one.sha256 for one in some],
                  task.seed)  # fmt: skip
    chosen = tuple(
        some[n]._replace(label=label)
        for label, places in zip(task.classes, found, strict=True)
        for n in places
    )
    return Looked(task.extractor, chosen, lost, 0)


def _pictures(data: DataSet, splits: Splits) -> tuple[dict[str, str], int]:
    """(what a real row shows -> why nothing equal may be taken, real rows that do not say what they
    show)."""
    found, unnamed = dict[str, str](), 0
    for shard in data.shards:
        for facts in read_facts(data, shard, ("pixels_sha256",)):
            for line in facts.rows.select(["split", "origin", "pixels_sha256"]).to_pylist():
                if line["origin"] != Origin.REAL.value:
                    continue
                unnamed += line["pixels_sha256"] is None
                held = line["split"] != splits.train
                if held or line["pixels_sha256"] not in found:
                    found[line["pixels_sha256"]] = TESTED if held else KNOWN
    return found, unnamed


def _queries(
    data: DataSet, task: RetrievalTask, extractor: Extractor
) -> tuple[np.ndarray, np.ndarray]:
    """((N, D) features of real train images of the classes, of length 1; (N,) int64 classes)."""
    rows = used(read_rows(data), task.splits, task.seed)
    index = {name: n for n, name in enumerate(task.classes)}
    rows = rows.some(n for n, label in enumerate(rows.labels) if label in index
                     and rows.kinds[n] == REAL and rows.splits[n] == task.splits.train)  # fmt: skip
    rows = rows.some(sample(rows.labels, rows.ids, MOST_QUERIES, task.seed))
    parts, labels = [], list[int]()
    there = ((n, image) for n, image in decoded(data, rows, task.reading.image_s)
             if image is not None)  # fmt: skip
    for some in _batches(there):
        parts.append(unit_length(extractor([image for _, image in some])))
        labels += [index[rows.labels[n]] for n, _ in some]
    size = extractor.info.dimensions
    return np.concatenate([np.empty((0, size), np.float32), *parts]), np.array(labels, np.int64)


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    some = list[T]()
    for one in items:
        some.append(one)
        if len(some) == _READ:
            yield some
            some = []
    if some:
        yield some


# ---- images of sources -----------------------------------------------------------------


class _Seen(NamedTuple):
    """image: (H, W, 3) uint8; None where it cannot be read or decoded in time."""

    row: RealRow
    label: str | None
    sha256: str
    image: np.ndarray | None


def _offered(
    rows: Sequence[RealRow], labels: Sequence[str | None], reading: Reading
) -> Iterator[_Seen]:
    """In the order given, source by source.

    Raises:
        StorageError: a source cannot be reached.
    """

    def seen(one: tuple[RealRow, str | None, bytes | SampleError]) -> _Seen:
        row, label, data = one
        if isinstance(data, SampleError):
            return _Seen(row, label, "", None)
        try:
            image = codec.decode(data, reading.max_pixels)
        except SampleError:
            return _Seen(row, label, "", None)
        return _Seen(row, label, hashlib.sha256(data).hexdigest(), image)

    with Patience[tuple[RealRow, str | None, bytes | SampleError], _Seen](
        seen, lambda one: _Seen(one[0], one[1], "", None), _THREADS, reading.image_s
    ) as patience:
        yield from patience.map(_bytes(rows, labels, reading))


def _bytes(
    rows: Sequence[RealRow], labels: Sequence[str | None], reading: Reading
) -> Iterator[tuple[RealRow, str | None, bytes | SampleError]]:
    for name, source in sorted(reading.sources.items()):
        some = [n for n, row in enumerate(rows) if row.source == name]
        data = open_source(name, source, reading.options).read([rows[n] for n in some])
        for n, one in zip(some, data, strict=True):
            yield rows[n], labels[n], one


def read_retrieved(
    folder: Folder, path: str, splits: Splits, side: int, reading: Reading
) -> tuple[Rows, np.ndarray]:
    """(rows of the images that a record names, (N, side, side, 3) uint8), for training.

    Raises:
        StorageError: the record or an image is not what it was when it was retrieved.
    """
    looked = read_looked(folder, path)
    if looked is None:
        raise StorageError(f"{folder.url(path)}: is damaged; expected what was retrieved: study "
                           "again, which retrieves again")  # fmt: skip
    places = {(one.source, one.locator): n for n, one in enumerate(looked.chosen)}
    rows = [RealRow(one.source, one.locator, splits.train, one.label, 0) for one in looked.chosen]
    pixels = np.zeros((len(rows), side, side, 3), np.uint8)
    for seen in _offered(rows, [row.label_name for row in rows], reading):
        place = places.pop((seen.row.source, seen.row.locator), None)
        if place is None or seen.image is None or seen.sha256 != looked.chosen[place].sha256:
            raise _changed(seen.row.source, seen.row.locator, folder.url(path))
        pixels[place] = fitted(seen.image, side)
    for source, locator in places:
        raise _changed(source, locator, folder.url(path))
    return _as_rows(looked.chosen, splits), pixels


def _changed(source: str, locator: str, record: str) -> StorageError:
    return StorageError(
        f"sources.{source}: {locator} is not the image that was retrieved, or cannot be read; put "
        f"it back, or remove {record} to retrieve again"
    )


def _as_rows(chosen: Sequence[Chosen], splits: Splits) -> Rows:
    n = len(chosen)
    return Rows(
        [f"{RETRIEVED}-{one.sha256}" for one in chosen], [splits.train] * n,
        [one.label for one in chosen], [RETRIEVED] * n, [None] * n, [()] * n, [""] * n,
        list(range(n)),
    )  # fmt: skip
