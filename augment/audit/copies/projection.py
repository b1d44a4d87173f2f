"""A linear projection of described views that keeps what tells images apart and drops what a small
change of one image moves, learned from the protected images themselves.

Source: Fisher, "The Use of Multiple Measurements in Taxonomic Problems", 1936: the directions with
the greatest ratio of the variance between images to that within changed versions of one image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from augment.audit.copies.images import SIDE
from augment.audit.copies.warps import Array, displaced, moved, scaled, smooth_field, turned, warped
from augment.audit.measures.streams import some_rows

DIMENSIONS = 32
MOST_IMAGES, CHANGES = 400, 5
"""Images that it is learned from, and changed versions of each."""
_DEGREES, _SCALE, _SHIFT, _BENT, _NOISE = 3.0, 0.03, 0.05, 2.0, 5.0
"""What may remain between a copy and the nearest view, as standard deviations: degrees, logarithm
of the scale, shift in [-1, 1], the longest displacement in pixels of SIDE, levels of noise."""
_RIDGE = 0.1

Describe = Callable[[Array], Array]
"""Of a (SIDE, SIDE) uint8 image: (D,)."""


@dataclass(frozen=True, eq=False)
class Projection:
    """mean: (D,), axes: (D, at most DIMENSIONS), float64."""

    mean: Array
    axes: Array

    def __call__(self, described: Array) -> Array:
        """(..., D) -> (..., DIMENSIONS) float32 of length 1, or 0 for what has no direction."""
        inside = (described - self.mean) @ self.axes
        length = np.linalg.norm(inside, axis=-1, keepdims=True)
        made: Array = (inside / np.maximum(length, 1e-12)).astype(np.float32)
        return made


def learned(grey: Array, describe: Describe, rng: np.random.Generator) -> Projection:
    """From (N, SIDE, SIDE) uint8 images, N >= 1; of more than MOST_IMAGES a seeded sample."""
    rows = some_rows(min(len(grey), MOST_IMAGES), len(grey), rng)
    images = np.stack([describe(grey[row]) for row in rows]).astype(np.float64)
    moves = np.concatenate([
        [describe(_changed(grey[row], rng)) - images[i] for _ in range(CHANGES)]
        for i, row in enumerate(rows)
    ])  # fmt: skip
    mean, eye = images.mean(axis=0), np.eye(images.shape[1])
    between = (images - mean).T @ (images - mean) / len(images)
    within = moves.T @ moves / len(moves)
    within += eye * (_RIDGE * np.trace(within) / len(within) + 1e-9)
    whitening = np.linalg.inv(np.linalg.cholesky(within))
    _, vectors = np.linalg.eigh(whitening @ (between + eye * 1e-12) @ whitening.T)
    return Projection(mean, whitening.T @ vectors[:, ::-1][:, :DIMENSIONS])


def _changed(grey: Array, rng: np.random.Generator) -> Array:
    """The image after a small change, (SIDE, SIDE) uint8."""
    warp = (
        turned(rng.normal(0, _DEGREES))
        @ scaled(np.exp(rng.normal(0, _SCALE)))
        @ moved(*rng.normal(0, _SHIFT, 2))
    )
    bent = displaced(warped(grey, warp), smooth_field(SIDE, SIDE, SIDE / 8, _BENT, rng))
    made: Array = cv2.add(
        bent.astype(np.float32), rng.normal(0, _NOISE, bent.shape).astype(np.float32)
    )
    return made.clip(0, 255).astype(np.uint8)
