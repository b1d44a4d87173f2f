"""The rows of a table as a study takes them, and their images at the network's size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augment import codec
from augment.audit.facts import read_facts
from augment.audit.patience import Patience
from augment.audit.shard_file import image_bytes
from augment.audit.table import DataSet, Shard, open_shard, read_columns
from augment.errors import RequestError, SampleError
from augment.features.resizing import resized
from augment.sample import Origin
from augment.spec.models import Errors
from augment.study.rows import COPIES, REAL, SYNTHETIC, Rows

_COLUMNS = ("sample_id", "transforms")
_READ = 64  # rows whose coded images are held at once
_THREADS = 2
_SIDES = (32, 64)
_SMALL = 40


def read_rows(data: DataSet) -> Rows:
    """Every row; images are not read.

    Raises:
        RequestError: rows do not say their class, what they are, or their ids.
        StorageError: a shard cannot be read.
    """
    found = Rows([], [], [], [], [], [], [], [])
    columns: tuple[Any, ...] = tuple(vars(found).values())
    for shard in data.shards:
        place = 0
        parents = [one for batch in _parents(data, shard) for one in batch]
        for facts in read_facts(data, shard, _COLUMNS):
            if facts.lacks(["sample_id"]):
                raise RequestError(
                    f"{data.name}: shard {shard.path} has no column sample_id, so nothing tells "
                    "what descends from what; expected a data set that augment wrote"
                )
            for line in facts.rows.to_pylist():
                kind = _kind(line)
                values = (line["sample_id"], line["split"], line["label_name"], kind,
                          line["generator"] or "generated" if kind == SYNTHETIC else None,
                          parents[place] if parents else (), shard.path, place)  # fmt: skip
                for column, value in zip(columns, values, strict=True):
                    column.append(value)
                place += 1
    return found


def _kind(line: dict[str, Any]) -> str:
    if line["generated"]:
        return SYNTHETIC
    return REAL if line["origin"] == Origin.REAL.value and not line.get("transforms") else COPIES


def _parents(data: DataSet, shard: Shard) -> Iterator[list[tuple[str, ...]]]:
    """Ids of the parents of every row, batch by batch; nothing where the shard says none."""
    with open_shard(data, shard) as file:
        paths = file.paths()
        leaves = [p for p in paths if p.startswith("parents.") and p.endswith(".sample_id")]
        for batch in file.iter_batches(columns=leaves) if leaves else ():
            yield [tuple(str(one["sample_id"]) for one in parents or ())
                   for parents in batch.column("parents").to_pylist()]  # fmt: skip


def side_of(data: DataSet) -> int:
    """The input's side for the images: 32 px where the median of the shorter sides is small."""
    shorter: list[int] = []
    for shard in data.shards:
        for batch in read_columns(data, shard, ("width", "height")):
            if {"width", "height"} <= set(batch.schema.names):
                pairs = zip(batch["width"].to_pylist(), batch["height"].to_pylist(), strict=True)
                shorter += [min(w, h) for w, h in pairs if w and h]
    return _SIDES[0] if not shorter or float(np.median(shorter)) <= _SMALL else _SIDES[1]


def read_images(
    data: DataSet, rows: Rows, side: int, image_s: float
) -> tuple[np.ndarray, list[int]]:
    """((N, side, side, 3) uint8 in the order of the rows, positions of rows whose image cannot be
    decoded in time, whose pixels are 0).

    Raises:
        StorageError: a shard cannot be read.
    """
    found = np.zeros((len(rows), side, side, 3), np.uint8)
    lost: list[int] = []
    for n, image in decoded(data, rows, image_s, lambda one: fitted(one, side)):
        if image is None:
            lost.append(n)
        else:
            found[n] = image
    return found, sorted(lost)


def fitted(image: np.ndarray, side: int) -> np.ndarray:
    """(side, side, 3) uint8 of an image (H, W, 3) uint8."""
    return np.asarray(resized([image], side)[0])


def decoded(
    data: DataSet,
    rows: Rows,
    image_s: float,
    made: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Iterator[tuple[int, np.ndarray | None]]:
    """(position, what `made` makes of the (H, W, 3) uint8 image) of every row, shard by shard;
    None where it cannot be decoded in time.

    Raises:
        StorageError: a shard cannot be read.
    """
    shards = {shard.path: shard for shard in data.shards}
    wanted: dict[str, list[int]] = defaultdict(list)
    for n, path in enumerate(rows.shards):
        wanted[path].append(n)
    with Patience[dict[str, Any], "np.ndarray | None"](
        lambda line: _decoded(line, made), lambda line: None, _THREADS, image_s
    ) as patience:
        for path, some in wanted.items():
            some.sort(key=lambda n: rows.places[n])
            lines = _lines(data, shards[path], [rows.places[n] for n in some])
            yield from zip(some, patience.map(lines), strict=True)


def _decoded(line: dict[str, Any], made: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    declared = (line.get("width") or 0) * (line.get("height") or 0)
    try:
        image = codec.decode(image_bytes(line.get("image")), max(declared, Errors().max_pixels))
    except SampleError:
        return None
    return made(image)


def _lines(data: DataSet, shard: Shard, places: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows at these ascending places of a shard."""
    with open_shard(data, shard) as file:
        columns = [n for n in ("image", "width", "height") if n in file.schema_arrow.names]
        start, at = 0, 0
        for batch in file.iter_batches(_READ, columns=columns):
            stop, inside = start + batch.num_rows, []
            while at < len(places) and places[at] < stop:
                inside.append(places[at] - start)
                at += 1
            yield from batch.take(pa.array(inside, pa.int64())).to_pylist()
            start = stop
