"""A PNG taken apart: the chunks that make the picture, and what stands beside it.

A decoder gets the picture's own chunks alone, so that no text, profile or other ancillary chunk
can cost the picture: not a huge one, not one with a wrong checksum, not one that the end of the
file cut. Damage of IHDR, PLTE or IDAT stays the decoder's affair. Of an animation the picture
is what a reader shows first: IDAT.

Sources: PNG 3rd edition (W3C, 2025), chunks; Pillow's PngImagePlugin for what it keeps under
which name, and for the bounds at which it gives up; libpng, which leaves out ancillary chunks
with wrong checksums; ImageMagick for "Raw profile type ...".
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import PngImagePlugin

from augment.codec.exif import BrokenMetadataError, raw_profile
from augment.codec.header import too_complex
from augment.codec.parts import MAX_PROFILE, Parts
from augment.errors import SampleError

MAX_CHUNKS = 1 << 16
"""Encoders write IDAT chunks of 8 KiB and more: 65,536 of them are half a gigabyte."""
MAX_UNPACKED = 2 * PngImagePlugin.MAX_TEXT_MEMORY
"""Bytes that texts and profiles were unpacked to, kept or not, behind which no more are."""
_MOST_TIMES = 1032  # what a byte of deflate unpacks to at most
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAME = re.compile(rb"\w{4}")
_END = b"\0\0\0\0IEND\xaeB`\x82"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_NOT_FOR_TEXTS = frozenset(  # under these names Pillow keeps something else
    ("interlace", "transparency", "bbox", "default_image", "exif", "xmp", "icc_profile", "loop")
)
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
_SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


@dataclass
class _Beside:
    """What the ancillary chunks say. info: under Pillow's names. colours: the picture's colour
    type, as its byte. transparency: the whole chunk. text: bytes of all texts. unpacked: bytes
    that texts and profiles took when they were unpacked, at most."""

    info: dict[str, Any] = field(default_factory=dict)
    manifests: list[bytes] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    profile: bytes | None = None
    colours: bytes = b""
    transparency: bytes = b""
    animated: bool = False
    gamma: int | None = None
    chromaticities: tuple[int, ...] = ()
    cicp: tuple[int, ...] = ()
    is_srgb: bool = False
    text: int = 0
    unpacked: int = 0

    @property
    def full(self) -> bool:
        """Whether no further text or profile is looked at."""
        return self.text > PngImagePlugin.MAX_TEXT_MEMORY or self.unpacked > MAX_UNPACKED


def take_apart(data: bytes) -> Parts:
    """Raises: SampleError truncated | undecodable | too_complex."""
    beside = _Beside()
    picture = _picture(data, beside)
    if beside.text > PngImagePlugin.MAX_TEXT_MEMORY:
        beside.doubts.append(f"texts of {beside.text} bytes")
    elif beside.full:
        beside.doubts.append(f"texts and profiles that unpack to over {MAX_UNPACKED} bytes")
    return Parts(
        picture,
        info=beside.info,
        exif=_block(beside.info),
        packets=_packets(beside.info),
        manifests=tuple(beside.manifests),
        profile=beside.profile,
        several=beside.animated,
        unused=_unused(beside),
        doubts=tuple(beside.doubts),
    )


def _picture(data: bytes, beside: _Beside) -> bytes:
    """The file of the picture's own chunks; the others go to `beside`."""
    head, palette, first, last = b"", b"", 0, 0
    for kind, start, stop in _chunks(data, beside):
        whole = slice(start - 8, stop + 4)
        if kind == b"IHDR" or not head:
            if head or kind != b"IHDR":
                raise SampleError("undecodable", f"a png file with {_name(kind)} out of its place")
            head, beside.colours = data[whole], data[start + 9 : start + 10]
        elif kind == b"PLTE":
            palette = palette if first else data[whole]
        elif kind == b"IDAT":
            first = first or whole.start
            if last in (0, whole.start):  # Pillow reads those that follow one another
                last = whole.stop
        elif kind[0] & 0x20:
            checksum = None if first else data[stop : stop + 4]
            _take(kind, data[start:stop], checksum, beside)
        elif not first and not _is_sound(kind, data[start:stop], data[stop : stop + 4]):
            raise SampleError(
                "undecodable", f"a png file: the checksum of its chunk {_name(kind)} is wrong"
            )
    if not first:
        raise SampleError("undecodable", "a png file without a picture (no IDAT chunk)")
    return b"".join((_SIGNATURE, head, palette, beside.transparency, data[first:last], _END))


