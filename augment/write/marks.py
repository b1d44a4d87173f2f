"""Marks inside encoded images: an XMP packet that says "made by a machine, by which, as what".

Works on bytes alone: segments and chunks are inserted, never re-encoded, so pixels stay
identical. Any later re-encode loses the mark, so marking comes last and is read back.
Knows nothing of rows, jobs or storage.

Sources: XMP part 3 (ISO 16684-1, storage in files: JPEG APP1, PNG iTXt, WebP "XMP ");
IPTC Photo Metadata 2025.1 (DigitalSourceType, AISystemUsed); C2PA 2.2, embedding
(JPEG APP11, PNG caBX, WebP "C2PA"); PNG 3rd edition; ITU-T T.81 annex B.
"""

from __future__ import annotations

import functools
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from augment.errors import UnitFailed

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_APP1_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ITXT_XMP = b"XML:com.adobe.xmp\0"
_MAX_PACKET = 1 << 20  # bytes of XMP that are looked at
_MAX_APP = 0xFFFF - 2  # payload bytes of one JPEG segment

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

_NO_XML = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
    f'<rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:Iptc4xmpExt="{_IPTC_EXT}"'
    " dc:identifier=%s Iptc4xmpExt:DigitalSourceType=%s Iptc4xmpExt:AISystemUsed=%s/>"
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


@dataclass(frozen=True, slots=True)
class XmpMark:
    """What a mark says. digital_source_type: full IPTC URI. A foreign packet may leave
    fields empty."""

    sample_id: str
    digital_source_type: str
    system: str


def add_xmp(data: bytes, sample_id: str, digital_source_type: str, system: str) -> bytes:
    """The same PNG or JPEG with one XMP packet; a packet that it carried is replaced.

    system: what made the pixels, for example "augment vae 3fa1c2d4".

    Raises:
        ValueError: neither PNG nor JPEG, characters that XML cannot hold, or over 64 KB.
    """
    packet = _packet(XmpMark(sample_id, digital_source_type, system))
    if data.startswith(_PNG):
        body = _ITXT_XMP + b"\0\0\0\0" + packet
        at = len(_PNG) + 12 + int.from_bytes(data[8:12], "big")
        return _insert(data, at, _png_chunk(b"iTXt", body))
    if data.startswith(_JPEG):
        body = _APP1_XMP + packet
        if len(body) > _MAX_APP:
            raise ValueError(f"an XMP packet of {len(packet)} bytes does not fit a JPEG segment")
        return _insert(
            data, _after_app0(data), b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
        )
    raise ValueError(f"cannot mark an image that starts {data[:8]!r}; expected PNG or JPEG")


def read_xmp(data: bytes) -> XmpMark | None:
    """The mark of a PNG, JPEG or WebP; None where there is no packet that can be read.

    Packets over 1 MB, not UTF-8, with a DOCTYPE, or malformed count as none: what stands
    in a foreign image is data, and it cannot expand or fetch anything.
    """
    packet = _first_packet(data)
    if packet is None or len(packet) > _MAX_PACKET or b"<!" in packet:
        return None
    try:
        root = ET.fromstring(packet.decode("utf-8"))
    except (UnicodeDecodeError, ET.ParseError):
        return None
    mark = XmpMark(
        _property(root, _DC, "identifier"),
        _property(root, _IPTC_EXT, "DigitalSourceType"),
        _property(root, _IPTC_EXT, "AISystemUsed"),
    )
    return None if mark == XmpMark("", "", "") else mark


def verify_mark(data: bytes, expected: XmpMark) -> None:
    """Read the mark back.

    Raises:
        UnitFailed: it is not there or says something else.
    """
    found = read_xmp(data)
    if found != expected:
        raise UnitFailed(
            f"sample {expected.sample_id}: the XMP mark read back is {found}; expected "
            f"{expected}. The image was changed after marking; nothing of this unit was kept"
        )


def has_marks(data: bytes) -> tuple[str, ...]:
    """Which marks an image carries: "xmp" (a packet with a DigitalSourceType), "c2pa".

    Looks into JPEG, PNG and WebP; other and broken files give ().
    """
    marks = []
    if any(b"DigitalSourceType" in packet for packet in _packets(data)):
        marks.append("xmp")
    if any(_is_c2pa(kind, data[a:b]) for kind, a, b in _parts(data)):
        marks.append("c2pa")
    return tuple(marks)


