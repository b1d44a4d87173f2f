"""What the boxes of an AVIF or HEIC file say before a decoder is asked.

Only sizes, depths, the number of items and C2PA are looked at; EXIF and XMP are left to the
libraries, which know where they lie.

Sources: ISO/IEC 14496-12 (boxes), 23008-12 (`ispe`, `iinf`, `hvcC`), the AV1-ISOBMFF binding
1.3 (`av1C`); ITU-T H.273 (`nclx`); C2PA 2.2, annex A.4 (`uuid` box).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from augment.codec.header import check_size, too_complex
from augment.codec.parts import Parts
from augment.errors import SampleError

MAX_ITEMS = 4096
"""Pictures, tiles of a grid, thumbnails and metadata of one file; phones write some dozens."""
_MAX_BOXES = 1 << 16
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_LIKE_SRGB = (0, 1, 2, 5, 6, 7)  # BT.709, BT.601 and unspecified
_LIKE_SRGB_CURVES = (0, 1, 2, 6, 13, 14, 15)
_NEEDED = (b"ftyp", b"meta", b"mdat", b"moov")
_BODIES = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes of boxes on the way to the properties -> bytes before the first one."""

Box = tuple[bytes, int, int]
"""Type, and where its content starts and stops."""


def take_apart(data: bytes, max_pixels: int) -> Parts:
    """Raises: SampleError truncated | too_large | too_complex."""
    bits, manifests, colours = 8, [], ""
    for kind, start, stop in _boxes(data, 0, len(data)):
        if kind == b"ispe" and stop - start >= 12:
            size = data[start + 4 : start + 12]
            check_size(int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big"), max_pixels)
        elif kind == b"av1C" and stop - start >= 4:
            flags = data[start + 2]
            bits = max(bits, (12 if flags & 0x20 else 10) if flags & 0x40 else 8)
        elif kind == b"hvcC" and stop - start >= 23:
            bits = max(bits, 8 + (data[start + 17] & 7))
        elif kind == b"colr" and data[start : start + 4] == b"nclx":
            colours = colours or _unlike_srgb(data[start + 4 : start + 10])
        elif kind == b"iinf":
            _check_items(data, start, stop)
        elif kind == b"uuid" and data[start : start + 16] == _C2PA:
            manifests.append(data[start + 16 : stop])
    unused = {"cicp": f"{colours}, not applied"} if colours else {}
    return Parts(data, manifests=tuple(manifests), bits=bits, unused=unused)


def _unlike_srgb(numbers: bytes) -> str:
    """Primaries, transfer and matrix of the file's colours where they are not close to sRGB."""
    primaries, transfer, matrix = struct.unpack(">3H", numbers.ljust(6, b"\0"))
    close = primaries in _LIKE_SRGB and transfer in _LIKE_SRGB_CURVES
    return "" if close else f"{primaries}-{transfer}-{matrix}"


def without_exif(data: bytes) -> bytes:
    """The same file, in which no item is called EXIF: the type stands in the list of items."""
    out = bytearray(data)
    for kind, start, stop in _boxes(data, 0, len(data)):
        if kind == b"iinf":
            out[start:stop] = out[start:stop].replace(b"Exif", b"free")
    return bytes(out)


def _check_items(data: bytes, start: int, stop: int) -> None:
    wide = data[start : start + 1] != b"\0"
    count = int.from_bytes(data[start + 4 : start + (8 if wide else 6)], "big")
    if count > MAX_ITEMS:
        raise too_complex(f"an image file of {count} items", f"at most {MAX_ITEMS} are read")


def _boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    """Boxes in their order, those inside `_BODIES` too; what is no box ends a level, as does the
    rest that phones and cameras hang on behind the picture.

    Raises: SampleError truncated, where the picture or its head ends beyond the file."""
    stack, left = [(at, end)], _MAX_BOXES
    while stack:
        at, end = stack.pop()
        while at + 8 <= end:
            left -= 1
            if not left:
                raise too_complex(f"an image file of over {_MAX_BOXES} boxes", "pictures have some")
            kind, start, stop = _box(data, at, end)
            if stop > end or stop <= at:
                if end == len(data) and kind in _NEEDED:
                    raise SampleError("truncated", f"an image file that ends early, at byte {end}")
                break
            yield kind, start, stop
            if kind in _BODIES:
                stack.append((stop, end))
                at, end = start + _BODIES[kind], stop
            else:
                at = stop


def _box(data: bytes, at: int, end: int) -> Box:
    size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
    if size == 1:
        return kind, at + 16, at + int.from_bytes(data[at + 8 : at + 16], "big")
    return kind, at + 8, end if size == 0 else at + size
