"""ICC profiles by code: matrices and curves, grey curves, a small CMYK table (ICC.1:2022)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
_D50 = (0.9642, 1.0, 0.8249)


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, values))


def _curve(gamma: float | None) -> bytes:
    """None: sRGB's, as 1024 points."""
    if gamma is not None:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    points = [i / 1023 for i in range(1024)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in points]
    values = [round(v * 65535) for v in linear]
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


def _description(name: str) -> bytes:
    text = name.encode("latin-1") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _profile(space: bytes, connection: bytes, kind: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    table, bodies, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += body
    size = at + len(bodies)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, kind, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(map(_number, _D50)) + bytes(48)
    return head[:128] + struct.pack(">I", len(tags)) + table + bodies


def rgb(
    name: str, primaries: Sequence[Sequence[float]] = SRGB, gamma: float | None = None
) -> bytes:
    tags = {b"desc": _description(name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50)}
    for letter, values in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[letter + b"XYZ"] = _xyz(values)
        tags[letter + b"TRC"] = _curve(gamma)
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def grey(name: str, gamma: float | None) -> bytes:
    tags = {b"desc": _description(name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50),
            b"kTRC": _curve(gamma)}  # fmt: skip
    return _profile(b"GRAY", b"XYZ ", b"mntr", tags)


def cmyk(name: str) -> bytes:
    """A press whose paper is white, and whose inks are black together: corners in Lab."""
    corners = []
    for c in (0, 1):
        for m in (0, 1):
            for y in (0, 1):
                for k in (0, 1):
                    light = 255 * (1 - k) * (3 - c - m - y) // 3
                    red = 128 + 70 * (m - c) * (1 - k) * (1 if c != m else 0)
                    yellow = 128 + 60 * (2 * y - c - m) * (1 - k) // 2
                    corners += [light, red, yellow]
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0))
    table += b"".join(_number(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    table += ramp * 4 + bytes(corners) + ramp * 3
    tags = {b"desc": _description(name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50)}
    tags |= dict.fromkeys((b"A2B0", b"A2B1", b"A2B2"), table)
    return _profile(b"CMYK", b"Lab ", b"prtr", tags)
