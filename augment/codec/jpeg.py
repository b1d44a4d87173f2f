"""What a JPEG says of itself before its coded data: size, depth, orientation, quality.

Markers are walked in plain Python (a few microseconds), so that a header costs no decoder.
Also the orientation inside any EXIF block. Knows nothing of pixels.

Sources: ITU-T T.81 (markers, quantisation tables, Annex K tables 1 and 2); libjpeg's
jcparam.c (scaling of the tables by quality); Exif 2.32 (tag 0x0112).
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np

from augment.codec.header import Header, check_size
from augment.errors import SampleError

_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SOS, _DQT, _APP1, _EOI = 0xDA, 0xDB, 0xE1, 0xD9


@dataclass(frozen=True, slots=True)
class JpegInfo:
    """width, height: as stored. precision: bits per value. components: 1, 3 or 4.
    sampling: (horizontal, vertical) of each component. tables: quantisation table number
    -> its 64 values in zigzag order. orientation: EXIF, 1 to 8."""

    width: int
    height: int
    precision: int
    components: int
    orientation: int
    sampling: tuple[tuple[int, int], ...]
    table_of: tuple[int, ...]
    tables: dict[int, tuple[int, ...]]


def scan(data: bytes) -> JpegInfo:
    """Everything before the first scan. Raises: SampleError truncated | undecodable."""
    frame: tuple[int, ...] | None = None
    layout = b""
    tables: dict[int, tuple[int, ...]] = {}
    orientation = 1
    at, end = 2, len(data)
    while True:
        code, start, stop = _segment(data, at, end)
        if code in (_SOS, _EOI):
            break
        if code in _FRAMES:
            frame, layout = _frame(data, start, stop)
        elif code == _DQT:
            _read_tables(data[start:stop], tables)
        elif code == _APP1 and data[start : start + 6] == b"Exif\0\0":
            orientation = exif_orientation(data[start + 6 : stop])
        at = stop
    if frame is None:
        raise SampleError("undecodable", "a JPEG without a frame header")
    precision, height, width, count = frame
    if not (width and height):
        raise SampleError("undecodable", f"a JPEG of {width} x {height} pixels")
    parts = [layout[i : i + 3] for i in range(0, 3 * count, 3)]
    sampling = tuple((p[1] >> 4, p[1] & 15) for p in parts)
    table_of = tuple(p[2] for p in parts)
    return JpegInfo(width, height, precision, count, orientation, sampling, table_of, tables)


def header(info: JpegInfo, max_pixels: int) -> Header:
    """As displayed. Raises: SampleError too_large | undecodable."""
    check_size(info.width, info.height, max_pixels)
    mode = _MODES.get(info.components)
    if mode is None:
        raise SampleError("undecodable", f"a JPEG of {info.components} components")
    turned = info.orientation >= 5
    width, height = (info.height, info.width) if turned else (info.width, info.height)
    return Header("jpeg", width, height, mode, info.orientation, "jpg")


def _segment(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(marker, start, stop of its content) of the segment at `at`."""
    while at < end and data[at] != 0xFF:  # stray bytes between segments: skipped as libjpeg does
        at += 1
    while at < end and data[at] == 0xFF:
        at += 1
    if at >= end:
        raise SampleError("truncated", f"a JPEG that ends inside its header, at byte {end}")
    code = data[at]
    if code in (_SOS, _EOI):
        return code, at, at
    if code in _STANDALONE or code == 0:
        return code, at + 1, at + 1
    if at + 3 > end:
        raise SampleError("truncated", f"a JPEG that ends inside its header, at byte {end}")
    stop = at + 1 + (data[at + 1] << 8 | data[at + 2])
    if stop > end:
        raise SampleError("truncated", f"a JPEG that ends inside its header, at byte {end}")
    return code, at + 3, max(stop, at + 3)


def _frame(data: bytes, start: int, stop: int) -> tuple[tuple[int, ...], bytes]:
    if stop - start < 6:
        raise SampleError("undecodable", "a JPEG with a malformed frame header")
    frame = struct.unpack_from(">BHHB", data, start)
    layout = data[start + 6 : stop]
    if len(layout) < 3 * frame[3]:
        raise SampleError("undecodable", "a JPEG with a malformed frame header")
    return frame, layout


def _read_tables(segment: bytes, tables: dict[int, tuple[int, ...]]) -> None:
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        size = 128 if wide else 64
        raw = segment[at + 1 : at + 1 + size]
        if len(raw) < size:
            raise SampleError("undecodable", "a JPEG with a malformed quantisation table")
        tables[number] = struct.unpack(">64H", raw) if wide else tuple(raw)
        at += 1 + size


def exif_orientation(block: bytes) -> int:
    """Orientation (1 to 8) in an EXIF block that begins with its TIFF header; 1 where it
    has none or makes no sense, as viewers take it."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    try:
        if order is None:
            return 1
        (at,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, at)
        for i in range(count):
            tag, kind, n, value = struct.unpack_from(order + "HHIH", block, at + 2 + 12 * i)
            if tag == 0x0112:
                return int(value) if kind == 3 and n == 1 and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


# ---- quality ---------------------------------------------------------------------------

_LUMINANCE = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
     14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
     18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
)


@functools.cache
def _scaled() -> np.ndarray:
    """(100, 2, 64): both tables in zigzag order at quality 1 .. 100, as libjpeg scales them."""
    base = np.stack([_LUMINANCE[_ZIGZAG], _CHROMINANCE.ravel()[_ZIGZAG]])
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    scaled: np.ndarray = np.clip((base * scale[:, None, None] + 50) // 100, 1, 255)
    return scaled


def quality(info: JpegInfo) -> int:
    """The libjpeg quality (1 .. 100) whose tables lie nearest to the file's, by the sum of
    absolute differences; exact for files that libjpeg made."""
    own = tuple(
        info.tables[n] for n in dict.fromkeys(info.table_of[:2]) if n in info.tables
    )  # luminance first; chrominance if it has its own
    return _nearest_quality(own) if own else 75


@functools.lru_cache(maxsize=256)
def _nearest_quality(own: tuple[tuple[int, ...], ...]) -> int:
    difference = np.abs(_scaled()[:, : len(own)] - np.array(own))
    return int(difference.sum(axis=(1, 2)).argmin()) + 1


def subsampling(info: JpegInfo) -> str:
    """ "gray", "444", "422" or "420". Rarer layouts become the one with as much colour
    (440 -> 422, 411 -> 420); CMYK becomes 444, since all its components are full."""
    if info.components == 1:
        return "gray"
    if info.components != 3:
        return "444"
    (h0, v0), (h1, v1) = info.sampling[0], info.sampling[1]
    fewer = (h0 * v0) / max(1, h1 * v1)
    return "444" if fewer < 1.5 else "422" if fewer < 3 else "420"