def _chunks(data: bytes, beside: _Beside) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, stop) of the content of every chunk up to IEND. What is wrong behind the
    picture ends the walk and is a doubt."""
    at, pictured, end = len(_SIGNATURE), False, len(data)
    for _ in range(MAX_CHUNKS):
        if at + 8 > end:
            if pictured:
                beside.doubts.append("the file ends without an IEND chunk")
                return
            raise SampleError("truncated", f"a png file that ends early, at byte {end}")
        length, kind = struct.unpack_from(">I4s", data, at)
        start, stop = at + 8, at + 8 + length
        if not _NAME.fullmatch(kind):
            if pictured:
                beside.doubts.append("what follows the picture is no chunk")
                return
            raise SampleError("undecodable", "a png file with a chunk whose name is none")
        if stop + 4 > end:
            if pictured and kind != b"IDAT":
                beside.doubts.append(f"the file ends inside the chunk {_name(kind)}")
                return
            raise SampleError("truncated", f"a png file that ends early, at byte {end}")
        if kind == b"IEND":
            return
        pictured = pictured or kind == b"IDAT"
        yield kind, start, stop
        at = stop + 4
    raise too_complex(f"a png file of over {MAX_CHUNKS} chunks", "pictures have some hundreds")


def _name(kind: bytes) -> str:
    return kind.decode("latin-1") if _NAME.fullmatch(kind) else repr(kind)


def _take(kind: bytes, body: bytes, checksum: bytes | None, beside: _Beside) -> None:
    """One ancillary chunk. checksum: None behind the picture, where Pillow does not look at it
    and so shows the image as a damaged chunk says."""
    if checksum is not None and not _is_sound(kind, body, checksum):
        beside.doubts.append(f"the checksum of its chunk {_name(kind)} is wrong")
    elif len(body) < _least(kind, beside.colours):
        beside.doubts.append(f"its chunk {_name(kind)} is cut short")
    elif kind in _TEXTS:
        if not beside.full:
            _take_text(kind, body, beside)
    elif kind == b"iCCP":
        if not beside.full:
            _take_profile(body, beside)
    elif kind == b"tRNS":
        crc = struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        beside.transparency = b"".join((struct.pack(">I", len(body)), kind, body, crc))
    else:
        _take_other(kind, body, beside)


def _is_sound(kind: bytes, body: bytes, checksum: bytes) -> bool:
    return zlib.crc32(body, zlib.crc32(kind)) == int.from_bytes(checksum, "big")


def _least(kind: bytes, colours: bytes) -> int:
    """Bytes that a chunk must have."""
    if kind == b"tRNS":
        return {b"\0": 2, b"\2": 6}.get(colours, 0)
    return _LEAST.get(kind, 0)


def _take_other(kind: bytes, body: bytes, beside: _Beside) -> None:
    match kind:
        case b"eXIf":
            beside.info["exif"] = b"Exif\0\0" + body
        case b"caBX":
            beside.manifests.append(body)
        case b"acTL":
            beside.animated = True
            beside.doubts.append("it is an animation")
        case b"gAMA":
            beside.gamma = int.from_bytes(body[:4], "big")
        case b"cHRM":
            beside.chromaticities = struct.unpack(">8I", body[:32])
        case b"sRGB":
            beside.is_srgb = True
        case b"cICP" if len(body) == 4:
            beside.cicp = tuple(body)


def _take_text(kind: bytes, body: bytes, beside: _Beside) -> None:
    """A keyword and its text, as Pillow keeps them: the last one of a name counts."""
    key, found, rest = body.partition(b"\0")
    name = key.decode("latin-1")
    if name in _NOT_FOR_TEXTS:
        beside.doubts.append(f"a text that is called {name}")
    if kind == b"tEXt":
        _keep(name, rest if name == "exif" else rest.decode("latin-1"), beside)
    elif kind == b"zTXt":
        try:
            text = _inflated(rest[1:], rest[:1], kind, beside)
        except zlib.error:
            text = b""
        if text is not None:
            _keep(name, text.decode("latin-1"), beside)
    elif found and len(rest) >= 2 and len(parts := rest[2:].split(b"\0", 2)) == 3:
        _take_international(name, rest, parts[2], beside)


def _take_international(name: str, rest: bytes, text: bytes | None, beside: _Beside) -> None:
    if rest[0]:
        if rest[1]:
            return
        try:
            text = _inflated(text or b"", b"\0", b"iTXt", beside)
        except zlib.error:
            return
    if text is None:
        return
    if name == "XML:com.adobe.xmp":
        beside.info["xmp"] = text
    try:
        _keep(name, text.decode(), beside)
    except UnicodeDecodeError:
        return


def _keep(name: str, text: str | bytes, beside: _Beside) -> None:
    beside.text += len(text)
    if name:
        beside.info[name] = text


def _inflated(packed: bytes, method: bytes, kind: bytes, beside: _Beside) -> bytes | None:
    """Unpacked text; None where it is over Pillow's bound. Raises: zlib.error."""
    if method not in (b"", b"\0"):
        beside.doubts.append(f"its chunk {_name(kind)} is packed by an unknown method")
        return None
    most = PngImagePlugin.MAX_TEXT_CHUNK
    unpacker = zlib.decompressobj()
    beside.unpacked += min(most, _MOST_TIMES * len(packed))
    text = unpacker.decompress(packed, most)
    if unpacker.unconsumed_tail:
        beside.doubts.append(f"its chunk {_name(kind)} unpacks to more than {most} bytes")
        return None
    return text


