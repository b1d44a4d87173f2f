"""Metadata never costs the picture: damaged, huge or hostile, it is left alone."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from augment import codec
from augment.errors import SampleError
from tests.codec.files import (
    SHORT,
    app,
    chunk,
    in_jpeg,
    in_png,
    oriented,
    picture,
    saved,
    text_chunk,
    tiff,
    xmp,
)

MAX = 10**6
IMAGE = picture(24, 16)
PIXELS = np.asarray(IMAGE)
PNG = saved(IMAGE, "PNG")
JPEG = saved(IMAGE, "JPEG", quality=95)


def wrong(piece: bytes) -> bytes:
    """A chunk with a wrong checksum."""
    return piece[:-1] + bytes((piece[-1] ^ 1,))


def check_readers(data: bytes, header: codec.Header) -> None:
    """What is said of Pillow is so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = codec.refusal(data, header)
    assert bool(said) == (not pillow_opens(data))


def pillow_opens(data: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                ImageOps.exif_transpose(image)
        except Exception:
            return False
    return True


BIG = zlib.compress(bytes(3_000_000))
PIECES = {
    "a text of 3 MB, packed": chunk(b"zTXt", b"workflow\0\0" + BIG),
    "an international text of 3 MB": chunk(b"iTXt", b"prompt\0\1\0\0\0" + BIG),
    "a profile of 3 MB": chunk(b"iCCP", b"icc\0\0" + BIG),
    "a text of 70 MB": chunk(b"tEXt", b"k\0" + bytes(70_000_000)),
    "a text with a wrong checksum": wrong(chunk(b"tEXt", b"k\0v")),
    "a size with a wrong checksum": wrong(chunk(b"pHYs", bytes(9))),
    "a gamma that is cut": chunk(b"gAMA", b"\0"),
    "chromaticities that are cut": chunk(b"cHRM", bytes(31)),
    "an intent that is empty": chunk(b"sRGB", b""),
    "transparency that is cut": chunk(b"tRNS", b"\0"),
    "a text packed by no method": chunk(b"zTXt", b"k\0\1abc"),
    "a profile packed by no method": chunk(b"iCCP", b"k\0\1abc"),
    "a profile that is no zlib stream": chunk(b"iCCP", b"k\0\0abcabc"),
    "EXIF that is none": chunk(b"eXIf", b"junkjunk"),
    "a raw profile that is none": text_chunk(b"tEXt", b"Raw profile type exif", b"\nexif\n 3\nzz"),
    "a text called xmp": chunk(b"tEXt", b"xmp\0hello"),
    "a text called transparency": chunk(b"tEXt", b"transparency\0hello"),
    "a frame outside the picture": chunk(b"acTL", struct.pack(">II", 2, 0))
    + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 640, 48, 0, 0, 1, 1, 0, 0)),
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("behind", [False, True])
def test_no_chunk_beside_the_picture_costs_a_png(name, behind):
    data = in_png(PNG, PIECES[name], behind=behind)
    header = codec.verify(data, MAX)
    assert (header.width, header.height) == (24, 16)
    if name != "a profile of 3 MB":
        np.testing.assert_array_equal(codec.decode(data, MAX), PIXELS)
    check_readers(data, header)
    assert codec.style_of(data, MAX).format == "png"


def test_doubts_without_end_are_told_in_a_line():
    """A file may have one for each of its chunks; the line stands in records and in the audit."""
    pieces = [wrong(chunk(b"ab%c%c" % (65 + n // 26, 97 + n % 26), b"")) for n in range(400)]
    data = in_png(PNG, PIECES["a text of 3 MB, packed"], *pieces)
    header = codec.verify(data, MAX)
    assert len(header.doubts) == 401
    said = codec.refusal(data, header)
    assert said == (
        "its chunk zTXt unpacks to more than 1048576 bytes; the checksum of its chunk abAa is "
        "wrong; the checksum of its chunk abAb is wrong; and 398 more"
    )


@pytest.mark.parametrize("cut", [1, 5, 13, 200, 508])
def test_a_png_that_ends_behind_its_picture_is_whole(cut):
    data = in_png(PNG, chunk(b"tEXt", b"k\0" + b"v" * 500), behind=True)[:-cut]
    np.testing.assert_array_equal(codec.decode(data, MAX), PIXELS)
    header = codec.verify(data, MAX)
    assert header.doubts
    check_readers(data, header)


def test_what_says_what_the_picture_is_still_counts():
    at = PNG.index(b"IDAT")
    length = int.from_bytes(PNG[at - 4 : at], "big")
    cases = {
        "a size with a wrong checksum": PNG[:32] + bytes((PNG[32] ^ 1,)) + PNG[33:],
        "pixels that are cut": PNG[: at + 4 + length // 2],
        "damaged pixels": PNG[: at + 30] + bytes(20) + PNG[at + 50 :],
        "a second head": PNG[:33] + PNG[8:],
        "a chunk that one must know, damaged": in_png(PNG, wrong(chunk(b"QLTE", bytes(6)))),
        "no pixels": PNG[: at - 4] + PNG[-12:],
        "no head": PNG[:8] + PNG[33:],
    }
    for name, data in cases.items():
        with pytest.raises(SampleError) as error:
            codec.verify(data, MAX)
        assert error.value.reason in ("truncated", "undecodable"), name


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"pHYs",
                 b"tRNS", b"tIME", b"bKGD", b"caBX", b"xxXx", b"acTL", b"sPLT", b"hIST")
            ),
            st.one_of(
                st.binary(max_size=40),
                st.builds(
                    lambda key, text: key + b"\0" + text,
                    st.sampled_from((b"exif", b"xmp", b"k", b"", b"XML:com.adobe.xmp", b"loop",
                                     b"Raw profile type exif", b"interlace", b"icc_profile")),
                    st.binary(max_size=30),
                ),
            ),
            st.booleans(),
        ),
        max_size=4,
    ),
    st.booleans(),
)  # fmt: skip
def test_any_chunk_costs_nothing_but_itself(pieces, behind):
    """Pixels are those of the picture, turned as Pillow turns it if it opens the file."""
    chunks = [
        wrong(chunk(kind, body)) if broken else chunk(kind, body) for kind, body, broken in pieces
    ]
    data = in_png(PNG, *chunks, behind=behind)
    read = codec.read(data, MAX)
    assert sorted(read.image.shape) == sorted(PIXELS.shape)
    check_readers(data, read.header)


