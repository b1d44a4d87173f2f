"""The extractor `task` of a data set: its classifier, fit on the real train images or found beside
the features.

Which images are fit on depends on their ids alone, so versions with the same real train images,
whatever was generated since, have the same weights. Weights that were kept are used again; of two
runs that fit at once, one wins and both use its weights.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment import codec
from augment.audit.facts import ALL_ROWS, Facts, read_facts
from augment.audit.patience import Patience
from augment.audit.shard_file import image_bytes
from augment.audit.sizes import most_pixels
from augment.audit.table import DataSet, Shard, open_shard
from augment.errors import SampleError
from augment.features.kept import TASK, Shelf
from augment.features.resizing import resized
from augment.features.task import SIDES, VERSION
from augment.features.task_fit import (
    LEAST_PER_CLASS,
    MOST_IMAGES,
    MOST_STEPS,
    NotFit,
    fit,
    judged,
    side_for,
)
from augment.run.progress import Reporter
from augment.sample import Origin
from augment.seeds import digest, order_key

TRAIN = "train"
_SEED = 0
_THREADS = 2
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COLUMNS = ("sample_id", "sha256", "transforms")
_READ = 64  # rows whose coded images are held at once


class Chosen(NamedTuple):
    """A real train image. order: its place among those of its class. known_by: its sha256, or
    where it stands in what shard. shard, row: where it is read."""

    label: str
    order: bytes
    known_by: str
    shard: str
    row: int


def task_weights(
    data: DataSet,
    shelf: Shelf,
    image_s: float,
    reporter: Reporter,
    most_steps: int = MOST_STEPS,
) -> bytes | NotFit:
    """The file of the weights. image_s: seconds that one image may take to decode. most_steps: of
    the fit, see `fit`.

    Raises:
        RequestError: torch is not installed, or the rows do not say their class or whether they
            are generated. StorageError: a shard or the place of the features cannot be read.
    """
    chosen = real_train(data)
    found = judged([one.label for one in chosen])
    if isinstance(found, NotFit):
        return found
    name = digest([VERSION, _SEED, most_steps, [[one.label, one.known_by] for one in chosen]])[:32]
    if (kept := _kept(shelf, name)) is not None:
        return kept
    reporter.stage("fit the task's classifier", None)
    images, labels = _decoded(data, chosen, image_s)
    weights = fit(images, labels, _SEED, most_steps)
    if isinstance(weights, NotFit):
        return weights
    return _keep(shelf, name, weights)


def real_train(data: DataSet, most: int = MOST_IMAGES) -> tuple[Chosen, ...]:
    """The untouched real images of the train split (of all rows, where there are no splits) that
    are fit on: of each class those with the least hashes of their ids, at most its part of `most`.
    Sorted by class and hash.

    Raises:
        RequestError, StorageError: see `read_facts`.
    """
    heaps: dict[str, list[tuple[int, Chosen]]] = defaultdict(list)
    for shard in data.shards:
        start = 0
        for facts in read_facts(data, shard, _COLUMNS):
            for one in _real(facts, start):
                heap = heaps[one.label]
                heapq.heappush(heap, (-int.from_bytes(one.order), one))
                while len(heap) > max(LEAST_PER_CLASS, most // len(heaps)):
                    heapq.heappop(heap)
            start += facts.rows.num_rows
    each = max(LEAST_PER_CLASS, most // max(1, len(heaps)))
    return tuple(
        one for label in sorted(heaps) for one in sorted(one for _, one in heaps[label])[:each]
    )


def _real(facts: Facts, start: int) -> Iterator[Chosen]:
    """The real train rows of a batch, which begins at row `start` of its shard."""
    rows = facts.rows
    mask = pc.and_(
        pc.is_in(rows["split"], value_set=pa.array([TRAIN, ALL_ROWS])),
        pc.and_(pc.equal(rows["origin"], Origin.REAL.value), pc.invert(rows["generated"])),
    )
    if "transforms" in rows.column_names:
        mask = pc.and_(mask, pc.equal(rows["transforms"], 0))
    places = np.flatnonzero(mask.to_numpy())
    labels = rows["label_name"].to_pylist()
    ids, hashes = _texts(rows, "sample_id"), _texts(rows, "sha256")
    for at in places.tolist():
        here = f"{facts.shard}:{start + at}"
        order = order_key(_SEED, "features/task", ids[at] or here)
        yield Chosen(labels[at], order, hashes[at] or here, facts.shard, start + at)


def _texts(rows: pa.Table, name: str) -> list[str]:
    if name not in rows.column_names:
        return [""] * rows.num_rows
    return ["" if value is None else str(value) for value in rows[name].to_pylist()]


# ---- images --------------------------------------------------------------------------------


class _Decoded(NamedTuple):
    """shape: of the image as it was. small: it, in each of `SIDES`."""

    shape: tuple[int, ...]
    small: tuple[np.ndarray, ...]


def _decoded(
    data: DataSet, chosen: Sequence[Chosen], image_s: float
) -> tuple[np.ndarray, list[str]]:
    """(N, S, S, 3) uint8 and the classes, in the order chosen, without those that cannot be
    decoded in time: extraction names them."""
    shards = {shard.path: shard for shard in data.shards}
    wanted: dict[str, list[int]] = defaultdict(list)
    for one in chosen:
        wanted[one.shard].append(one.row)
    found: dict[tuple[str, int], _Decoded | None] = {}
    with Patience[dict[str, Any], "_Decoded | None"](
        _small, lambda line: None, _THREADS, image_s
    ) as patience:
        for path, rows in wanted.items():
            lines = _lines(data, shards[path], sorted(rows))
            found |= zip(((path, row) for row in sorted(rows)), patience.map(lines), strict=True)
    there = [(one, got) for one in chosen if (got := found[one.shard, one.row]) is not None]
    side = SIDES.index(side_for([got.shape for _, got in there]))
    images = [got.small[side] for _, got in there]
    empty = np.empty((0, SIDES[side], SIDES[side], 3), np.uint8)
    return np.stack(images) if images else empty, [one.label for one, _ in there]


def _small(line: dict[str, Any]) -> _Decoded | None:
    bound = most_pixels(line.get("width"), line.get("height"))
    try:
        image = codec.decode(image_bytes(line.get("image")), bound)
    except SampleError:
        return None
    return _Decoded(image.shape, tuple(resized([image], side)[0] for side in SIDES))


def _lines(data: DataSet, shard: Shard, rows: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows at these ascending places of a shard; row groups without any are not read."""
    with open_shard(data, shard) as file:
        columns = [n for n in ("image", "width", "height") if n in file.schema_arrow.names]
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.rows_in(group)
            inside = [row - start for row in rows if start <= row < stop]
            if inside:
                yield from _of_group(file, group, columns, inside)
            start = stop