def _block(info: Mapping[str, Any]) -> bytes | None:
    """EXIF in its own chunk; a text of that name is none."""
    return exif if isinstance(exif := info.get("exif"), bytes) else None


def _packets(info: Mapping[str, Any]) -> tuple[bytes, ...]:
    """XMP: in its own chunk, and as ImageMagick keeps that of other formats."""
    found = [info.get("xmp"), info.get("XML:com.adobe.xmp")]
    for name in ("xmp", "APP1"):
        try:
            found.append(raw_profile(info.get(f"Raw profile type {name}", "")))
        except BrokenMetadataError:
            continue
    return tuple(p.encode() if isinstance(p, str) else p for p in found if p)


def _take_profile(body: bytes, beside: _Beside) -> None:
    _, _, rest = body.partition(b"\0")
    if rest[:1] != b"\0":
        beside.doubts.append("its chunk iCCP is packed by an unknown method")
        return
    beside.unpacked += min(MAX_PROFILE, _MOST_TIMES * len(rest))
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        beside.profile = b""  # there is one, and nobody can read it
        return
    if len(profile) >= PngImagePlugin.MAX_TEXT_CHUNK:
        beside.doubts.append(f"its colour profile unpacks to {len(profile)} bytes or more")
    beside.profile = b"" if unpacker.unconsumed_tail else profile


def _unused(beside: _Beside) -> dict[str, str]:
    """What says how colours are meant, where no profile says so and it is not sRGB."""
    if beside.cicp:
        plain = beside.cicp[:2] == (1, 13)
        return {} if plain else {"cicp": "-".join(map(str, beside.cicp)) + ", not applied"}
    if beside.profile or beside.is_srgb:
        return {}
    found = {}
    if beside.gamma is not None and abs(beside.gamma - 45455) > 500:
        found["gamma"] = f"{beside.gamma / 100_000}, not applied"
    near = zip(beside.chromaticities, _SRGB_CHROMATICITIES, strict=False)
    if any(abs(a - b) > 500 for a, b in near):
        found["chromaticities"] = "not those of sRGB, not applied"
    return found
