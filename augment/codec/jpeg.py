"""What a JPEG says of itself before its coded data: size, depth, tables, metadata, and how
often a decoder would go over the picture.

Markers are walked in plain Python (a few microseconds), so that a header costs no decoder.
Files of several pictures (MPO) are JPEGs: the first picture is the image. Knows nothing of
pixels.

Sources: ITU-T T.81 (markers, quantisation tables); Exif 2.32; XMP part 3 (APP1, extended XMP);
ICC.1:2022 annex B.4 (APP2); C2PA 2.2 (APP11).
"""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import dataclass, field

from augment.codec.exif import BrokenMetadataError, orientation
from augment.codec.header import Header, check_size, too_complex
from augment.codec.marks import is_c2pa, marks_of
from augment.codec.parts import MAX_PROFILE
from augment.errors import SampleError

MAX_SCANS = 100
"""Of one picture. Encoders write 1 to about 20; libjpeg-turbo advises its users to stop at 500
(doc/libjpeg.txt, "progressive JPEG"), which at the largest picture would be minutes."""
MAX_PASSES = 20
"""Scans x pixels of one picture, in pictures of the largest size that is allowed."""
_MAX_SEGMENTS = 1 << 16

_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SOS, _DQT, _EOI, _TEM = 0xDA, 0xDB, 0xD9, 0x01
_APP = frozenset(range(0xE0, 0xF0))
_SCAN = re.compile(rb"\xff\xda")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"


@dataclass(slots=True)
class Beside:
    """What a JPEG carries beside its picture, as its APP segments say it. Pieces of an EXIF
    block belong together, the first with its head, and the last XMP packet counts, as in Pillow."""

    exif_pieces: list[bytes] = field(default_factory=list)
    xmp: bytes | None = None
    more_xmp: list[bytes] = field(default_factory=list)
    icc: list[bytes] = field(default_factory=list)
    jumbf: list[bytes] = field(default_factory=list)
    several: bool = False
    doubts: list[str] = field(default_factory=list)

    def take(self, code: int, body: bytes) -> None:
        """One APP segment."""
        if code == 0xE1:
            if body.startswith(b"Exif\0\0"):
                self.exif_pieces.append(body[6:] if self.exif_pieces else body)
            elif body.startswith(_XMP):
                self.xmp = body[len(_XMP) :]
            elif body.startswith(_MORE_XMP):
                self.more_xmp.append(body[len(_MORE_XMP) + 40 :])
        elif code == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            self.icc.append(body[12:])
        elif code == 0xE2 and body.startswith(b"MPF\0"):
            self.several = True
        elif code == 0xEB and body.startswith(b"JP"):
            self.jumbf.append(body)
        if _odd(code, body):
            self.doubts.append(f"an APP{code & 15} segment of {len(body)} bytes is cut short")

    @property
    def exif(self) -> bytes | None:
        """The EXIF block, joined once: there may be tens of thousands of pieces."""
        return b"".join(self.exif_pieces) if self.exif_pieces else None

    def packets(self) -> list[bytes]:
        """XMP: the packet, and what extends it."""
        found = [] if self.xmp is None else [self.xmp]
        return [*found, b"".join(self.more_xmp)] if self.more_xmp else found

    def manifests(self) -> list[bytes]:
        """C2PA stores; one may stand in many segments."""
        return [b"".join(self.jumbf)] if any(map(is_c2pa, self.jumbf)) else []

    def profile(self) -> bytes | None:
        """The colour profile; None where there is none, b"" where it cannot be used."""
        pieces = sorted(self.icc)
        if not pieces:
            return None
        whole = len(pieces[0]) >= 2 and pieces[0][1] == len(pieces)
        if not whole or sum(map(len, pieces)) > MAX_PROFILE:
            return b""
        return b"".join(piece[2:] for piece in pieces)


@dataclass(frozen=True, slots=True)
class JpegInfo:
    """width, height: as stored. precision: bits per value. components: 1, 3 or 4.
    sampling: (horizontal, vertical) of each component. table_of: the quantisation table of
    each. tables: number -> its 64 values in zigzag order. orientation: 1 to 8. several: whether
    the file holds more pictures behind this one. first_scan: where its marker stands."""

    width: int
    height: int
    precision: int
    components: int
    sampling: tuple[tuple[int, int], ...]
    table_of: tuple[int, ...]
    tables: dict[int, tuple[int, ...]]
    orientation: int
    marks: tuple[str, ...]
    profile: bytes | None
    several: bool
    doubts: tuple[str, ...]
    first_scan: int
    in_one_pass: bool


def scan(data: bytes) -> JpegInfo:
    """Everything before the first scan.

    Raises: SampleError truncated | undecodable | too_complex.
    """
    frame: tuple[int, ...] | None = None
    layout = b""
    tables: dict[int, tuple[int, ...]] = {}
    beside = Beside()
    progressive = False
    at, end = 2, len(data)
    for _ in range(_MAX_SEGMENTS):
        code, start, stop = _segment(data, at, end)
        if code in (_SOS, _EOI):
            break
        if code in _APP:
            beside.take(code, data[start:stop])
        elif code in _FRAMES:
            frame, layout = _frame(data, start, stop)
            progressive = code in _PROGRESSIVE
        elif code == _DQT:
            _read_tables(data[start:stop], tables)
        elif code == _TEM:
            beside.doubts.append("a marker for private use")
        at = stop
    else:
        raise too_complex(f"a JPEG of over {_MAX_SEGMENTS} segments", "pictures have some dozens")
    if frame is None:
        raise SampleError("undecodable", "a JPEG without a frame header")
    precision, height, width, count = frame
    if not (width and height):
        raise SampleError("undecodable", f"a JPEG of {width} x {height} pixels")
    parts = [layout[i : i + 3] for i in range(0, 3 * count, 3)]
    turn, doubts = _turn(beside)
    return JpegInfo(
        width=width,
        height=height,
        precision=precision,
        components=count,
        sampling=tuple((p[1] >> 4, p[1] & 15) for p in parts),
        table_of=tuple(p[2] for p in parts),
        tables=tables,
        orientation=turn,
        marks=marks_of(beside.packets(), beside.manifests(), exif=beside.exif),
        profile=beside.profile(),
        several=beside.several,
        doubts=doubts,
        first_scan=start,
        in_one_pass=not progressive and data[start + 3 : start + 4] == bytes((count,)),
    )