def _packet(mark: XmpMark) -> bytes:
    before, after = _around(mark.digital_source_type, mark.system)
    return b"".join((before, _attribute(mark.sample_id).encode(), after))


@functools.lru_cache(maxsize=64)
def _around(digital_source_type: str, system: str) -> tuple[bytes, bytes]:
    """The packet before and after the sample id: a run's marks differ in nothing else."""
    text = _PACKET % ("\0", _attribute(digital_source_type), _attribute(system))
    before, after = text.encode().split(b"\0")
    return before, after


def _attribute(value: str) -> str:
    if _NO_XML.search(value):
        raise ValueError(f"{value!r} holds characters that cannot stand in an XMP packet")
    return quoteattr(value)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _insert(data: bytes, at: int, piece: bytes) -> bytes:
    """`data` with `piece` at `at`, less the XMP parts that it carried."""
    out, position = [data[:at], piece], at
    for start, stop in map(_whole, _xmp_parts(data)):
        out.append(data[position:start])
        position = stop
    return b"".join((*out, data[position:]))


def _whole(part: tuple[bytes, int, int]) -> tuple[int, int]:
    kind, start, stop = part
    return (start - 4, stop) if len(kind) == 1 else (start - 8, stop + 4)


def _after_app0(data: bytes) -> int:
    at = len(_JPEG)
    for kind, start, stop in _jpeg_parts(data):
        if kind != b"\xe0" or start != at + 4:
            break
        at = stop
    return at


def _parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, stop) of the payload of every segment or chunk, without copying it.
    kind: one byte for JPEG (the marker), four bytes for PNG and WebP."""
    if data.startswith(_PNG):
        return _png_parts(data)
    if data.startswith(_JPEG):
        return _jpeg_parts(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_parts(data)
    return iter(())


def _png_parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(_PNG)
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            return
        yield data[at + 4 : at + 8], at + 8, stop
        at = stop + 4


def _jpeg_parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(_JPEG)
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF:  # fill byte
            at += 1
            continue
        if kind in (0xDA, 0xD9):  # start of scan, end of image: no segments behind
            return
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if stop > len(data) or stop < at + 4:
            return
        yield bytes((kind,)), at + 4, stop
        at = stop


def _webp_parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        stop = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if stop > len(data):
            return
        yield data[at : at + 4], at + 8, stop
        at = stop + (stop & 1)


def _xmp_parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    for kind, start, stop in _parts(data):
        name = {b"\xe1": _APP1_XMP, b"iTXt": _ITXT_XMP, b"XMP ": b""}.get(kind)
        if name is not None and data.startswith(name, start, stop):
            yield kind, start, stop


def _packets(data: bytes) -> Iterator[bytes]:
    for kind, start, stop in _xmp_parts(data):
        body = data[start : min(stop, start + _MAX_PACKET + 1024)]
        if kind == b"\xe1":
            yield body[len(_APP1_XMP) :]
        elif kind == b"XMP ":
            yield body
        else:
            yield _itxt_text(body)


def _itxt_text(body: bytes) -> bytes:
    """The text of an iTXt chunk; deflated text is unpacked up to the bound."""
    at = len(_ITXT_XMP)
    compressed = body[at : at + 1] == b"\x01"
    parts = body[at + 2 :].split(b"\0", 2)  # language, translated keyword, text
    if len(parts) < 3:
        return b""
    if not compressed:
        return parts[2]
    try:
        return zlib.decompressobj().decompress(parts[2], _MAX_PACKET + 1)
    except zlib.error:
        return b""


def _first_packet(data: bytes) -> bytes | None:
    return next(_packets(data), None)


def _property(root: ET.Element, namespace: str, name: str) -> str:
    """An XMP property in any of its forms: attribute, element, rdf:resource, array item."""
    key = f"{{{namespace}}}{name}"
    for element in root.iter():
        if key in element.attrib:
            return element.attrib[key]
        if element.tag == key:
            resource = element.get(f"{{{_RDF}}}resource")
            return resource or "".join(element.itertext()).strip()
    return ""


def _is_c2pa(kind: bytes, body: bytes) -> bool:
    if kind in (b"caBX", b"C2PA"):
        return True
    return kind == b"\xeb" and body.startswith(b"JP") and b"jumb" in body[:16] and b"c2pa" in body