def _of_group(
    file: Any, group: int, columns: Sequence[str], rows: Sequence[int]
) -> Iterator[dict[str, Any]]:
    start = 0
    for batch in file.iter_batches(_READ, row_groups=[group], columns=list(columns)):
        inside = [row - start for row in rows if start <= row < start + batch.num_rows]
        yield from batch.take(pa.array(inside, pa.int64())).to_pylist()
        start += batch.num_rows


# ---- what was fit before -------------------------------------------------------------------


def _kept(shelf: Shelf, name: str) -> bytes | None:
    """The weights that were fit on these images, None where they are not whole."""
    try:
        said = json.loads(shelf.folder.read(f"{TASK}/{name}.json"))
        sha256 = str(said["weights_sha256"])
        if not _SHA256.fullmatch(sha256):
            return None
        weights = shelf.folder.read(f"{TASK}/{sha256}.safetensors")
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return weights if hashlib.sha256(weights).hexdigest() == sha256 else None


def _keep(shelf: Shelf, name: str, weights: bytes) -> bytes:
    """The weights that are kept from now on: those of somebody who was quicker, if they are
    whole. The file that names them is written after them."""
    sha256 = hashlib.sha256(weights).hexdigest()
    shelf.folder.publish(f"{TASK}/{sha256}.safetensors", weights)
    path, said = f"{TASK}/{name}.json", json.dumps({"weights_sha256": sha256}).encode()
    if shelf.folder.create(path, said):
        return weights
    if (theirs := _kept(shelf, name)) is not None:
        return theirs
    shelf.folder.replace(f"{TASK}/{sha256}.safetensors", weights)
    shelf.folder.replace(path, said)
    return weights
