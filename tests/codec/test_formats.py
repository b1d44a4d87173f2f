"""Formats are known by what a file begins with, whatever it is called."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from augment import codec
from augment.codec.formats import format_of, lacking, need, sniff
from augment.errors import SampleError
from tests.codec.files import picture, saved, tiff

pillow_heif.register_heif_opener()
MAX = 10**6
IMAGE = picture(40, 24)
WRITTEN = {
    "jpeg": saved(IMAGE, "JPEG"),
    "png": saved(IMAGE, "PNG"),
    "webp": saved(IMAGE, "WEBP"),
    "gif": saved(IMAGE.quantize(16), "GIF"),
    "bmp": saved(IMAGE, "BMP"),
    "tiff": saved(IMAGE, "TIFF"),
    "ppm": saved(IMAGE, "PPM"),
    "avif": saved(IMAGE, "AVIF"),
    "heic": saved(IMAGE, "HEIF"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_is_known_by_its_first_bytes(name):
    data = WRITTEN[name]
    assert sniff(data[: codec.SNIFF_BYTES]) == format_of(data) == name
    header = codec.verify(data, MAX)
    assert (header.format, header.extension) == (name, codec.EXTENSIONS[name][0])
    assert (header.width, header.height, header.mode) == (40, 24, header.mode)
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(codec.decode(data, MAX), shown)


@pytest.mark.parametrize("name", WRITTEN)
def test_copies_are_written_as_jpeg_where_the_parent_has_losses(name):
    style = codec.style_of(WRITTEN[name], MAX)
    lossy = {"jpeg": 75, "webp": 90, "avif": 90, "heic": 90}
    assert (style.format, style.quality) == (
        ("jpeg", lossy[name]) if name in lossy else ("png", None)
    )
    assert codec.read_header(codec.encode(np.asarray(IMAGE), style), MAX).format == style.format


def test_an_mpo_is_a_jpeg_whose_first_picture_counts():
    other = picture(40, 24, seed=9)
    data = saved(IMAGE, "MPO", save_all=True, append_images=[other])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
        shown = np.asarray(image.convert("RGB"))
    read = codec.read(data, MAX)
    assert (read.header.format, read.header.extension) == ("jpeg", "jpg")
    np.testing.assert_array_equal(read.image, shown)
    assert read.lost == {"pictures": "the first of several"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("HEIF", {"quality": -1, "chroma": 444}),
    ],
)
def test_of_several_pictures_the_first_is_the_image(kind, options):
    first, second = (Image.new("RGB", (16, 16), (level,) * 3) for level in (10, 200))
    data = saved(first, kind, save_all=True, append_images=[second], **options)
    read = codec.read(data, MAX)
    assert np.abs(read.image.astype(int) - 10).max() <= 1
    assert read.lost == {"pictures": "the first of several"}


def test_an_apng_shows_its_default_picture_where_it_has_one():
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (10, 100, 200)]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(codec.decode(data, MAX), shown)
    assert codec.decode(data, MAX)[0, 0, 0] == 10


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        ((b"avif", b"mif1"), "avif"),
        ((b"avis", b"msf1"), "avif"),
        ((b"mif1", b"avif", b"miaf"), "avif"),
        ((b"mif1", b"heic"), "heic"),
        ((b"heix", b"mif1"), "heic"),
        ((b"hevc",), "heic"),
        ((b"isom", b"mp42"), None),
        ((b"qt  ",), None),
        ((b"mif1", b"jpeg"), None),
        ((b"heic", b"avif"), "heic"),  # the major brand comes first
    ],
)
def test_brands_tell_what_an_iso_file_holds(brands, name):
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    assert sniff((len(body) + 4).to_bytes(4, "big") + body) == name


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"BM is a shop on the corner, not a bitmap",
        b"P7\nWIDTH 4\n",
        b"Project notes",
        b"II*\0\x10\0\0\0CR\2\0",  # a Canon raw file
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\0\x0cJXL \r\n\x87\n",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x10ftypheic"[:7],
    ],
)
def test_what_is_no_picture_is_not_taken_for_one(start):
    assert sniff(start) is None


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\3\4", "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, whose content"),
        (b"/annex/objects/SHA256E-s4--0a.png\n", "a git-annex pointer, whose content"),
    ],
)
def test_formats_that_are_not_read_are_named(start, word):
    with pytest.raises(SampleError, match=f"not_image: {word}.*; expected one of jpeg, png"):
        format_of(start + bytes(40))


def test_the_thumbnail_of_a_raw_file_is_not_its_picture():
    """A camera's raw file is a TIFF that begins with a small preview."""
    data = tiff(IMAGE, [(254, 4, [1])])
    for read in (codec.read_header, codec.verify, codec.decode, codec.style_of):
        with pytest.raises(SampleError, match="not_image: a tiff file whose first picture is a th"):
            read(data, MAX)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(
    "rest", [b"\xff\xff\xff\xffSEFT\0\1", b"\0" * 9, b"any trailer", bytes(range(256))]
)
def test_what_hangs_on_behind_a_picture_does_not_matter(name, rest):
    """Phones and editors append data of their own."""
    data = WRITTEN[name] + rest
    np.testing.assert_array_equal(codec.decode(data, MAX), codec.decode(WRITTEN[name], MAX))
    assert codec.verify(data, MAX) == codec.verify(WRITTEN[name], MAX)


def test_what_must_be_installed_is_named():
    assert lacking("heic", lambda _: False) == "the extra heic: pip install 'augment-vision[heic]'"
    assert "11.3 or newer" in lacking("avif", lambda _: False)
    assert lacking("png", lambda _: False) == ""
    assert lacking("heic") == lacking("avif") == ""
    with pytest.raises(SampleError, match="unsupported_format: a heic file; reading it needs the"):
        need("heic", lambda _: False)


def test_every_ending_belongs_to_one_format():
    endings = [ending for some in codec.EXTENSIONS.values() for ending in some]
    assert len(endings) == len(set(endings))
    assert {"mpo", "jfif", "avif", "heic", "apng"} <= set(endings)
