"""Every format in one job: bytes pass through, copies are made, losses and marks are told, and
the reader that the README names sees what the columns say."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from augment.api import audit, load_spec, open_dataset, run
from augment.sample import DigitalSourceType
from augment.write import read_xmp
from tests.codec import profiles
from tests.codec.files import (
    app,
    chunk,
    in_jpeg,
    in_png,
    oriented,
    picture,
    raw_profile,
    saved,
    text_chunk,
    xmp,
)
from tests.end_to_end.jobs import rows_of
from tests.end_to_end.test_bad_input import photo_job, put

pillow_heif.register_heif_opener()
IMAGE = picture(48, 32)
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
TRAINED = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value
SAYS_SO = xmp(more=f' Iptc4xmpExt:DigitalSourceType="{TRAINED}"')
FILES: Mapping[str, bytes] = {
    "stereo.mpo": saved(IMAGE, "MPO", save_all=True, append_images=[picture(48, 32, 5)]),
    "scan.jfif": saved(IMAGE, "JPEG"),
    "new.avif": saved(IMAGE, "AVIF"),
    "phone.heic": saved(IMAGE, "HEIF"),
    "moving.png": saved(IMAGE, "PNG", save_all=True, append_images=[picture(48, 32, 6)]),
    "moving.gif": saved(IMAGE.quantize(32), "GIF", save_all=True, append_images=[IMAGE]),
    "turned.jpg": in_jpeg(saved(IMAGE, "JPEG"), app(0xE1, XMP_NAME + xmp("6"))),
    "turned.png": in_png(saved(IMAGE, "PNG"), chunk(b"eXIf", oriented(8))),
    "magick.png": in_png(
        saved(IMAGE, "PNG"),
        text_chunk(b"zTXt", b"Raw profile type exif", raw_profile(b"Exif\0\0" + oriented(6))),
    ),
    "wide.png": saved(IMAGE, "PNG", icc_profile=profiles.rgb("Display P3", profiles.P3)),
    "clear.png": saved(Image.merge("RGBA", (*IMAGE.split(), IMAGE.split()[0])), "PNG"),
    "says.jpg": in_jpeg(saved(IMAGE, "JPEG"), app(0xE1, XMP_NAME + SAYS_SO)),
}
LOST: Mapping[str, Any] = {
    "stereo.mpo": {"pictures": "the first of several"},
    "moving.png": {"pictures": "the first of several"},
    "moving.gif": {"pictures": "the first of several"},
    "wide.png": {"icc": "Display P3 -> sRGB"},
    "clear.png": {"alpha": "dropped"},
    "says.jpg": {"marks": ["xmp:trainedAlgorithmicMedia"]},
}
Done = tuple[Path, dict[tuple[str, str], dict[str, Any]]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """(file name, "real" or "copy") -> row."""
    root = tmp_path_factory.mktemp("formats")
    put(root / "data/train/cat", FILES)
    result = run(load_spec(photo_job(root)), engine="local")
    rows = rows_of(open_dataset(result.output).to_table())
    names = {r["sample_id"]: r["source"]["locator"] for r in rows if r["origin"] == "real"}
    found = {}
    for row in rows:
        real = row["origin"] == "real"
        place = row["source"]["locator"] if real else names[row["parents"][0]["sample_id"]]
        found[place.removeprefix("train/cat/"), "real" if real else "copy"] = row
    return Path(result.output), found


def test_every_file_is_a_row_and_has_its_copy(done: Done) -> None:
    assert set(done[1]) == {(name, kind) for name in FILES for kind in ("real", "copy")}


@pytest.mark.parametrize("name", FILES)
def test_bytes_pass_through_and_columns_say_what_is_shown(name: str, done: Done) -> None:
    row = done[1][name, "real"]
    assert row["image"]["bytes"] == FILES[name]
    shown = datasets.Image().decode_example(row["image"])
    assert (row["width"], row["height"]) == shown.size
    copy = done[1][name, "copy"]
    assert (copy["width"], copy["height"]) == shown.size
    assert Image.open(io.BytesIO(copy["image"]["bytes"])).size == shown.size


@pytest.mark.parametrize("name", FILES)
def test_a_copy_is_the_flipped_parent_and_says_what_it_lost(name: str, done: Done) -> None:
    copy = done[1][name, "copy"]
    steps = {step["op"]: json.loads(step["params"]) for step in copy["transforms"]}
    assert copy["transforms"][0]["op"] == "augmentation"
    assert steps.get("decode", {}) == LOST.get(name, {})
    parent = Image.open(io.BytesIO(FILES[name]))
    if name != "wide.png":  # converted: see tests/codec/test_colour.py
        expected = ImageOps.mirror(ImageOps.exif_transpose(parent).convert("RGB"))
        pixels = np.asarray(Image.open(io.BytesIO(copy["image"]["bytes"])).convert("RGB"))
        lossless = name.endswith((".png", ".gif"))
        difference = np.abs(pixels.astype(int) - np.asarray(expected)).mean()
        assert difference == 0 if lossless else difference < 40  # noise, and a JPEG of it


def test_what_a_file_says_of_itself_stands_in_the_row_and_in_its_copy(done: Done) -> None:
    real, copy = done[1]["says.jpg", "real"], done[1]["says.jpg", "copy"]
    assert real["marks"] == ["xmp:trainedAlgorithmicMedia"]
    assert (real["generated"], real["digital_source_type"]) == (False, None)  # the owner's word
    assert copy["digital_source_type"] == TRAINED
    assert copy["marks"] == ["xmp"]
    mark = read_xmp(copy["image"]["bytes"])
    assert mark is not None
    assert (mark.sample_id, mark.digital_source_type) == (copy["sample_id"], TRAINED)
    other = done[1]["scan.jfif", "copy"]
    assert other["digital_source_type"].endswith("/algorithmicallyEnhanced")
    assert other["marks"] == []


def test_the_audit_warns_of_real_images_that_say_they_are_made(done: Done) -> None:
    report = audit(str(done[0]), verify=True)
    assert report.ok
    (found,) = [f for f in report.findings if f.check == "claims"]
    assert (found.n, found.warns) == (1, True)
    assert "1 of 12 untouched real images say of themselves that a machine made them" in found.text
    assert "(by class 'cat': 1)" in found.text


def test_an_image_that_pillow_refuses_passes_through_has_copies_and_is_told(
    tmp_path: Path,
) -> None:
    """PNGs as node editors write them: more text than Pillow's bound."""
    flow = in_png(saved(IMAGE, "PNG"), text_chunk(b"zTXt", b"workflow", bytes(3_000_000)))
    put(tmp_path / "data/train/cat", {"flow.png": flow, "ok.png": saved(IMAGE, "PNG")})
    result = run(load_spec(photo_job(tmp_path)), engine="local")
    rows = rows_of(open_dataset(result.output).to_table())
    assert sorted(row["origin"] for row in rows) == ["augmented", "augmented", "real", "real"]
    assert flow in [row["image"]["bytes"] for row in rows]
    with pytest.raises(ValueError, match="Decompressed data too large"):
        datasets.Image().decode_example({"path": None, "bytes": flow})
    report = audit(result.output, verify=True)
    assert report.ok
    (found,) = [f for f in report.findings if f.check == "readers"]
    assert (found.n, found.warns) == (1, True)
    assert "train/cat/flow.png: its chunk zTXt unpacks to more than 1048576 bytes" in found.text
    assert "LOAD_TRUNCATED_IMAGES" in found.text


def test_where_every_image_opens_the_audit_says_so(done: Done) -> None:
    checks = {check.name: check for check in audit(str(done[0])).checks}
    assert checks["readers"].passed is True


def test_what_generators_are_fed_with_is_upright(tmp_path: Path) -> None:
    """`tint` keeps the size of its source."""
    put(tmp_path / "data/train/cat", {name: FILES[name] for name in ("turned.jpg", "turned.png")})
    document = photo_job(
        tmp_path,
        augmentations=[],
        generators={"tint": {"family": "tint"}},
        synthesize=[{"generators": ["tint"], "input": {"per_image": 1}}],
        output={"uri": str(tmp_path / "out"), "image": {"format": "png"}},
    )
    result = run(load_spec(document), engine="local")
    rows = rows_of(open_dataset(result.output).to_table())
    sizes = {(row["origin"], row["width"], row["height"]) for row in rows}
    assert sizes == {("real", 32, 48), ("translated", 32, 48)}
