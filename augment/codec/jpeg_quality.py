"""The quality and subsampling with which a JPEG was written, from its tables.

Knows nothing of pixels or markers.

Sources: ITU-T T.81 Annex K (tables 1 and 2); libjpeg's jcparam.c (scaling by quality).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

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


def quality(table_of: Sequence[int], tables: Mapping[int, tuple[int, ...]]) -> int:
    """The libjpeg quality (1 .. 100) whose tables lie nearest to the file's, by the sum of
    absolute differences; exact for files that libjpeg made.

    table_of: the table of each component; tables: number -> its 64 values in zigzag order."""
    own = tuple(
        tables[n] for n in dict.fromkeys(table_of[:2]) if n in tables
    )  # luminance first; chrominance if it has its own
    return _nearest_quality(own) if own else 75


@functools.lru_cache(maxsize=256)
def _nearest_quality(own: tuple[tuple[int, ...], ...]) -> int:
    difference = np.abs(_scaled()[:, : len(own)] - np.array(own))
    return int(difference.sum(axis=(1, 2)).argmin()) + 1


def subsampling(sampling: Sequence[tuple[int, int]]) -> str:
    """ "gray", "444", "422" or "420", from (horizontal, vertical) of each component. Rarer
    layouts become the one with as much colour (440 -> 422, 411 -> 420); CMYK becomes 444, since
    all its components are full."""
    if len(sampling) == 1:
        return "gray"
    if len(sampling) != 3:
        return "444"
    (h0, v0), (h1, v1) = sampling[0], sampling[1]
    fewer = (h0 * v0) / max(1, h1 * v1)
    return "444" if fewer < 1.5 else "422" if fewer < 3 else "420"
