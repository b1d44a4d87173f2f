"""What the chunks of a WebP say, and the file without those beside its picture.

Sources: RFC 9649 (container, sizes); C2PA 2.2 (chunk `C2PA`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from augment.codec.header import check_size, too_complex
from augment.codec.parts import MAX_PROFILE, Parts
from augment.errors import SampleError

MAX_FRAMES = 10_000
"""Of an animation: its decoder lists all of them before it shows the first."""
_MAX_CHUNKS = 1 << 16
_PICTURES = (b"VP8 ", b"VP8L")
_BESIDE = (b"ICCP", b"EXIF", b"XMP ", b"C2PA")
_ALPHA = 0x10  # flag of VP8X


def take_apart(data: bytes, max_pixels: int) -> Parts:
    """Raises: SampleError truncated | undecodable | too_large | too_complex."""
    check_size(*canvas(data), max_pixels)
    found: dict[bytes, bytes] = {}
    frames, whole, pictured = 0, True, False
    for kind, start, stop in _chunks(data):
        if stop > len(data):
            whole = False
            break
        frames += kind == b"ANMF"
        pictured = pictured or kind in _PICTURES
        if kind in _BESIDE:
            found.setdefault(kind, data[start:stop])
    if frames > MAX_FRAMES:
        raise too_complex(f"a webp file of {frames} frames", f"at most {MAX_FRAMES} are looked at")
    whole = whole and int.from_bytes(data[4:8], "little") + 8 <= len(data)
    if not (whole or pictured):
        raise SampleError("truncated", f"a webp file that ends early, at byte {len(data)}")
    profile = found.get(b"ICCP")
    return Parts(
        data if whole else bare(data),
        info=None if whole else {"exif": found.get(b"EXIF"), "xmp": found.get(b"XMP ")},
        exif=found.get(b"EXIF"),
        packets=tuple(filter(None, (found.get(b"XMP "),))),
        manifests=tuple(filter(None, (found.get(b"C2PA"),))),
        profile=b"" if profile is not None and len(profile) > MAX_PROFILE else profile,
        several=frames > 1,
        doubts=() if whole else ("the file ends behind its picture, inside metadata",),
    )


def bare(data: bytes) -> bytes:
    """The still picture alone. Raises: SampleError truncated, where there is none that is whole."""
    width, height = canvas(data)
    alpha, picture = b"", b""
    for kind, start, stop in _chunks(data):
        if stop > len(data):
            break
        if kind == b"ALPH":
            alpha = data[start - 8 : stop + (stop & 1)]
        elif kind in _PICTURES:
            picture = data[start - 8 : stop]
            break
    if not picture:
        raise SampleError("truncated", f"a webp file that ends early, at byte {len(data)}")
    body = picture + b"\0" * (len(picture) & 1)
    if alpha:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"VP8X\x0a\0\0\0" + bytes((_ALPHA, 0, 0, 0)) + size + alpha + body
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def is_lossy(data: bytes) -> bool:
    """Whether its (first) picture was written with losses."""
    return b"VP8 " in data[12:65536]


def canvas(data: bytes) -> tuple[int, int]:
    """(width, height). Raises: SampleError truncated | undecodable."""
    if len(data) < 30:
        raise SampleError("truncated", f"a webp file that ends early, at byte {len(data)}")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise SampleError("undecodable", "a webp file with an unknown chunk")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, stop) of the content of every chunk; the last may end beyond the file."""
    at, end = 12, min(len(data), int.from_bytes(data[4:8], "little") + 8)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        stop = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, stop
        at = stop + (stop & 1)
    raise too_complex(f"a webp file of over {_MAX_CHUNKS} chunks", "pictures have a few")