def _turn(beside: Beside) -> tuple[int, tuple[str, ...]]:
    """The orientation, and what is wrong with the metadata."""
    doubts = list(beside.doubts)
    if beside.profile() == b"":
        doubts.append("a colour profile whose pieces do not fit together, or over 4 MiB")
    if not beside.exif_pieces and beside.xmp is None:
        return 1, tuple(doubts)
    try:
        return orientation({"exif": beside.exif, "xmp": beside.xmp}), tuple(doubts)
    except BrokenMetadataError as error:
        return 1, (*doubts, str(error))


def header(info: JpegInfo, data: bytes, max_pixels: int) -> Header:
    """As displayed. Raises: SampleError too_large | undecodable | too_complex."""
    check_size(info.width, info.height, max_pixels)
    mode = _MODES.get(info.components)
    if mode is None:
        raise SampleError("undecodable", f"a JPEG of {info.components} components")
    if not info.in_one_pass:
        _check_scans(info, data, max_pixels)
    turned = info.orientation >= 5
    width, height = (info.height, info.width) if turned else (info.width, info.height)
    turn, marks, doubts = info.orientation, info.marks, info.doubts
    return Header("jpeg", width, height, mode, turn, "jpg", marks, doubts)


def _check_scans(info: JpegInfo, data: bytes, max_pixels: int) -> None:
    """Every scan is a pass over the whole picture, whatever little it says of it."""
    most = min(MAX_SCANS, MAX_PASSES * max_pixels // (info.width * info.height))
    found = _SCAN.finditer(data, info.first_scan - 1)
    if next(itertools.islice(found, most, None), None) is None:
        return  # as a rule; scans of other pictures in the file are among these
    if _scans(data, info.first_scan - 1, most) > most:
        raise too_complex(
            f"a JPEG of over {most} scans",
            f"each is a pass over all {info.width} x {info.height} pixels, and pictures are "
            "written in 1 to 20",
        )


def _scans(data: bytes, at: int, most: int) -> int:
    """Scans of the picture whose first one begins at `at`, counted until over `most`."""
    n, end = 0, len(data)
    for _ in range(_MAX_SEGMENTS):
        try:
            code, _, stop = _segment(data, at, end)
        except SampleError:
            return n  # the picture is cut: for the decoder to say
        if code == _EOI:
            return n
        if code == _SOS:
            n += 1
            if n > most:
                return n
            stop += 1
            stop += int.from_bytes(data[stop : stop + 2], "big")
        at = _next_marker(data, stop)
    return most + 1


def _next_marker(data: bytes, at: int) -> int:
    """Where the coded data behind `at` ends: at a marker that is no restart."""
    found = _MARKER.search(data, at)
    return len(data) if found is None else found.start()


def _segment(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(marker, start, stop of its content) of the segment at `at`."""
    if at < end and data[at] != 0xFF:  # stray bytes between segments: skipped as libjpeg does
        at = data.find(b"\xff", at)
        at = end if at < 0 else at
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


# ---- segments on which Pillow trips ------------------------------------------------------


def _odd(code: int, body: bytes) -> bool:
    """Whether a segment is shorter than what it begins; decoders skip it, Pillow gives up."""
    if code == 0xE0:
        return body.startswith(b"JFIF") and len(body) < 7
    if code == 0xE2:
        return body.startswith(b"ICC_PROFILE\0") and len(body) < 14
    if code == 0xED:
        return body.startswith(b"Photoshop 3.0\0") and not _resources_fit(body)
    return code == 0xEE and body.startswith(b"Adobe") and len(body) < 7


def _resources_fit(body: bytes) -> bool:
    """Whether every image resource block of a Photoshop segment has a head."""
    at = 14
    while body[at : at + 4] == b"8BIM":
        if at + 7 > len(body):
            return False
        at += 7 + body[at + 6]
        at += at & 1
        if at + 4 > len(body):
            return True  # Pillow stops here without a word
        at += 4 + int.from_bytes(body[at : at + 4], "big")
        at += at & 1
    return True


def bare(data: bytes) -> bytes:
    """The same picture without comments and APP segments but Adobe's, which says what its
    colours are. Raises: SampleError as `scan`."""
    out, at, end = [data[:2]], 2, len(data)
    while True:
        code, start, stop = _segment(data, at, end)
        if code in (_SOS, _EOI):
            return b"".join((*out, b"\xff", data[start:]))
        adobe = code == 0xEE and not _odd(code, data[start:stop])
        if adobe or not (code in _APP or code == 0xFE or code in _STANDALONE or code == 0):
            out += [b"\xff", data[start - 3 : stop]]
        at = stop