@pytest.mark.parametrize(
    "piece",
    [
        app(0xE0, b"JFIF\0\1"),
        app(0xEE, b"Adobe"),
        app(0xE2, b"ICC_PROFILE\0"),
        app(0xE2, b"ICC_PROFILE\0\1\3abc"),
        app(0xE2, b"MPF\0II*\0junk"),
        app(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4"),
        app(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\x40"),
        app(0xE1, b"Exif\0\0junkjunk"),
        app(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        app(0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe broken <"),
        app(0xEB, b"JP"),
        b"\xff\x01",
        b"".join(app(0xE2, b"ICC_PROFILE\0" + bytes((n, 255)) + bytes(65_000)) for n in range(255)),
    ],
    ids=lambda piece: repr(piece[4:30]),
)
def test_no_segment_beside_the_picture_costs_a_jpeg(piece):
    data = in_jpeg(JPEG, piece)
    header = codec.verify(data, MAX)
    np.testing.assert_array_equal(codec.decode(data, MAX), codec.decode(JPEG, MAX))
    check_readers(data, header)


def test_no_segment_costs_a_cmyk_jpeg():
    """Which Pillow decodes, so it must not see what it trips over."""
    plain = saved(IMAGE.convert("CMYK"), "JPEG")
    data = in_jpeg(plain, app(0xE0, b"JFIF\0\1"), app(0xED, b"Photoshop 3.0\x008BIM\4\4"))
    np.testing.assert_array_equal(codec.decode(data, MAX), codec.decode(plain, MAX))
    codec.verify(data, MAX)


@pytest.mark.parametrize("kind", ["EXIF", "XMP ", "ICCP"])
def test_no_chunk_costs_a_webp(kind):
    data = saved(IMAGE, "WEBP", lossless=True, exif=b"Exif\0\0" + oriented(1), xmp=xmp("1"),
                 icc_profile=b"a profile")  # fmt: skip
    at = data.index(kind.encode())
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    broken = data[: at + 8] + b"\xff" * length + data[at + 8 + length :]
    np.testing.assert_array_equal(codec.decode(broken, MAX), PIXELS)
    if kind == "XMP ":  # it is the last: the file may end in it
        np.testing.assert_array_equal(codec.decode(data[: at + 20], MAX), PIXELS)
        assert codec.verify(data[: at + 20], MAX).doubts


def test_a_webp_that_is_cut_behind_its_picture_is_still_turned():
    data = saved(IMAGE, "WEBP", lossless=True, exif=b"Exif\0\0" + oriented(6), xmp=xmp("1"))
    cut = data[: data.index(b"XMP ") + 20]
    np.testing.assert_array_equal(codec.decode(cut, MAX), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    "tags",
    [
        [(700, 2, list(b"an XMP packet as text\0"))],
        [(34665, 4, [1 << 30])],
        [(34665, 4, [0]), (34853, 4, [3])],
        [(34675, 7, list(b"no profile at all"))],
        [(270, 12, [float("nan")]), (315, 5, [(0, 0)])],
        [(33723, 7, [0] * 50), (34377, 7, list(b"8BIM"))],
    ],
)
def test_no_tag_beside_the_picture_costs_a_tiff(tags):
    data = tiff(IMAGE, tags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = codec.verify(data, MAX)
        np.testing.assert_array_equal(codec.decode(data, MAX), PIXELS)
    check_readers(data, header)


def test_a_directory_of_metadata_that_is_too_long_is_left_alone():
    data = tiff(IMAGE, [(34665, 4, [8])])  # it points into pixels, which say 60,000 tags
    pixels = np.asarray(IMAGE).copy()
    pixels.flat[:2] = (0xF0, 0xF0)
    data = data[:8] + pixels.tobytes() + data[8 + pixels.nbytes :]
    read = codec.read(data, MAX)
    np.testing.assert_array_equal(read.image, pixels)
    assert read.header.doubts == ("a part of its metadata has over 4096 tags",)


def test_a_tiff_keeps_its_orientation_when_its_metadata_is_left_alone():
    data = tiff(IMAGE, [(274, SHORT, [6]), (700, 2, list(b"an XMP packet as text\0"))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert codec.decode(data, MAX).shape == (24, 16, 3)
        assert codec.read_header(data, MAX).width == 16


def test_exif_that_is_none_does_not_cost_an_avif():
    block = b"Exif\0\0" + oriented(1)
    data = saved(IMAGE, "AVIF", exif=block, quality=100, subsampling="4:4:4")
    at = data.index(b"II*\0")
    broken = data[:at] + b"junk" + data[at + 4 :]
    assert not pillow_opens(broken)
    header = codec.verify(broken, MAX)
    np.testing.assert_array_equal(codec.decode(broken, MAX), codec.decode(data, MAX))
    assert codec.refusal(broken, header)
