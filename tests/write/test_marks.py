"""Marks: put in by byte insertion, read back, pixels untouched."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from augment.errors import UnitFailed
from augment.sample import DigitalSourceType
from augment.write.marks import XmpMark, add_xmp, has_marks, read_xmp, verify_mark

TERM = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value
MARK = XmpMark("0123456789abcdef" * 2, TERM, 'augment "vae" <a&b> é')


def encoded(photo: np.ndarray, kind: str, **options: object) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(photo).save(sink, kind, **options)
    return sink.getvalue()


def marked(data: bytes, mark: XmpMark = MARK) -> bytes:
    return add_xmp(data, mark.sample_id, mark.digital_source_type, mark.system)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def packet(inner: str, before: str = "") -> bytes:
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def jpeg_with(photo: np.ndarray, xmp: bytes) -> bytes:
    data = encoded(photo, "jpeg")
    return data[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) + data[2:]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_mark_is_read_back_and_pixels_are_identical(photo: np.ndarray, kind: str) -> None:
    data = encoded(photo, kind)
    out = marked(data)
    assert read_xmp(out) == MARK
    verify_mark(out, MARK)
    assert has_marks(out) == ("xmp",)
    assert 400 < len(out) - len(data) < 700
    with Image.open(io.BytesIO(out)) as image, Image.open(io.BytesIO(data)) as before:
        assert np.array_equal(np.asarray(image), np.asarray(before))
        assert TERM.encode() in image.info["xmp"]  # Pillow finds it too


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_an_unmarked_image_has_none(photo: np.ndarray, kind: str) -> None:
    assert read_xmp(encoded(photo, kind)) is None
    assert has_marks(encoded(photo, kind)) == ()


def test_png_mark_stands_right_after_the_header_with_a_valid_crc(photo: np.ndarray) -> None:
    data = encoded(photo, "png")
    out = marked(data)
    length = int.from_bytes(out[33:37], "big")
    body = out[37 : 37 + 4 + length]
    assert out[:33] == data[:33]
    assert body.startswith(b"iTXtXML:com.adobe.xmp\0\0\0\0\0<?xpacket")
    assert int.from_bytes(out[41 + length : 45 + length], "big") == zlib.crc32(body)
    assert out[45 + length :] == data[33:]


def test_jpeg_mark_stands_after_the_jfif_segment(photo: np.ndarray) -> None:
    data = encoded(photo, "jpeg")
    after = 4 + int.from_bytes(data[4:6], "big")
    out = marked(data)
    assert out[:after] == data[:after]
    assert out[after : after + 2] == b"\xff\xe1"
    assert out.endswith(data[after:])


def test_jpeg_without_jfif_is_marked_after_the_start(photo: np.ndarray) -> None:
    data = encoded(photo, "jpeg")
    bare = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    out = marked(bare)
    assert out[:4] == b"\xff\xd8\xff\xe1"
    assert read_xmp(out) == MARK


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_marking_again_replaces_the_mark(photo: np.ndarray, kind: str) -> None:
    data = encoded(photo, kind)
    other = XmpMark("f" * 32, TERM, "another system")
    assert marked(marked(data, other)) == marked(data)


def test_a_reencode_loses_the_mark_and_is_noticed(photo: np.ndarray) -> None:
    with Image.open(io.BytesIO(marked(encoded(photo, "png")))) as image:
        again = encoded(np.asarray(image), "png")
    with pytest.raises(UnitFailed, match=r"sample 0123.*read back is None; expected XmpMark"):
        verify_mark(again, MARK)


@pytest.mark.parametrize(
    "inner",
    [
        f"<dc:identifier>i</dc:identifier><e:DigitalSourceType>{TERM}</e:DigitalSourceType>",
        f'<dc:identifier>i</dc:identifier><e:DigitalSourceType rdf:resource="{TERM}"/>',
    ],
)
def test_other_writers_forms_are_read(photo: np.ndarray, inner: str) -> None:
    data = jpeg_with(photo, packet(inner))
    assert read_xmp(data) == XmpMark("i", TERM, "")
    assert has_marks(data) == ("xmp",)


def test_a_doctype_is_never_expanded(photo: np.ndarray) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>'
    data = jpeg_with(photo, packet("<dc:identifier>&a;</dc:identifier>", bomb))
    assert read_xmp(data) is None


@pytest.mark.parametrize("xmp", [b"", b"<x", b"\xff\xfe<\0x\0", packet(""), b"<a>" * 10])
def test_unusable_packets_count_as_none(photo: np.ndarray, xmp: bytes) -> None:
    assert read_xmp(jpeg_with(photo, xmp)) is None


def test_a_deflated_packet_is_read_up_to_the_bound(photo: np.ndarray) -> None:
    data = encoded(photo, "png")

    def with_text(text: bytes) -> bytes:
        body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text)
        return data[:33] + png_chunk(b"iTXt", body) + data[33:]

    good = packet(f"<e:DigitalSourceType>{TERM}</e:DigitalSourceType>")
    assert read_xmp(with_text(good)) == XmpMark("", TERM, "")
    assert read_xmp(with_text(good + b" " * (1 << 21))) is None


def test_marks_of_inputs_are_found(photo: np.ndarray) -> None:
    png, jpeg = encoded(photo, "png"), encoded(photo, "jpeg")
    jumbf = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
    assert has_marks(png[:33] + png_chunk(b"caBX", b"jumb") + png[33:]) == ("c2pa",)
    assert has_marks(jpeg[:2] + segment(0xEB, jumbf) + jpeg[2:]) == ("c2pa",)
    assert has_marks(marked(jpeg[:2] + segment(0xEB, jumbf) + jpeg[2:])) == ("xmp", "c2pa")
    xmp = packet(f"<e:DigitalSourceType>{TERM}</e:DigitalSourceType>")
    assert has_marks(encoded(photo, "webp", xmp=xmp)) == ("xmp",)
    assert read_xmp(encoded(photo, "webp", xmp=xmp)) == XmpMark("", TERM, "")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_broken_files_carry_no_marks_and_raise_nothing(photo: np.ndarray, kind: str) -> None:
    data = encoded(photo, kind)
    for stop in range(min(len(data), 400)):
        has_marks(data[:stop])
        read_xmp(data[:stop])


def test_what_cannot_be_marked_says_so(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"starts b'RIFF.*; expected PNG or JPEG"):
        marked(encoded(photo, "webp"))
    with pytest.raises(ValueError, match=r"'a\\x00b' holds characters that cannot stand"):
        add_xmp(encoded(photo, "png"), "a\0b", TERM, "x")
    with pytest.raises(ValueError, match=r"does not fit a JPEG segment"):
        add_xmp(encoded(photo, "jpeg"), "a", TERM, "x" * 70_000)
