"""Rows that are shown as pictures: which ones, their bytes, and a small picture of each.

Of every class and origin those of the lowest rank are taken, which is a seeded draw, so the same
version shows the same rows. Reads narrow columns of all shards, and images of those row groups
alone that hold a chosen row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from augment.audit.facts import Facts, read_facts
from augment.audit.patience import alone
from augment.audit.shard_file import image_bytes
from augment.audit.table import DataSet, Shard, column, open_shard
from augment.codec import decode
from augment.errors import RequestError, SampleError
from augment.sample import KINDS, Origin
from augment.spec.models import Errors

COLUMNS = tuple(KINDS)
"""Kinds of rows. generated: classical copies of generated rows included."""

_SEPARATOR = "\0"
_NARROW = ("rank",)
Key = tuple[str, str]
"""Class, one of `COLUMNS`."""
Part = tuple[str | None, str | None, str | None]
"""Split, class (None: any of them) and maker: a generator's id or `COLUMNS[1]`; None: real rows."""


@dataclass(frozen=True, order=True)
class Pick:
    """A row that is shown; those of lower rank come first. row: its number in the shard. kind: one
    of `COLUMNS`."""

    rank: int
    shard: str
    row: int
    class_name: str
    kind: str


@dataclass(frozen=True)
class Shown:
    """What is shown of a row. image: encoded bytes, empty where it holds none. kind: one of
    `COLUMNS`. sample_id, generator: None where the row has none."""

    image: bytes
    class_name: str
    kind: str
    sample_id: str | None = None
    generator: str | None = None


def choose(data: DataSet, split: str, per_class: int) -> tuple[dict[Key, list[Pick]], list[str]]:
    """The rows to show, and the classes that have some, in the order of the class list."""
    picks: dict[Key, list[Pick]] = {}
    listed: tuple[str, ...] = ()
    for shard in data.shards:
        start = 0
        for facts in read_facts(data, shard, _NARROW):
            listed = max(listed, facts.classes, key=len)
            for key, rank, row in _lowest(facts, split, per_class):
                best = [*picks.get(key, []), Pick(rank, shard.path, start + row, *key)]
                picks[key] = sorted(best)[:per_class]
            start += facts.rows.num_rows
    have = {name for name, _ in picks}
    return picks, [n for n in listed if n in have] + sorted(have - set(listed))


def lowest(data: DataSet, parts: Collection[Part], most: int) -> dict[Part, list[Pick]]:
    """Of each part its rows of lowest rank, at most `most`; parts without rows are left out."""
    found: dict[Part, list[Pick]] = {}
    for shard in data.shards if parts else ():
        start = 0
        for facts in read_facts(data, shard, _NARROW):
            kinds = _kinds(facts.rows)
            for part in parts:
                some = [Pick(rank, shard.path, start + row, *key)
                        for rank, row, key in _of_part(facts.rows, kinds, part, most)]  # fmt: skip
                if some:
                    found[part] = sorted([*found.get(part, []), *some])[:most]
            start += facts.rows.num_rows
    return found


def find(data: DataSet, ids: Collection[str]) -> dict[str, Pick]:
    """The rows with these sample ids; those that the version has not are left out."""
    found: dict[str, Pick] = {}
    wanted = pa.array(sorted(ids), pa.string())
    for shard in data.shards if len(wanted) else ():
        start = 0
        for facts in read_facts(data, shard, ("sample_id",)):
            for name, row, key in _with_ids(facts, wanted):
                found.setdefault(name, Pick(0, shard.path, start + row, *key))
            start += facts.rows.num_rows
    return found


def read_rows(
    data: DataSet, picks: Collection[Pick], *, without_images: bool = False
) -> dict[Pick, Shown]:
    """What is shown of the picks, one row group at a time. without_images: shards may have none.

    Raises:
        RequestError: a shard has no images. StorageError: it cannot be read.
    """
    return dict(each_row(data, picks, without_images=without_images))


def each_row(
    data: DataSet, picks: Collection[Pick], *, without_images: bool = False
) -> Iterator[tuple[Pick, Shown]]:
    """As `read_rows`, one after the other in the order of the data set: images of one row group are
    held at once."""
    of_shard: dict[str, list[Pick]] = {}
    for pick in picks:
        of_shard.setdefault(pick.shard, []).append(pick)
    for shard in data.shards:
        if wanted := of_shard.get(shard.path):
            yield from _read_shard(data, shard, sorted(wanted), without_images)


