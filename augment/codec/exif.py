"""Which way up an image is shown: what Pillow's `exif_transpose`, and so `datasets`, makes of
the metadata that a file carries.

Pillow is followed to the letter, oddities included, because what a reader of the data set sees
must be what width, height and copies say. Its own code is not called: it warns through global
state, and this is asked of every image. A property test holds the two together.

Sources: Pillow's `Image.getexif`, `Image.Exif.load` and `ImageFileDirectory_v2.load`; Exif 2.32
(tag 0x0112); TIFF 6.0 (types); XMP part 2 (tiff:Orientation).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

_TAG = 0x0112
_PREFIXES = {
    b"MM\0\x2a": ">", b"II\x2a\0": "<", b"MM\x2a\0": ">", b"II\0\x2a": "<", b"MM\0\x2b": ">",
}  # fmt: skip
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_CODES = {3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L", 16: "Q"}
_PACKET = rb'tiff:Orientation(="|>)([0-9])'
_REPEATED = re.compile(rb"^(Exif\0\0){1,2}")


class BrokenMetadataError(ValueError):
    """Metadata on which Pillow gives up; the text says which."""


def orientation(info: Mapping[Any, Any]) -> int:
    """1 to 8. info: what Pillow keeps of a file's metadata (`Image.info`): "exif" bytes, a
    "Raw profile type exif", XMP packets. What is no orientation counts as 1.

    Raises: BrokenMetadataError.
    """
    block = info.get("exif")
    if block is None and (raw := info.get("Raw profile type exif")) is not None:
        block = raw_profile(raw)
    if block is not None:
        if not isinstance(block, bytes):
            raise BrokenMetadataError("an EXIF block that stands in a text")
        found = _in_exif(_REPEATED.sub(b"", block))
        if found is not None:
            return found
    return _in_xmp(info)


def raw_profile(text: Any) -> bytes:
    """ImageMagick's: a name and a length on lines of their own, then hexadecimal digits.

    Raises: BrokenMetadataError.
    """
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except (TypeError, ValueError, AttributeError) as error:
        raise BrokenMetadataError("a raw EXIF profile that is no hexadecimal text") from error


def _in_xmp(info: Mapping[Any, Any]) -> int:
    packet = info.get("XML:com.adobe.xmp")
    pattern: Any = _PACKET.decode()
    if not packet:
        packet, pattern = info.get("xmp"), _PACKET
    if not packet:
        return 1
    try:
        found = re.search(pattern, packet)
    except TypeError as error:
        raise BrokenMetadataError("an XMP packet that stands in a plain text") from error
    return _turned(int(found[2])) if found else 1


def _turned(value: Any) -> int:
    """1 to 8; whatever is no turn, is none."""
    return int(value) if value in (2, 3, 4, 5, 6, 7, 8) else 1


def _in_exif(block: bytes) -> int | None:
    """The value of the first directory's orientation, None where it has none.

    Raises: BrokenMetadataError: what stands there is no directory.
    """
    if not block:
        return None
    order = _PREFIXES.get(block[:4])
    if order is None or len(block) < 8:
        raise BrokenMetadataError("an EXIF block without a byte order where it begins")
    return next(
        (_value(raw, kind, order) for tag, kind, raw in _tags(block, order) if tag == _TAG), None
    )


def _tags(block: bytes, order: str) -> Iterator[tuple[int, int, bytes]]:
    """(tag, type, bytes of its values) of the first directory, as far as Pillow reads it."""
    (at,) = struct.unpack_from(order + "L", block, 4)
    count = struct.unpack_from(order + "H", block, at)[0] if at + 2 <= len(block) else 0
    end = min(at + 2 + 12 * count, len(block) - 11)
    seen: set[int] = set()
    taken = 0
    for place in range(at + 2, end, 12):
        tag, kind, n = struct.unpack_from(order + "HHL", block, place)
        size, start = _SIZES.get(kind, 0) * n, place + 8
        if not size or tag in seen:
            continue
        if size > 4:
            (start,) = struct.unpack_from(order + "L", block, place + 8)
            taken += size
            if taken > len(block):
                continue  # more than the block can hold: left out, as is every one behind it
            if start + size > len(block):
                return  # Pillow stops reading here
        seen.add(tag)
        yield tag, kind, block[start : start + size]


def _value(raw: bytes, kind: int, order: str) -> int:
    """The first of its numbers; texts and bytes are none."""
    if kind in (5, 10):
        above, below = struct.unpack_from(order + ("LL" if kind == 5 else "ll"), raw)
        return _turned(above // below) if below and above % below == 0 else 1
    if kind not in _CODES:
        return 1
    return _turned(struct.unpack_from(order + _CODES[kind], raw)[0])
