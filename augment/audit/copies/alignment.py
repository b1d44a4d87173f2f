"""Alignment: the warp from a query into a candidate, and what is alike after it.

First an affine warp, which maximises the correlation of the two (so brightness and contrast do not
count), on small images and for the best candidates on larger ones; then a smooth flow of a few
pixels, which takes elastic changes away. What lies outside of the candidate does not count.

Sources: Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation
Coefficient Maximization", TPAMI 2008; Kroeger et al., "Fast Optical Flow Using Dense Inverse
Search", ECCV 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from augment.audit.copies.candidates import Start
from augment.audit.copies.images import SIDE, Reduced
from augment.audit.copies.warps import Array, off_pixels, on_pixels, warped

FINE = 3
"""Candidates that are aligned at full size: the best ones of the coarse alignment."""
LEAST_OVERLAP = 0.5
"""Share of the query that must come from inside the candidate."""
_SCALES = (0.6, 1.6)
"""A warp that shrinks or stretches beyond these is no copy's."""
_COARSE = SIDE // 2
_FINE_STEPS, _COARSE_STEPS, _PRECISION = 30, 20, 1e-4
FLAT = 2.0
"""Levels of contrast below which there is nothing to correlate."""
_SOFT = 1.0
"""Pixels by which both are blurred before they are compared: noise and resampling differ there."""
_FLOW_LENGTH, _FLOW_MOST = 4.0, 4.0
"""Pixels: the Gaussian that smooths a flow, and its longest displacement."""


@dataclass(frozen=True, eq=False)
class Side:
    """An image at both sizes, float32: small (_COARSE, _COARSE), full and soft (SIDE, SIDE)."""

    small: Array
    full: Array
    soft: Array

    @classmethod
    def of(cls, grey: Array) -> Side:
        full = grey.astype(np.float32)
        small = cv2.resize(full, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
        return cls(small, full, cv2.GaussianBlur(full, (0, 0), _SOFT))


@dataclass(frozen=True, eq=False)
class Aligned:
    """A candidate on the query. protected: its row. warp: from the query into it. inside: (SIDE,
    SIDE) bool, the pixels that count. soft: (SIDE, SIDE) float32, the candidate after the warp.
    flow: (SIDE, SIDE, 2) float32, pixels that it moves further."""

    protected: int
    warp: Array
    inside: Array
    soft: Array
    flow: Array


def aligned(query: Side, starts: Sequence[Start], protected: Reduced) -> list[Aligned]:
    """The best candidates on the query, at most FINE; fewer where nothing overlaps enough."""
    best: dict[int, tuple[float, Array]] = {}
    sides: dict[int, Side] = {}
    for start in starts:
        row = start.protected
        side = sides.setdefault(row, Side.of(protected.grey[row]))
        warp = _refined(query.small, side.small, start.warp, _COARSE_STEPS)
        inside = _inside(warp, _COARSE)
        if inside.mean() < LEAST_OVERLAP:
            continue
        alike = correlation(query.small, warped(side.small, warp), inside)
        if row not in best or alike > best[row][0]:
            best[row] = alike, warp
    top = sorted(best, key=lambda row: (-best[row][0], row))[:FINE]
    return [_fine(query, sides[row], row, best[row][1]) for row in top]


def correlation(a: Array, b: Array, inside: Array) -> float:
    """Of the pixels inside, -1 .. 1; nearer 0 where the contrast is near FLAT."""
    x, y = a[inside].astype(np.float64), b[inside].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    floor = len(x) * FLAT**2
    return float(x @ y / np.sqrt((x @ x + floor) * (y @ y + floor)))


def _fine(query: Side, side: Side, row: int, coarse: Array) -> Aligned:
    warp = _refined(query.full, side.full, coarse, _FINE_STEPS)
    inside = _inside(warp, SIDE)
    if inside.mean() < LEAST_OVERLAP:
        warp, inside = coarse, _inside(coarse, SIDE)
    soft = warped(side.soft, warp)
    return Aligned(row, warp, inside, soft, _flow(query.soft, soft, inside))


def _refined(query: Array, candidate: Array, warp: Array, steps: int) -> Array:
    """The warp after steps of ECC; as it was where that finds none that a copy may have."""
    size = query.shape
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, _PRECISION)
    begin = on_pixels(warp, size, size).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(
            query, candidate, begin, cv2.MOTION_AFFINE, criteria, None, 3
        )
    except cv2.error:  # flat, or it does not converge
        return warp
    better = off_pixels(found.astype(np.float64), size, size)
    if not np.isfinite(better).all():
        return warp
    least, most = scales(better)
    return better if _SCALES[0] < least and most < _SCALES[1] else warp


def scales(warp: Array) -> tuple[float, float]:
    """By how much a warp stretches at least and at most (its singular values)."""
    most, least = np.linalg.svd(warp[:2, :2], compute_uv=False)
    return float(least), float(most)


def _inside(warp: Array, side: int) -> Array:
    """(side, side) bool: pixels of the query that come from inside the candidate, but for its
    outermost ones, which are interpolated with nothing."""
    ones = np.ones((side, side), np.uint8)
    matrix = on_pixels(warp, (side, side), (side, side))
    seen = cv2.warpAffine(
        ones, matrix, (side, side), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    inner: Array = cv2.erode(seen, np.ones((3, 3), np.uint8), borderValue=1) > 0
    return inner


def _flow(query: Array, candidate: Array, inside: Array) -> Array:
    """A smooth flow from the query to the candidate, 0 outside."""
    weight = inside.astype(np.float32)
    found = _search().calc(_levels(query, inside), _levels(candidate, inside), None)
    flow: Array = cv2.GaussianBlur(found * weight[..., None], (0, 0), _FLOW_LENGTH)
    flow /= np.maximum(cv2.GaussianBlur(weight, (0, 0), _FLOW_LENGTH), 0.1)[..., None]
    length = np.hypot(flow[..., 0], flow[..., 1])
    flow *= np.minimum(1.0, _FLOW_MOST / np.maximum(length, 1e-6))[..., None]
    return flow


def _search() -> cv2.DISOpticalFlow:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchSize(8)
    search.setPatchStride(4)
    return search


def _levels(image: Array, inside: Array) -> Array:
    """uint8 of the same mean and contrast for every image."""
    some = image[inside]
    even: Array = (image - some.mean()) / (some.std() + FLAT) * 40 + 128
    levels: Array = even.clip(0, 255).astype(np.uint8)
    return levels
