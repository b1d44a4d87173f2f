"""What the first directory of a TIFF says, looked at before a decoder is.

A directory may name a million strips, tiles larger than the picture or a scan for every pixel;
here it is counted first. Pages behind the first are not read: the first page is the image.

Sources: TIFF 6.0; Adobe's BigTIFF design; TIFF technical note 2 (JPEG); C2PA 2.2 (tag 52545).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from augment.codec.header import check_size, too_complex
from augment.codec.jpeg import MAX_PASSES, MAX_SCANS
from augment.codec.parts import MAX_PROFILE, Parts
from augment.errors import SampleError

MAX_TAGS = 4096
"""Of one directory; libtiff knows fewer than 500 tags."""
MAX_PIECES = 1 << 16
"""Strips or tiles: one row each in the tallest pictures that there are."""
_MOST_AREA = 4
"""Tiles x pixels of a tile, in pictures of the largest size that is allowed."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_NUMBERS = {1: "B", 3: "H", 4: "L", 16: "Q", 13: "L", 18: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION = 254, 256, 257, 258, 259
_STRIPS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 273, 279, 322, 323, 324, 325
_XMP, _ICC, _C2PA = 700, 34675, 52545
_DIRECTORIES = (34665, 34853, 40965)  # Exif, GPS, interoperability
_OLD_JPEG, _JPEG = 6, (6, 7)
_PICTURE = frozenset((
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281,
    284, 288, 289, 290, 291, 292, 293, 317, 318, 319, 320, 322, 323, 324, 325, 326, 327, 328,
    338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532,
    34925, 50674,
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tag. at: where it stands. place, size: of its values, which may lie beyond the end."""

    at: int
    kind: int
    count: int
    place: int
    size: int


@dataclass(frozen=True)
class _Directory:
    data: bytes
    order: str
    big: bool
    entries: dict[int, _Entry]
    next: int

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Whole numbers of a tag, at most `MAX_PIECES`; () where it has none."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _NUMBERS:
            return ()
        if entry.place + entry.size > len(self.data):
            return ()
        code = f"{self.order}{min(entry.count, MAX_PIECES)}{_NUMBERS[entry.kind]}"
        return struct.unpack_from(code, self.data, entry.place)

    def number(self, tag: int, otherwise: int = 0) -> int:
        return next(iter(self.numbers(tag)), otherwise)

    def count(self, tag: int) -> int:
        entry = self.entries.get(tag)
        return 0 if entry is None else entry.count

    def body(self, tag: int) -> bytes:
        entry = self.entries.get(tag)
        return b"" if entry is None else self.data[entry.place : entry.place + entry.size]


def take_apart(data: bytes, max_pixels: int) -> Parts:
    """Raises: SampleError truncated | not_image | too_large | too_complex."""
    first = _directory(data)
    if first.number(_SUBFILE) & 1:
        raise SampleError(
            "not_image",
            "a tiff file whose first picture is a thumbnail, as in cameras' raw files; expected "
            "the picture itself first",
        )
    _check_pieces(first, max_pixels)
    too_long = any(_is_too_long(first, first.number(tag)) for tag in _DIRECTORIES)
    profile = first.body(_ICC)
    return Parts(
        bare(data) if too_long else data,
        packets=tuple(filter(None, (first.body(_XMP),))),
        manifests=tuple(filter(None, (first.body(_C2PA),))),
        profile=(b"" if len(profile) > MAX_PROFILE else profile) if _ICC in first.entries else None,
        several=bool(first.next),
        bits=max(first.numbers(_BITS)[:16], default=8),
        doubts=(f"a part of its metadata has over {MAX_TAGS} tags",) if too_long else (),
    )


def is_cut(data: bytes) -> bool:
    """Whether strips or tiles lie beyond the file's end."""
    first = _directory(data)
    for places, sizes in ((_STRIPS, _STRIP_SIZES), (_TILES, _TILE_SIZES)):
        pairs = zip(first.numbers(places), first.numbers(sizes), strict=False)
        if any(place + size > len(data) for place, size in pairs):
            return True
    return False


def bare(data: bytes) -> bytes:
    """The same file, in which every tag but those of the picture has a type that no reader
    knows, and so is passed over."""
    first, out = _directory(data), bytearray(data)
    for tag, entry in first.entries.items():
        if tag not in _PICTURE:
            struct.pack_into(first.order + "H", out, entry.at + 2, 0)
    return bytes(out)


def _directory(data: bytes) -> _Directory:
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    code, start = ("Q", 8) if big else ("L", 4)
    if len(data) < 16:
        raise _early(data)
    (at,) = struct.unpack_from(order + code, data, start)
    counted = 8 if big else 2
    if at + counted > len(data):
        raise _early(data)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    if count > MAX_TAGS:
        raise too_complex(f"a tiff file of {count} tags", f"at most {MAX_TAGS} are read")
    step = 20 if big else 12
    entries: dict[int, _Entry] = {}
    at += counted
    for place in range(at, min(at + step * count, len(data) - step + 1), step):
        tag, kind, n = struct.unpack_from(order + ("HHQ" if big else "HHL"), data, place)
        entries.setdefault(tag, _entry(data, order, big, place, (kind, n)))
    end = at + step * count
    after = data[end : end + (8 if big else 4)]
    return _Directory(data, order, big, entries, int.from_bytes(after, "little"))


def _entry(data: bytes, order: str, big: bool, at: int, what: tuple[int, int]) -> _Entry:
    kind, n = what
    size = _SIZES.get(kind, 0) * n
    room, code, place = (8, "Q", at + 12) if big else (4, "L", at + 8)
    if size > room:
        (place,) = struct.unpack_from(order + code, data, place)
    return _Entry(at, kind, n, place, size)


def _check_pieces(first: _Directory, max_pixels: int) -> None:
    pieces = max(first.count(_STRIPS), first.count(_TILES))
    if pieces > MAX_PIECES:
        raise too_complex(f"a tiff file of {pieces} strips or tiles", f"at most {MAX_PIECES} are")
    width, height = first.number(_WIDTH), first.number(_HEIGHT)
    check_size(width, height, max_pixels)
    across, down = first.number(_TILE_WIDTH), first.number(_TILE_HEIGHT)
    if across and down:
        tiles = -(-width // across) * -(-height // down)
        if tiles * across * down > _MOST_AREA * max_pixels:
            raise too_complex(
                f"a tiff file of {tiles} tiles of {across} x {down} pixels",
                f"they are far more than its {width} x {height} pixels",
            )
    if first.number(_COMPRESSION) in _JPEG:
        _check_scans(first, min(MAX_SCANS, MAX_PASSES * max_pixels // max(1, width * height)))


def _check_scans(first: _Directory, most: int) -> None:
    """Of strips and tiles that are JPEGs: each scan is a pass over all pixels of its piece."""
    data, pieces = first.data, set[tuple[int, int]]()
    for places, sizes in ((_STRIPS, _STRIP_SIZES), (_TILES, _TILE_SIZES)):
        pieces.update(zip(first.numbers(places), first.numbers(sizes), strict=False))
    if sum(size for _, size in pieces) > 2 * len(data):
        raise too_complex("a tiff file whose strips or tiles overlap", "pictures have none that do")
    if first.number(_COMPRESSION) == _OLD_JPEG:
        pieces = {(0, len(data))}
    scans = max((data.count(b"\xff\xda", at, at + size) for at, size in pieces), default=0)
    if scans > most:
        raise too_complex(
            f"a tiff file with a JPEG of over {most} scans", "pictures are written in 1 to 20"
        )


def _is_too_long(first: _Directory, at: int) -> bool:
    """Of the directory that a tag points to, which Pillow reads with the picture."""
    if not at or at + 8 > len(first.data):
        return False
    (count,) = struct.unpack_from(first.order + ("Q" if first.big else "H"), first.data, at)
    if count > 0xFFFF:  # more than a classic file can have; a reader would walk through them all
        raise too_complex(f"a tiff file with {count} tags of metadata", f"at most {MAX_TAGS} are")
    return bool(count > MAX_TAGS)


def _early(data: bytes) -> SampleError:
    return SampleError("truncated", f"a tiff file that ends early, at byte {len(data)}")
