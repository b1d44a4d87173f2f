"""Which way up: as Pillow's `exif_transpose` of the installed version and `datasets` show it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from augment import codec
from augment.codec.exif import BrokenMetadataError, orientation
from tests.codec.files import (
    LONG,
    SHORT,
    app,
    chunk,
    exif,
    in_jpeg,
    in_png,
    oriented,
    picture,
    raw_profile,
    saved,
    text_chunk,
    tiff,
    xmp,
)

MAX = 10**6
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"


def shown(data: bytes) -> np.ndarray | None:
    """As a reader of the data set sees it; None where Pillow gives up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except Exception:
            return None


def in_datasets(data: bytes) -> Any:
    return datasets.Image(mode="RGB").decode_example({"path": None, "bytes": data})


def check(data: bytes) -> None:
    """Pixels and sizes are those shown; where Pillow gives up, there is a picture all the same."""
    expected = shown(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header, read = codec.read_header(data, MAX), codec.read(data, MAX)
        verified, refused = codec.verify(data, MAX), codec.refusal(data, header)
    assert read.header.orientation == header.orientation == verified.orientation
    assert (header.height, header.width) == read.image.shape[:2]
    assert (read.style.height, read.style.width) == read.image.shape[:2]
    assert bool(refused) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(read.image, expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_array_equal(read.image, np.asarray(in_datasets(data)))


# ---- carriers: (picture, EXIF block, XMP packet) -> file ----------------------------------

Carrier = Callable[[Image.Image, bytes | None, bytes | None], bytes]


def jpeg_file(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    parts = [] if block is None else [app(0xE1, b"Exif\0\0" + block)]
    parts += [] if packet is None else [app(0xE1, XMP_NAME + packet)]
    return in_jpeg(saved(image, "JPEG", quality=95, subsampling=0), *parts)


def jpeg_with_density(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """Pillow looks for the resolution in EXIF only where JFIF has none."""
    data = jpeg_file(image, block, packet)
    at = data.index(b"JFIF\0")
    return data[: at + 7] + b"\1\0\x48\0\x48" + data[at + 12 :]


def jpeg_in_pieces(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """Two EXIF segments are one block, cut anywhere; of two XMP packets the last counts."""
    parts = []
    if block is not None:
        half = len(block) // 2
        parts += [app(0xE1, b"Exif\0\0" + piece) for piece in (block[:half], block[half:])]
    if packet is not None:
        parts += [app(0xE1, XMP_NAME + xmp("2")), app(0xE1, XMP_NAME + packet)]
    return in_jpeg(saved(image, "JPEG", quality=95, subsampling=0), *parts)


def png_file(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    parts = [] if block is None else [chunk(b"eXIf", block)]
    parts += [] if packet is None else [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)]
    return in_png(saved(image, "PNG"), *parts)


def png_behind(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    parts = [] if block is None else [chunk(b"eXIf", block)]
    parts += [] if packet is None else [text_chunk(b"iTXt", b"XML:com.adobe.xmp", packet)]
    return in_png(saved(image, "PNG"), *parts, behind=True)


def png_damaged_behind(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """With wrong checksums, at which Pillow does not look behind the picture."""
    parts = [] if block is None else [chunk(b"eXIf", block)]
    parts += [] if packet is None else [text_chunk(b"iTXt", b"XML:com.adobe.xmp", packet)]
    damaged = [part[:-1] + bytes((part[-1] ^ 1,)) for part in parts]
    return in_png(saved(image, "PNG"), *damaged, behind=True)


def png_profile(kind: bytes) -> Carrier:
    def made(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
        name = b"Raw profile type exif"
        parts = [] if block is None else [text_chunk(kind, name, raw_profile(b"Exif\0\0" + block))]
        parts += [] if packet is None else [text_chunk(kind, b"XML:com.adobe.xmp", packet)]
        return in_png(saved(image, "PNG"), *parts)

    return made


def png_text(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """The keyword alone makes it EXIF for Pillow."""
    parts = [] if block is None else [text_chunk(b"tEXt", b"exif", block)]
    parts += [] if packet is None else [text_chunk(b"tEXt", b"XML:com.adobe.xmp", packet)]
    return in_png(saved(image, "PNG"), *parts)


def webp_file(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    more = {"exif": block or b"", "xmp": packet or b""}
    return saved(image, "WEBP", lossless=True, **more)


def avif_file(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """Pillow would read the block when it writes it, so another of its length stands in first."""
    how = {"quality": 100, "subsampling": "4:4:4", "speed": 10, "xmp": packet or b""}
    if not block:
        return saved(image, "AVIF", **how)
    block = block.ljust(max(40, len(block) + len(block) % 2), b"\0")
    other = exif([(0x010E, 2, list(b"x" * (len(block) - 26)))])
    data = saved(image, "AVIF", exif=b"Exif\0\0" + other, **how)
    assert data.count(other) == 1
    assert len(other) == len(block)
    return data.replace(other, block)


def tiff_file(image: Image.Image, block: bytes | None, packet: bytes | None) -> bytes:
    """Its own directory is its EXIF: see `test_orientation_tags_of_a_tiff`."""
    return tiff(image, [] if packet is None else [(700, 1, list(packet))])


CARRIERS: dict[str, Carrier] = {
    "jpeg": jpeg_file,
    "jpeg with density": jpeg_with_density,
    "jpeg in pieces": jpeg_in_pieces,
    "png": png_file,
    "png behind the picture": png_behind,
    "png behind the picture, damaged": png_damaged_behind,
    "png, raw profile in tEXt": png_profile(b"tEXt"),
    "png, raw profile in zTXt": png_profile(b"zTXt"),
    "png, raw profile in iTXt": png_profile(b"iTXt"),
    "png, text called exif": png_text,
    "webp": webp_file,
    "avif": avif_file,
    "tiff": tiff_file,
}
VALUES = st.one_of(st.integers(0, 9), st.sampled_from([255, 256, 1536, 65535]))
NUMBERS = (1, SHORT, LONG, 6, 8, 9, 11, 12, 13, 16)


@st.composite
def blocks(draw: st.DrawFn) -> bytes | None:
    """EXIF blocks: sound ones, odd ones, and bytes."""
    how = draw(st.integers(0, 9))
    order = draw(st.sampled_from("<>"))
    if how == 0:
        return None
    if how == 1:
        return draw(st.binary(max_size=40))
    kind = draw(st.sampled_from((*NUMBERS, 2, 5, 7, 10))) if how < 6 else SHORT
    value: Any = draw(VALUES)
    if kind in (1, 2, 6, 7):
        value &= 127
    elif kind == 8:
        value &= 32767
    elif kind in (5, 10):
        value = (value * draw(st.integers(1, 3)), draw(st.integers(0, 3)))
    block = oriented(value, kind, order)
    if how == 2:
        cut = draw(st.integers(0, len(block)))
        return block[:cut]
    if how == 3:
        return exif([(0x0112, kind, [value] * 2), (0x0112, SHORT, [3])], order)
    return block


PACKETS = st.one_of(
    st.none(),
    st.builds(xmp, VALUES.map(str), st.sampled_from(("attribute", "element"))),
    st.just(xmp()),
    st.binary(min_size=1, max_size=30),
)


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.sampled_from(sorted(CARRIERS)), blocks(), PACKETS, st.integers(1, 9), st.integers(1, 9))
@example("jpeg", oriented(6, LONG), None, 5, 3)
@example("jpeg", None, xmp("6"), 5, 3)
@example("png, raw profile in zTXt", oriented(8), None, 5, 3)  # as ImageMagick writes it
@example("jpeg", oriented(6), xmp("8"), 5, 3)  # they disagree: EXIF counts
@example("jpeg", exif([]), xmp("8"), 5, 3)
@example("jpeg", oriented(9), xmp("8"), 5, 3)  # no orientation, but one that is given
@example("jpeg with density", b"junkjunk", xmp("6"), 5, 3)
@example("png", oriented(65536, LONG), None, 5, 3)
@example("png behind the picture, damaged", oriented(6), None, 5, 3)
@example("png behind the picture, damaged", None, xmp("8"), 5, 3)
def test_an_image_is_turned_as_pillow_and_datasets_turn_it(carrier, block, packet, width, height):
    check(CARRIERS[carrier](picture(width, height), block, packet))


@settings(deadline=None, max_examples=120, derandomize=True)
@given(
    st.sampled_from((*NUMBERS, 2, 5, 7, 10)), st.integers(0, 9), PACKETS,
    st.sampled_from("<>"), st.integers(2, 6), st.integers(2, 6),
)  # fmt: skip
def test_orientation_tags_of_a_tiff(kind, value, packet, order, width, height):
    own = (value, 1) if kind in (5, 10) else value
    tags = [(274, kind, [own])] if value else []
    tags += [] if packet is None else [(700, 1, list(packet))]
    check(tiff(picture(width, height), tags, order))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_pillow_writes_what_is_read(fmt, turn):
    pillow_heif = pytest.importorskip("pillow_heif") if fmt == "HEIF" else None
    if pillow_heif is not None:
        pillow_heif.register_heif_opener()
    marked = Image.Exif()
    marked[0x010E] = "a description before it"
    marked[0x0112] = turn
    lossless = {
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
        "HEIF": {"quality": -1, "chroma": 444},
    }
    block = marked.tobytes()
    data = saved(picture(64, 48), fmt, exif=block, **lossless.get(fmt, {}))
    check(data)
    assert codec.read_header(data, MAX).width == (64 if turn < 5 else 48)


@pytest.mark.parametrize(
    "how",
    [
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"compression": "jpeg"},
        {"compression": "packbits"},
        {"big_tiff": True},
        {"save_all": True, "append_images": [picture(3, 5)]},
    ],
    ids=["lzw", "deflate", "jpeg", "packbits", "big", "two pictures"],
)
@pytest.mark.parametrize("turn", [2, 5, 6, 8])
def test_a_tiff_is_turned_however_it_is_packed(how, turn):
    check(saved(picture(9, 7), "TIFF", tiffinfo={274: turn}, **how))


def test_what_the_metadata_of_a_heic_says_is_not_turned_twice():
    """libheif turns the picture itself; EXIF and XMP that say so too are not asked again."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    data = saved(picture(64, 48), "HEIF", exif=b"Exif\0\0" + oriented(6), xmp=xmp("6"), quality=-1)
    check(data)


# ---- the block alone, against Pillow's reader ----------------------------------------------


@settings(deadline=None, max_examples=1500, derandomize=True)
@given(st.one_of(blocks(), st.binary(max_size=120)), st.integers(0, 200), st.integers(0, 255))
def test_any_block_says_what_pillow_reads_in_it(block, at, byte):
    if block is None:
        return
    if at < len(block):
        block = block[:at] + bytes((byte,)) + block[at + 1 :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.new("RGB", (2, 1))
        image.info["exif"] = block
        try:
            way = image.getexif().get(0x0112, 1)
        except Exception:
            with pytest.raises(BrokenMetadataError):
                orientation({"exif": block})
            return
    assert orientation({"exif": block}) == (way if way in range(1, 9) else 1)
