"""Copies that are made on purpose: what a copy may have gone through, one function a kind.

The detector learns from some of them and measures on others what it would have found. Every
parameter stands in this file; lengths are shares of the image's sides, so that a kind means the
same at any size. What comes in from outside of the image repeats its edge.

Source of elastic deformations: Simard, Steinkraus and Platt, "Best Practices for Convolutional
Neural Networks Applied to Visual Document Analysis", ICDAR 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from augment.audit.copies.images import Image
from augment.audit.copies.warps import (
    Array,
    displaced,
    moved,
    scaled,
    smooth_field,
    turned,
    warped,
)

NOISE = 12.0
"""Standard deviation of Gaussian noise, levels of 0 .. 255."""
JPEG_QUALITY = 50
SHIFT = (0.05, 0.10)
"""Least and most shift along each axis, a share of the side."""
CROP = 0.8
"""Share of each side that is kept; the crop is enlarged to the image's size."""
DEGREES = 15.0
GAIN = (0.75, 1.25)
BIAS = 20.0
"""A channel becomes gain * level + bias, drawn for each: bias in -BIAS .. BIAS levels."""
ELASTIC_LENGTH = 0.125
"""Standard deviation of the Gaussian that smooths an elastic field, a share of the longer side."""
ELASTIC_MOST = 0.04
"""Longest displacement of an elastic field, a share of the longer side."""
COMPOUND_CROP, COMPOUND_DEGREES, COMPOUND_SHIFT, COMPOUND_QUALITY = 0.9, 10.0, 0.05, 75

Kind = Callable[[Image, np.random.Generator], Image]
"""Of an image (H, W, 3) uint8: another of the same size."""


def exact(image: Image, rng: np.random.Generator) -> Image:
    """The same pixels."""
    return image.copy()


def noisy(image: Image, rng: np.random.Generator) -> Image:
    """Independent Gaussian noise on every channel."""
    return _levels(image + rng.normal(0.0, NOISE, image.shape))


def jpeg(image: Image, rng: np.random.Generator) -> Image:
    """Written as JPEG and read again."""
    return _recoded(image, JPEG_QUALITY)


def flipped(image: Image, rng: np.random.Generator) -> Image:
    """Left becomes right."""
    return np.ascontiguousarray(image[:, ::-1])


def shifted(image: Image, rng: np.random.Generator) -> Image:
    """Moved along both axes."""
    return _cubic(image, moved(*(2 * rng.uniform(*SHIFT, 2) * rng.choice((-1, 1), 2))))


def cropped(image: Image, rng: np.random.Generator) -> Image:
    """A window at a random place, enlarged."""
    return _cubic(image, _window(CROP, rng))


def rotated(image: Image, rng: np.random.Generator) -> Image:
    """Turned around the centre, either way."""
    return _cubic(image, turned(DEGREES * rng.choice((-1, 1)), *image.shape[:2]))


def recoloured(image: Image, rng: np.random.Generator) -> Image:
    """Another gain and bias for every channel."""
    return _levels(image * rng.uniform(*GAIN, 3) + rng.uniform(-BIAS, BIAS, 3))


def elastic(image: Image, rng: np.random.Generator) -> Image:
    """Moved along a smooth random field."""
    height, width = image.shape[:2]
    size = max(height, width)
    field = smooth_field(height, width, ELASTIC_LENGTH * size, ELASTIC_MOST * size, rng)
    return displaced(image, field, cv2.INTER_CUBIC)


def compound(image: Image, rng: np.random.Generator) -> Image:
    """A window, turned, moved, recoloured, written as JPEG: each mildly."""
    turn = turned(COMPOUND_DEGREES * rng.uniform(-1, 1), *image.shape[:2])
    shift = moved(*(2 * rng.uniform(-COMPOUND_SHIFT, COMPOUND_SHIFT, 2)))
    made = _cubic(image, shift @ turn @ _window(COMPOUND_CROP, rng))
    return _recoded(recoloured(made, rng), COMPOUND_QUALITY)


KINDS: Mapping[str, Kind] = {
    kind.__name__: kind
    for kind in (exact, noisy, jpeg, flipped, shifted, cropped, rotated, recoloured, elastic,
                 compound)
}  # fmt: skip
"""The kinds by name; the last is of several changes."""


def _levels(values: Array) -> Image:
    levels: Image = np.rint(values).clip(0, 255).astype(np.uint8)
    return levels


def _recoded(image: Image, quality: int) -> Image:
    # OpenCV has blue first
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    read: Image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(read[..., ::-1])


def _window(share: float, rng: np.random.Generator) -> Array:
    window: Array = moved(*rng.uniform(share - 1, 1 - share, 2)) @ scaled(share)
    return window


def _cubic(image: Image, warp: Array) -> Image:
    return warped(image, warp, cv2.INTER_CUBIC)
