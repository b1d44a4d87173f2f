"""Warps of images, and coordinates that are the same whatever an image's size.

A warp is (3, 3) float64 and maps a point of the image that is made to the point of the image that
it is taken from. Points are (x, y, 1) in [-1, 1] x [-1, 1], from left to right and from top to
bottom; the edges of the image are the edges of the square.
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray
IDENTITY = np.eye(3)
MIRROR = np.diag([-1.0, 1.0, 1.0])


def moved(across: float, down: float) -> Array:
    """A shift; 2 is the whole side."""
    return np.array([[1.0, 0.0, across], [0.0, 1.0, down], [0.0, 0.0, 1.0]])


def scaled(factor: float) -> Array:
    """Around the centre; below 1 a part is enlarged."""
    return np.diag([factor, factor, 1.0])


def turned(degrees: float, height: int = 1, width: int = 1) -> Array:
    """A rotation around the centre of an image with these sides (only their ratio counts)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    ratio = height / width
    return np.array([[c, -s * ratio, 0.0], [s / ratio, c, 0.0], [0.0, 0.0, 1.0]])


def on_pixels(warp: Array, to: tuple[int, int], source: tuple[int, int]) -> Array:
    """(2, 3) float64: the warp between pixel centres of images (height, width), as OpenCV counts
    them."""
    both: Array = (_pixels(*source) @ warp @ np.linalg.inv(_pixels(*to)))[:2]
    return both


def off_pixels(matrix: Array, to: tuple[int, int], source: tuple[int, int]) -> Array:
    """The warp whose `on_pixels` is this (2, 3)."""
    warp: Array = np.linalg.inv(_pixels(*source)) @ np.vstack([matrix, [0, 0, 1]]) @ _pixels(*to)
    return warp


def warped(image: Array, warp: Array, interpolation: int = cv2.INTER_LINEAR) -> Array:
    """An image of the same size and kind; what lies outside repeats the edge."""
    size = image.shape[0], image.shape[1]
    matrix = on_pixels(warp, size, size)
    made: Array = cv2.warpAffine(
        image, matrix, size[::-1], flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return made


def grid(height: int, width: int) -> tuple[Array, Array]:
    """Columns and rows of every pixel, each (height, width) float32."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def smooth_field(height: int, width: int, length: float, most: float, rng: np.random.Generator
                 ) -> Array:  # fmt: skip
    """(height, width, 2) float32: a random field of displacements in pixels.

    length: standard deviation in pixels of the Gaussian that smooths it. most: its longest one.
    """
    field = rng.uniform(-1.0, 1.0, (height, width, 2)).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), max(0.5, length))
    longest = float(np.hypot(field[..., 0], field[..., 1]).max())
    bent: Array = field * np.float32(most / max(longest, 1e-12))
    return bent


def displaced(image: Array, field: Array, interpolation: int = cv2.INTER_LINEAR) -> Array:
    """The image whose pixel x is the image's point x + field(x); the edge is repeated."""
    x, y = grid(*image.shape[:2])
    made: Array = cv2.remap(
        image, x + field[..., 0], y + field[..., 1], interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return made


def _pixels(height: int, width: int) -> Array:
    """From [-1, 1] to pixel centres."""
    return np.array([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]])
