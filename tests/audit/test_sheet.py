"""The contact sheet: the right images in the right places, the same picture every time."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment.audit import contact_sheet
from augment.errors import RequestError


def told(uri: str, path: Path, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        contact_sheet(uri, path, **options)
    return str(caught.value)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def tile_of(data: bytes, size: int) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((size, size), Image.Resampling.NEAREST))


def holds(sheet: np.ndarray, tile: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)
    return bool((windows == tile).all(axis=(3, 4, 5)).any())


def test_the_lowest_ranks_of_every_class_and_origin_are_shown(
    digits_set: Any, small_rows: Any, tmp_path: Path
) -> None:
    contact_sheet(digits_set.uri, tmp_path / "a.png", per_class=2, tile=16)
    sheet = pixels(tmp_path / "a.png")
    first, second, _ = small_rows.values()
    shown = [*first[:2], *first[4:8], *second[:5]]
    assert all(holds(sheet, tile_of(row.image, 16)) for row in shown)
    assert not any(holds(sheet, tile_of(row.image, 16)) for row in [first[2], first[3], second[5]])


def test_the_same_version_gives_the_same_picture(digits_set: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        contact_sheet(digits_set.uri, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_columns_without_rows_are_left_out(digits_set: Any, tmp_path: Path) -> None:
    contact_sheet(digits_set.uri, tmp_path / "all.png", per_class=1)
    contact_sheet(digits_set.uri, tmp_path / "test.png", per_class=1, split="test")
    contact_sheet(digits_set.uri, tmp_path / "one.png", per_class=1, columns=["real"])
    widths = {n: pixels(tmp_path / f"{n}.png").shape[1] for n in ("all", "test", "one")}
    assert widths["test"] == widths["one"] < widths["all"]


def test_classes_are_chosen_by_name(digits_set: Any, tmp_path: Path) -> None:
    contact_sheet(digits_set.uri, tmp_path / "a.png", classes=["7", "0"])
    contact_sheet(digits_set.uri, tmp_path / "b.png", classes=["7"])
    assert len(pixels(tmp_path / "a.png")) > len(pixels(tmp_path / "b.png"))


def test_an_image_that_does_not_decode_leaves_its_place_empty(
    builder: Any, small_rows: Any, tmp_path: Path
) -> None:
    (path, rows), *_ = small_rows.items()
    builder.build({path: [replace(rows[0], image=b"no image"), rows[1]]})
    contact_sheet(builder.uri, tmp_path / "a.png", per_class=2, tile=16)
    sheet = pixels(tmp_path / "a.png")
    assert holds(sheet, tile_of(rows[1].image, 16))


def test_errors_name_what_is_wrong(digits_set: Any, tmp_path: Path) -> None:
    uri, path = digits_set.uri, tmp_path / "a.png"
    assert told(uri, tmp_path / "a.jpg") == (
        f"sheet: got the file '{tmp_path}/a.jpg'; expected a name in .png"
    )
    assert told(uri, path, per_class=0) == (
        "sheet: got per_class 0 and tile 64; expected 1 to 64 and 8 to 1024"
    )
    assert told(uri, path, columns=["fake"]) == (
        "sheet: got column 'fake'; expected real, augmented, generated"
    )
    assert told(uri, path, split="val") == (
        f"{uri} (version 0): split 'val' holds no rows to show; "
        "name a split and classes that have rows"
    )
    assert told(uri, path, classes=["9"]) == (
        f"{uri} (version 0): split 'train' holds no rows of the classes 9 to show; "
        "name a split and classes that have rows"
    )
    assert told(uri, tmp_path / "no" / "a.png") == (
        f"sheet: {tmp_path}/no/a.png cannot be written (No such file or directory); "
        "name a file in a folder that exists"
    )


def test_it_does_not_stand_in_the_data_set(digits_set: Any, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(digits_set.uri)
    for folder in (Path(digits_set.uri) / "data", tmp_path / "link"):
        assert "sheet: got the folder" in told(digits_set.uri, folder / "a.png")
        assert not (folder / "a.png").exists()


def test_it_is_a_file_of_this_machine(digits_set: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected a file of this machine"):
        contact_sheet(digits_set.uri, "s3://b/a.png")
    contact_sheet(digits_set.uri, f"file://{tmp_path}/a.png")
    assert (tmp_path / "a.png").is_file()
