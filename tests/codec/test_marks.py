"""What files say of how they were made is read, in every format that can say it."""

from __future__ import annotations

import pillow_heif
import pytest

from augment import codec
from augment.codec.marks import marks_of
from augment.sample import DigitalSourceType
from augment.write import add_xmp
from tests.codec.files import app, chunk, in_jpeg, in_png, picture, raw_profile, saved, tiff, xmp

pillow_heif.register_heif_opener()
MAX = 10**6
IMAGE = picture(24, 16)
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PACKET = xmp(more=f' Iptc4xmpExt:DigitalSourceType="{TRAINED}"')
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
MANIFEST = (
    b"\0\0\0\x60jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\08\x9bq\3c2pa\0"
    b"\0\0\0\x3acbor\xa1qdigitalSourceTypexF" + TRAINED.encode()
)


def jumbf(body: bytes, number: int) -> bytes:
    return app(0xEB, b"JP\0\1" + number.to_bytes(4, "big") + body)


JPEG, PNG = saved(IMAGE, "JPEG"), saved(IMAGE, "PNG")
FILES = {
    "jpeg": in_jpeg(JPEG, app(0xE1, XMP_NAME + PACKET)),
    "jpeg, extended": in_jpeg(
        JPEG,
        app(0xE1, XMP_NAME + xmp()),
        app(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + PACKET[:300]),
        app(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + PACKET[300:]),
    ),
    "png": in_png(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET)),
    "png, behind": in_png(
        PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET), behind=True
    ),
    "png, raw profile": in_png(
        PNG, chunk(b"tEXt", b"Raw profile type xmp\0" + raw_profile(PACKET, "xmp"))
    ),
    "webp": saved(IMAGE, "WEBP", xmp=PACKET),
    "tiff": tiff(IMAGE, [(700, 1, list(PACKET))]),
    "avif": saved(IMAGE, "AVIF", xmp=PACKET),
    "heic": saved(IMAGE, "HEIF", xmp=PACKET),
}


@pytest.mark.parametrize("name", FILES)
def test_an_iptc_term_is_read_in_every_format(name):
    data = FILES[name]
    marks = ("xmp:trainedAlgorithmicMedia",)
    assert codec.read_header(data, MAX).marks == codec.verify(data, MAX).marks == marks
    read = codec.read(data, MAX)
    assert read.header.marks == marks
    assert read.lost == {"marks": list(marks)}
    assert codec.claimed(marks) is DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA


def _uuid_box() -> bytes:
    body = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + bytes(12) + MANIFEST
    return (len(body) + 8).to_bytes(4, "big") + b"uuid" + body


def _in_webp() -> bytes:
    plain = saved(IMAGE, "WEBP", xmp=xmp())
    body = plain[8:] + b"C2PA" + len(MANIFEST).to_bytes(4, "little") + MANIFEST
    body += bytes(len(body) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


C2PA = {
    "jpeg": in_jpeg(JPEG, jumbf(MANIFEST, 1)),
    "jpeg, in two segments": in_jpeg(JPEG, jumbf(MANIFEST[:70], 1), jumbf(MANIFEST[70:], 2)),
    "png": in_png(PNG, chunk(b"caBX", MANIFEST)),
    "webp": _in_webp(),
    "tiff": tiff(IMAGE, [(52545, 7, list(MANIFEST))]),
    "avif": saved(IMAGE, "AVIF") + _uuid_box(),
    "heic": saved(IMAGE, "HEIF") + _uuid_box(),
}


@pytest.mark.parametrize("name", C2PA)
def test_a_c2pa_manifest_is_seen_in_every_format(name):
    marks = codec.verify(C2PA[name], MAX).marks
    assert "c2pa" in marks
    if name != "jpeg, in two segments":  # the term may be cut where a segment ends
        assert marks == ("c2pa", "c2pa:trainedAlgorithmicMedia")
        assert codec.claimed(marks) is DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA


@pytest.mark.parametrize(
    ("packet", "marks"),
    [
        (PACKET, ("xmp:trainedAlgorithmicMedia",)),
        (PACKET.replace(b"http:", b"https:"), ("xmp:trainedAlgorithmicMedia",)),
        (
            b"<x:DigitalSourceType>\n trainedAlgorithmicMedia </x:DigitalSourceType>",
            ("xmp:trainedAlgorithmicMedia",),
        ),
        (
            b'<e:DigitalSourceType rdf:resource="' + TRAINED.encode() + b'"/>',
            ("xmp:trainedAlgorithmicMedia",),
        ),
        (
            b"<DigitalSourceType> <rdf:Alt><rdf:li>compositeSynthetic</rdf:li>",
            ("xmp:compositeSynthetic",),
        ),
        (b"<e:DigitalSourceType/><dc:title>words</dc:title>", ()),
        (b"e:DigitalSourceType = 'TRAINEDALGORITHMICMEDIA'", ("xmp:trainedAlgorithmicMedia",)),
        (b'DigitalSourceType="\x1b[31m something else"', ("xmp:other",)),
        (b'DigitalSourceType="http://x/digitalsourcetype/evilTerm"', ("xmp:other",)),
        (b'DigitalSourceType="' + TRAINED[:-23].encode() + b'digitalCapture"',
         ("xmp:digitalCapture",)),
        (b'e:AISystemUsed="a system"', ("xmp:AISystemUsed",)),
        (b'e:AISystemUsed=""', ()),
        (b"<e:AISystemUsed>a system</e:AISystemUsed>", ("xmp:AISystemUsed",)),
        (xmp("6"), ()),
        (b"\xff\xfe\0broken", ()),
    ],
)  # fmt: skip
def test_forms_of_the_property(packet, marks):
    assert marks_of([packet]) == marks


@pytest.mark.parametrize(
    ("marks", "kind"),
    [
        ((), None),
        (("xmp:digitalCapture", "c2pa"), None),
        (("xmp:algorithmicallyEnhanced",), None),
        (("xmp:compositeSynthetic", "xmp:trainedAlgorithmicMedia"), "trainedAlgorithmicMedia"),
        (("c2pa:compositeWithTrainedAlgorithmicMedia",), "compositeWithTrainedAlgorithmicMedia"),
        (("xmp:AISystemUsed",), "trainedAlgorithmicMedia"),
        (("xmp:algorithmicMedia",), "algorithmicMedia"),
        (("xmp:other",), None),
    ],
)
def test_the_term_that_says_most_wins(marks, kind):
    found = codec.claimed(marks)
    assert (found and found.value.rpartition("/")[2]) == kind
    assert (found is not None) == bool(set(marks) & codec.CLAIMS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_our_own_marks_are_read_back(kind):
    data = add_xmp(saved(IMAGE, kind), "a" * 32, TRAINED, "augment vae")
    assert codec.verify(data, MAX).marks == ("xmp:AISystemUsed", "xmp:trainedAlgorithmicMedia")


def test_a_picture_that_says_nothing_has_no_mark():
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "GIF", "BMP"):
        image = IMAGE.quantize(8) if kind == "GIF" else IMAGE
        assert codec.verify(saved(image, kind), MAX).marks == ()
    other = in_jpeg(JPEG, jumbf(MANIFEST.replace(b"c2pa", b"snck"), 1))
    assert codec.verify(other, MAX).marks == ()  # JUMBF of another kind


def test_a_huge_packet_costs_its_length_and_no_more():
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + b'DigitalSourceType=" ' * 500_000
    data = in_png(PNG, chunk(b"iTXt", packet))
    assert codec.verify(data, MAX).marks == ("xmp:other",)
