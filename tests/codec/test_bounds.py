"""Work is known before it is begun: what asks for more than its picture needs is refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from augment import codec
from augment.codec import jpeg, png_reading, tiff_reading, webp_reading
from augment.errors import SampleError
from tests.codec.files import (
    SHORT,
    app,
    chunk,
    directory,
    in_jpeg,
    in_png,
    oriented,
    picture,
    saved,
    tiff,
)

MAX = 89_478_485
READS = (codec.read_header, codec.verify, codec.read, codec.decode, codec.style_of)


def progressive(side: int, more: int) -> bytes:
    """A progressive JPEG whose last scan is there `more` times more."""
    data = saved(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    end = data.rfind(b"\xff\xd9")
    start = data.rfind(b"\xff\xda", 0, end)
    return data[:end] + data[start:end] * more + data[end:]


def refused(data: bytes, max_pixels: int = MAX) -> str:
    """What every reading says; all say the same."""
    texts = set()
    for read in READS:
        with pytest.raises(SampleError) as error:
            read(data, max_pixels)
        texts.add(str(error.value))
    (text,) = texts
    return text


# ---- JPEG -------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [jpeg.MAX_SCANS, 3000])
def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded(more):
    assert refused(progressive(16, more)) == (
        "too_complex: a JPEG of over 100 scans; each is a pass over all 16 x 16 pixels, and "
        "pictures are written in 1 to 20"
    )


def test_as_many_scans_as_encoders_write_are_read():
    data = progressive(64, 0)
    assert data.count(b"\xff\xda") >= 8
    for read in READS:
        read(data, MAX)
    codec.decode(progressive(16, 60), MAX)


def test_the_larger_the_picture_the_fewer_the_scans():
    data = progressive(200, 30)
    codec.decode(data, 100_000)
    assert "over 20 scans" in refused(data, 200 * 200)


def test_scans_of_a_sequential_jpeg_are_counted_too():
    """One scan for each component, as some encoders write; repeated it is the same bomb."""
    grey = saved(Image.new("L", (16, 16)), "JPEG")
    at = grey.index(b"\xff\xc0")
    length = int.from_bytes(grey[at + 2 : at + 4], "big")
    frame = struct.pack(">HBHHB", 17, 8, 16, 16, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    head = grey[:at] + b"\xff\xc0" + frame + grey[at + 2 + length :]
    start, end = head.index(b"\xff\xda"), head.rfind(b"\xff\xd9")
    scan = head[start:end]
    scans = [scan[:5] + bytes((n,)) + scan[6:] for n in (1, 2, 3)]
    codec.decode(head[:start] + b"".join(scans) + head[end:], MAX)
    assert "over 100 scans" in refused(head[:start] + b"".join(scans) * 40 + head[end:])


def test_scans_of_other_pictures_in_the_file_do_not_count():
    """A thumbnail before, more pictures behind: they are never decoded."""
    many = progressive(16, 90)
    thumbnail = app(0xE1, b"Exif\0\0" + progressive(16, 50))
    data = in_jpeg(progressive(24, 0), thumbnail) + many + many
    assert codec.decode(data, MAX).shape == (24, 24, 3)


def test_a_jpeg_of_endless_segments_is_refused():
    data = in_jpeg(saved(picture(8, 8), "JPEG"), app(0xE5, b"") * 70_000)
    assert "a JPEG of over 65536 segments" in refused(data)
    behind = progressive(16, 0)
    end = behind.rfind(b"\xff\xd9")
    tables = behind[:end] + app(0xC4, b"") * 70_000 + b"\xff\xda\0\2" * 200 + behind[end:]
    assert "too_complex" in refused(tables)


# ---- the others --------------------------------------------------------------------------


def test_a_png_of_endless_chunks_is_refused():
    data = in_png(saved(picture(8, 8), "PNG"), chunk(b"tEXt", b"k\0v") * png_reading.MAX_CHUNKS)
    assert "a png file of over 65536 chunks" in refused(data)


def test_what_unpacks_to_gigabytes_is_not_unpacked():
    """512 texts of 1 MiB, a profile of 64 MiB: a bounded part of them is ever in memory."""
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20)))
    profile = chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 26)))
    data = in_png(saved(picture(8, 8), "PNG"), profile, text * 512)
    read = codec.read(data, MAX)
    assert read.image.shape == (8, 8, 3)
    assert read.lost == {"icc": "unreadable, left alone"}
    assert any("texts of" in doubt for doubt in read.header.doubts)


@pytest.mark.parametrize(
    "piece",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2 << 20))),
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(b"\xff" * (1 << 20))),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 22))),
    ],
    ids=["too long", "no text", "profile"],
)
def test_nor_again_and_again_in_vain(piece):
    """Of what is unpacked and not kept there may be as little as of what is kept."""
    most = png_reading.MAX_UNPACKED
    data = in_png(saved(picture(8, 8), "PNG"), piece * 600)
    header = codec.read_header(data, MAX)
    assert header.doubts[-1] == f"texts and profiles that unpack to over {most} bytes"
    assert len(header.doubts) <= 1 + most // (1 << 20) + 1


def test_exif_in_tens_of_thousands_of_pieces_is_joined_once():
    """Each of them anew would be terabytes to copy: this file is 33 MB."""
    pieces = app(0xE1, b"Exif\0\0" + oriented(6)) + app(0xE1, b"Exif\0\0" + bytes(500)) * 65_000
    data = in_jpeg(saved(picture(8, 6), "JPEG"), pieces)
    assert codec.read_header(data, MAX).orientation == 6


def test_a_webp_of_endless_frames_is_refused():
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (1, 200)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    start = data.index(b"ANMF")
    length = int.from_bytes(data[start + 4 : start + 8], "little")
    one = data[start : start + 8 + length + (length & 1)]
    body = data[8:start] + one * (webp_reading.MAX_FRAMES + 1)
    assert "webp file of 10001 frames" in refused(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_a_tiff_of_endless_tags_strips_or_tiles_is_refused():
    many = tiff(picture(8, 8), [(50000 + n, SHORT, [1]) for n in range(tiff_reading.MAX_TAGS)])
    assert "a tiff file of 4105 tags" in refused(many)
    strips = (tiff_reading.MAX_PIECES + 1) * [8]
    tags = [(256, 4, [8]), (257, 4, [8]), (259, 3, [1]), (273, 4, strips), (279, 4, strips)]
    assert "a tiff file of 65537 strips or tiles" in refused(
        b"II*\0\x08\0\0\0" + directory("<", tags, 8)
    )


def test_metadata_of_endless_tags_is_not_walked_through():
    """A BigTIFF may count to 2^64."""
    tags = b"".join(
        struct.pack("<HHQQ", tag, kind, 1, value)
        for tag, kind, value in ((256, 4, 8), (257, 4, 8), (34665, 16, 16 + 8 + 60 + 8))
    )
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", 3) + tags
    data = head + struct.pack("<Q", 0) + struct.pack("<Q", 10_000_000) + bytes(100)
    assert "a tiff file with 10000000 tags of metadata" in refused(data)


def test_tiles_that_are_larger_than_the_picture_are_not_unpacked():
    packed = zlib.compress(bytes(1000))
    tags = [(256, 4, [16]), (257, 4, [16_000]), (258, 3, [8, 8, 8]), (259, 3, [8]), (262, 3, [2]),
            (277, 3, [3]), (322, 4, [800_000]), (323, 4, [16]), (324, 4, [8] * 1000),
            (325, 4, [len(packed)] * 1000)]  # fmt: skip
    at = 8 + len(packed) + (len(packed) & 1)
    head = b"II*\0" + struct.pack("<L", at) + packed.ljust(at - 8, b"\0")
    assert "1000 tiles of 800000 x 16 pixels" in refused(head + directory("<", tags, at))


def test_scans_inside_a_tiff_are_counted():
    inner = progressive(32, 110)
    tags = [(256, 4, [32]), (257, 4, [32]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6]),
            (273, 4, [8]), (277, 3, [3]), (278, 4, [32]), (279, 4, [len(inner)])]  # fmt: skip
    at = 8 + len(inner) + (len(inner) & 1)
    head = b"II*\0" + struct.pack("<L", at) + inner.ljust(at - 8, b"\0")
    assert "a tiff file with a JPEG of over 100 scans" in refused(head + directory("<", tags, at))


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_sizes_of_an_iso_file_are_known_before_its_decoder_is_asked(kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    data = bytearray(saved(picture(64, 64), kind))
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", 60_000, 60_000)
    assert refused(bytes(data)).startswith("too_large: 60000 x 60000 pixels")


def test_an_iso_file_of_endless_items_is_refused():
    data = bytearray(saved(picture(64, 64), "AVIF"))
    at = data.index(b"iinf")
    data[at + 8 : at + 10] = struct.pack(">H", 60_000)
    assert "an image file of 60000 items" in refused(bytes(data))
