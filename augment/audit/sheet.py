"""A contact sheet: some images of every class, real, augmented and generated side by side.

Rows are classes, columns are grouped by origin; each cell shows the row of the next lowest
rank, so the same version gives the same picture. Reads narrow columns of all shards and
the images of those row groups that hold a chosen row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from augment import escaping
from augment.audit.outside import check_file
from augment.audit.picks import COLUMNS, Key, choose, read_rows, small
from augment.audit.table import Options, open_data_set
from augment.errors import RequestError
from augment.places import is_local, place_of
from augment.storage import writing_file

_PAPER, _INK, _EMPTY = (255, 255, 255), (60, 60, 60), (238, 238, 238)
_GAP, _GROUP_GAP = 2, 14  # pixels
_LONGEST = 40  # characters of a class's name
_MOST = 50  # classes that are shown unless others are asked for


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
            be written or lies in the data set. StorageError: a shard cannot be read.
    """
    _check(path, per_class, tile, columns)
    _check_place(os.fspath(path), uri)
    data = open_data_set(uri, version, options)
    picks, known = choose(data, split, per_class)
    names = list(known[:_MOST] if classes is None else classes)
    picks = {k: rows for k, rows in picks.items() if k[0] in names and k[1] in columns}
    if not picks:
        wanted = "" if classes is None else f" of the classes {', '.join(classes)}"
        raise RequestError(
            f"{data.name}: split {split!r} holds no rows{wanted} to show; name a split and "
            "classes that have rows"
        )
    rows_of = read_rows(data, {pick for rows in picks.values() for pick in rows})
    shown = [name for name in columns if any(key[1] == name for key in picks)]
    tiles = {
        key: [small(rows_of[pick].image, tile, enlarge=True) for pick in rows]
        for key, rows in picks.items()
    }
    sheet = _draw(tiles, names, shown, per_class, tile)
    try:
        with writing_file(place_of(os.fspath(path), "sheet").uri) as file:
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


def _check_place(path: str, uri: str) -> None:
    above, _ = check_file("sheet", path, uri)
    if not is_local(above):
        raise RequestError(f"sheet: got {path}; expected a file of this machine: copy it there")


def _draw(
    tiles: Mapping[Key, Sequence[Image.Image | None]],
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
