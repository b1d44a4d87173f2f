"""A contact sheet: some images of every class, real, augmented and generated side by side.

Rows are classes, columns are grouped by origin; each cell shows the row of the next lowest
rank, so the same version gives the same picture. Reads narrow columns of all shards and
the images of those row groups that hold a chosen row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from augment import escaping
from augment.audit.facts import Facts, read_facts
from augment.audit.patience import alone
from augment.audit.table import DataSet, Options, Shard, image_bytes, open_data_set, open_shard
from augment.codec import decode
from augment.errors import RequestError, SampleError
from augment.sample import KINDS, Origin
from augment.spec.models import Errors
from augment.storage import writing_file

COLUMNS = tuple(KINDS)
"""Groups of columns. generated: classical copies of generated rows included."""

_PAPER, _INK, _EMPTY = (255, 255, 255), (60, 60, 60), (238, 238, 238)
_GAP, _GROUP_GAP = 2, 14  # pixels
_LONGEST = 40  # characters of a class's name
_MOST = 50  # classes that are shown unless others are asked for
_SEPARATOR = "\0"
_Key = tuple[str, str]  # class, group of columns


@dataclass(frozen=True, order=True)
class _Pick:
    """A row that is shown; those of lower rank come first. row: its number in the shard."""

    rank: int
    shard: str
    row: int


def contact_sheet(
    uri: str,
    path: str | os.PathLike[str],
    *,
    per_class: int = 4,
    tile: int = 64,
    split: str = "train",
    classes: Sequence[str] | None = None,
    columns: Sequence[str] = COLUMNS,
    version: int | None = None,
    options: Options | None = None,
) -> None:
    """Write the sheet to the local file `path` as PNG.

    per_class: images per class and group. tile: edge of one image in pixels; small images
    are enlarged without smoothing. classes: None for all that have rows in the split.
    columns: which of `COLUMNS`; those without any row are left out.

    Raises:
        RequestError: no data set, nothing to show, a bad name or size, a path that cannot
            be written. StorageError: a shard cannot be read.
    """
    _check(path, per_class, tile, columns)
    data = open_data_set(uri, version, options)
    picks, known = _choose(data, split, per_class)
    names = list(known[:_MOST] if classes is None else classes)
    picks = {k: rows for k, rows in picks.items() if k[0] in names and k[1] in columns}
    if not picks:
        wanted = "" if classes is None else f" of the classes {', '.join(classes)}"
        raise RequestError(
            f"{data.name}: split {split!r} holds no rows{wanted} to show; name a split and "
            "classes that have rows"
        )
    images = _read_images(data, {pick for rows in picks.values() for pick in rows})
    shown = [name for name in columns if any(key[1] == name for key in picks)]
    tiles = {key: [_tile(images[pick], tile) for pick in rows] for key, rows in picks.items()}
    sheet = _draw(tiles, names, shown, per_class, tile)
    try:
        with writing_file(path) as file:
            sheet.save(file, format="PNG")
    except OSError as error:
        raise RequestError(
            f"sheet: {os.fspath(path)} cannot be written ({error.strerror or error}); "
            "name a file in a folder that exists"
        ) from error


def _check(path: str | os.PathLike[str], per_class: int, tile: int, columns: Sequence[str]) -> None:
    if not os.fspath(path).lower().endswith(".png"):
        raise RequestError(f"sheet: got the file {os.fspath(path)!r}; expected a name in .png")
    if not 1 <= per_class <= 64 or not 8 <= tile <= 1024:
        raise RequestError(
            f"sheet: got per_class {per_class} and tile {tile}; expected 1 to 64 and 8 to 1024"
        )
    for name in columns:
        if name not in COLUMNS:
            raise RequestError(f"sheet: got column {name!r}; expected {', '.join(COLUMNS)}")


def _choose(data: DataSet, split: str, per_class: int) -> tuple[dict[_Key, list[_Pick]], list[str]]:
    """The rows to show, and the classes that have some, in the order of the class list."""
    picks: dict[_Key, list[_Pick]] = {}
    listed: tuple[str, ...] = ()
    for shard in data.shards:
        start = 0
        for facts in read_facts(data, shard):
            listed = max(listed, facts.classes, key=len)
            for key, rank, row in _lowest(facts, split, per_class):
                best = [*picks.get(key, []), _Pick(rank, shard.path, start + row)]
                picks[key] = sorted(best)[:per_class]
            start += facts.rows.num_rows
    have = {name for name, _ in picks}
    return picks, [n for n in listed if n in have] + sorted(have - set(listed))


def _lowest(facts: Facts, split: str, per_class: int) -> Iterator[tuple[_Key, int, int]]:
    """(key, rank, row) of the rows of lowest rank in a batch; no Python object per row."""
    rows = facts.rows
    numbers = pa.array(np.arange(rows.num_rows))
    real = pc.equal(rows["origin"], Origin.REAL.value)
    group = pc.if_else(rows["generated"], COLUMNS[2], pc.if_else(real, COLUMNS[0], COLUMNS[1]))
    key = pc.binary_join_element_wise(rows["label_name"], group, _SEPARATOR)
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
        name, _, column = line["key"].rpartition(_SEPARATOR)
        yield (name, column), line["rank"], line["row"]


def _read_images(data: DataSet, picks: set[_Pick]) -> dict[_Pick, bytes]:
    """Encoded images of the picks, one row group at a time."""
    images: dict[_Pick, bytes] = {}
    for shard in data.shards:
        wanted = [pick for pick in picks if pick.shard == shard.path]
        if wanted:
            images |= _read_shard(data, shard, wanted)
    return images


def _read_shard(data: DataSet, shard: Shard, wanted: list[_Pick]) -> dict[_Pick, bytes]:
    images: dict[_Pick, bytes] = {}
    start = 0
    with open_shard(data, shard) as file:
        if "image" not in file.schema_arrow.names:
            raise RequestError(f"{data.name}: shard {shard.path} has no column image to show")
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            here = [pick for pick in wanted if start <= pick.row < stop]
            if here:
                column = file.read_row_group(group, columns=["image"])["image"]
                for pick in here:
                    images[pick] = image_bytes(column[pick.row - start].as_py())
            start = stop
    return images


def _tile(data: bytes, size: int) -> Image.Image | None:
    """The image inside a square of `size` pixels; None if it cannot be decoded, or not in time."""
    image = alone(lambda: _decoded(data), None)
    if image is None:
        return None
    scale = size / max(image.size)
    target = tuple(max(1, round(edge * scale)) for edge in image.size)
    smooth = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize((target[0], target[1]), smooth)


def _decoded(data: bytes) -> Image.Image | None:
    try:
        return Image.fromarray(decode(data, Errors().max_pixels))
    except SampleError:
        return None


def _draw(
    tiles: Mapping[_Key, Sequence[Image.Image | None]],
    names: Sequence[str],
    columns: Sequence[str],
    per_class: int,
    tile: int,
) -> Image.Image:
    font = ImageFont.load_default(max(10, min(16, tile // 4)))
    shown = {name: escaping.name(name, _LONGEST) for name in names}
    left = min(200, max(round(font.getlength(text)) for text in shown.values())) + 10
    top = round(font.getbbox("Ag")[3]) + 8
    step, band = tile + _GAP, per_class * (tile + _GAP)
    width = left + len(columns) * band + (len(columns) - 1) * _GROUP_GAP + _GAP
    sheet = Image.new("RGB", (width, top + len(names) * step + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for g, column in enumerate(columns):
        x0 = left + g * (band + _GROUP_GAP)
        pen.text((x0, 2), column, fill=_INK, font=font)
        for r, name in enumerate(names):
            y0 = top + r * step
            pen.text((4, y0 + tile // 2), shown[name], fill=_INK, font=font, anchor="lm")
            found = tiles.get((name, column), ())
            for c in range(per_class):
                image = found[c] if c < len(found) else None
                _paste(sheet, pen, image, (x0 + c * step, y0), tile)
    return sheet


def _paste(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    image: Image.Image | None,
    at: tuple[int, int],
    tile: int,
) -> None:
    x, y = at
    if image is None:
        pen.rectangle((x, y, x + tile - 1, y + tile - 1), fill=_EMPTY)
    else:
        sheet.paste(image, (x + (tile - image.width) // 2, y + (tile - image.height) // 2))