def small(data: bytes, size: int, *, enlarge: bool) -> Image.Image | None:
    """The image inside a square of `size` pixels; None if it cannot be decoded, or not in time.
    enlarge: also a smaller one, without smoothing."""
    image = alone(lambda: _decoded(data), None)
    if image is None:
        return None
    scale = size / max(image.size)
    if scale > 1 and not enlarge:
        return image
    target = tuple(max(1, round(edge * scale)) for edge in image.size)
    smooth = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize((target[0], target[1]), smooth)


def _lowest(facts: Facts, split: str, per_class: int) -> Iterator[tuple[Key, int, int]]:
    """(key, rank, row) of the rows of lowest rank in a batch; no Python object per row."""
    rows = facts.rows
    numbers = pa.array(np.arange(rows.num_rows))
    key = pc.binary_join_element_wise(rows["label_name"], _kinds(rows), _SEPARATOR)
    rank = rows["rank"] if "rank" in rows.schema.names else numbers
    table = pa.table({"key": key, "rank": rank, "row": numbers})
    table = table.filter(pc.equal(rows["split"], split))
    if not table.num_rows:
        return
    table = table.sort_by([(name, "ascending") for name in ("key", "rank", "row")])
    codes = table["key"].combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    place = np.arange(codes.size) - np.repeat(starts, np.diff(np.append(starts, codes.size)))
    for line in table.filter(pa.array(place < per_class)).to_pylist():
        name, _, kind = line["key"].rpartition(_SEPARATOR)
        yield (name, kind), line["rank"], line["row"]


def _of_part(
    rows: pa.Table, kinds: pa.Array, part: Part, most: int
) -> Iterator[tuple[int, int, Key]]:
    """(rank, row, key) of the rows of lowest rank of a part in a batch."""
    split, name, maker = part
    if maker in (None, COLUMNS[1]):
        mask = pc.equal(kinds, COLUMNS[0 if maker is None else 1])
    else:
        made = pc.fill_null(rows["generator"], COLUMNS[2])
        mask = pc.and_(pc.equal(kinds, COLUMNS[2]), pc.equal(made, maker))
    for column_name, value in (("split", split), ("label_name", name)):
        if value is not None:
            mask = pc.and_(mask, pc.equal(rows[column_name], value))
    at = np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))
    rank = rows["rank"].to_numpy()[at] if "rank" in rows.schema.names else at
    for place in np.lexsort((at, rank))[:most].tolist():
        row = int(at[place])
        key = (rows["label_name"][row].as_py(), kinds[row].as_py())
        yield int(rank[place]), row, key


def _kinds(rows: pa.Table) -> pa.Array:
    """Which of `COLUMNS` each row is of."""
    real = pc.equal(rows["origin"], Origin.REAL.value)
    return pc.if_else(rows["generated"], COLUMNS[2], pc.if_else(real, COLUMNS[0], COLUMNS[1]))


def _with_ids(facts: Facts, wanted: pa.Array) -> Iterator[tuple[str, int, Key]]:
    """(id, row, key) of the rows of a batch whose id is wanted."""
    if "sample_id" not in facts.rows.column_names:
        return
    ids = facts.rows["sample_id"].cast(pa.string())
    kinds = _kinds(facts.rows)
    for row in pc.indices_nonzero(pc.is_in(ids, value_set=wanted)).to_pylist():
        yield ids[row].as_py(), row, (facts.rows["label_name"][row].as_py(), kinds[row].as_py())


def _read_shard(
    data: DataSet, shard: Shard, wanted: list[Pick], without_images: bool
) -> Iterator[tuple[Pick, Shown]]:
    start = 0
    with open_shard(data, shard) as file:
        have = file.schema_arrow.names
        if "image" not in have and not without_images:
            raise RequestError(f"{data.name}: shard {shard.path} has no column image to show")
        names = [name for name in ("sample_id", "generator") if name in have]
        image = ["image"] if "image" in have else []
        for group in range(file.num_row_groups):
            stop = start + file.rows_in(group)
            here = [pick for pick in wanted if start <= pick.row < stop]
            if here:
                images = file.read_row_group(group, columns=image)
                narrow = file.read_row_group(group, columns=names).combine_chunks()
                for pick in here:
                    at = pick.row - start
                    encoded = image_bytes(images["image"][at].as_py()) if image else b""
                    ids = [_text(narrow, name, at) for name in ("sample_id", "generator.id")]
                    yield pick, Shown(encoded, pick.class_name, pick.kind, *ids)
            start = stop


def _text(table: pa.Table, name: str, row: int) -> str | None:
    found = column(table.slice(row, 1).to_batches()[0], name) if table.num_columns else None
    value = None if found is None else found[0].as_py()
    return None if value is None else str(value)


def _decoded(data: bytes) -> Image.Image | None:
    try:
        return Image.fromarray(decode(data, Errors().max_pixels))
    except SampleError:
        return None
