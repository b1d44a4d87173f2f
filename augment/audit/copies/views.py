"""Views of an image: where candidates are looked for, and where an alignment begins.

Two ways, since each misses what the other finds (docs/audit.md, Copies):

- framed: the protected image as it is, turned, cropped and shifted. For images that fill their
  frame; a copy is near one of these views.
- settled: image and copy are both brought to the same centre and spread of what stands out from
  the background. For objects on a plain ground, wherever they stand in their frame.

Mirrored copies are found by mirroring the query, not by twice as many views.
"""

from __future__ import annotations

import cv2
import numpy as np

from augment.audit.copies.images import SIDE
from augment.audit.copies.warps import IDENTITY, Array, grid, moved, scaled, turned, warped

_CROP, _OFF, _SHIFT, _DEGREES = 0.8, 0.14, 0.15, 15.0
FRAMED: tuple[Array, ...] = (
    IDENTITY, turned(_DEGREES), turned(-_DEGREES),
    *(moved(x, y) @ scaled(_CROP) for x in (-_OFF, 0, _OFF) for y in (-_OFF, 0, _OFF)),
    *(moved(x, y) for x in (-_SHIFT, _SHIFT) for y in (-_SHIFT, _SHIFT)),
)  # fmt: skip
"""Warps from a view into its protected image."""
SETTLED: tuple[Array, ...] = (IDENTITY, turned(_DEGREES), turned(-_DEGREES))
"""The same, after `settling`."""

SEEN = 16
"""A view is described by SEEN x SEEN grey pixels."""
_BLUR = SIDE / SEEN / 2
_FLAT = 2.0
"""Levels of contrast that count as none: a flat image is near nothing, not near all noise."""
_STANDS_OUT = 12
"""Levels from the background's from which a pixel belongs to what is shown."""
_LEAST_SPREAD = 0.1
_USUAL_SPREAD = 0.5


def described(grey: Array) -> Array:
    """(SEEN * SEEN,) float32 of a (SIDE, SIDE) uint8 image, whatever its brightness and contrast:
    mean 0, length below 1."""
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _BLUR)
    small = cv2.resize(soft, (SEEN, SEEN), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    length = np.sqrt(float(small @ small) + small.size * _FLAT**2)
    described: Array = small / np.float32(length)
    return described


def settling(grey: Array) -> Array:
    """The warp from the settled view into the image: its centre is that of what stands out from the
    border's median level, and that has the same spread along every direction. The identity where
    nothing stands out."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    apart = np.abs(grey.astype(np.float64) - float(np.median(border)))
    weight = np.maximum(apart - _STANDS_OUT, 0.0)
    if (total := weight.sum()) < SIDE:
        return IDENTITY
    x, y = ((2 * at.astype(np.float64) + 1) / SIDE - 1 for at in grid(SIDE, SIDE))
    weight /= total
    centre = np.array([(weight * x).sum(), (weight * y).sum()])
    x, y = x - centre[0], y - centre[1]
    across = (weight * x * y).sum()
    spread = np.array([[(weight * x * x).sum(), across], [across, (weight * y * y).sum()]])
    values, axes = np.linalg.eigh(spread)
    root = axes @ np.diag(np.sqrt(np.maximum(values, _LEAST_SPREAD**2))) @ axes.T
    warp = np.eye(3)
    warp[:2, :2], warp[:2, 2] = root / _USUAL_SPREAD, centre
    return warp


def framed(grey: Array) -> Array:
    """(len(FRAMED), SEEN * SEEN) float32: every framed view of one image."""
    return np.stack([described(warped(grey, view)) for view in FRAMED])


def settled(grey: Array, settling: Array) -> Array:
    """(len(SETTLED), SEEN * SEEN) float32: every settled view of one image."""
    return np.stack([described(warped(grey, settling @ view)) for view in SETTLED])
