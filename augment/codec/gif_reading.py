"""Whether a GIF holds more pictures than its first. Source: GIF89a."""

from __future__ import annotations

_IMAGE, _EXTENSION, _LOCAL_TABLE = 0x2C, 0x21, 0x80


def holds_several(data: bytes) -> bool:
    """Looks no further than the second picture; what is cut or no block ends the search."""
    at, pictures = 13 + _table(data[10:11]), 0
    while at < len(data):
        kind = data[at]
        if kind == _EXTENSION:
            at += 2
        elif kind == _IMAGE:
            pictures += 1
            if pictures > 1:
                return True
            at += 10 + _table(data[at + 9 : at + 10]) + 1
        else:
            return False
        at = _behind_blocks(data, at)
    return False


def _table(flags: bytes) -> int:
    """Bytes of the colour table that these flags announce."""
    if not flags or not flags[0] & _LOCAL_TABLE:
        return 0
    return int(3 << ((flags[0] & 7) + 1))


def _behind_blocks(data: bytes, at: int) -> int:
    end = len(data)
    while at < end and data[at]:
        at += data[at] + 1
    return at + 1
