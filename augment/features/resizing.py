"""Images of any size as one batch of one size.

Source of the method: Parmar, Zhang and Zhu, "On Aliased Resizing and Surprising Subtleties in GAN
Evaluation", CVPR 2022: a filter as wide as the reduction asks for, as Pillow has it; libraries that
leave it out give numbers that move with the size of the images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

CROPPED = (
    "the shorter side to {shorter} px, Pillow's bicubic with antialiasing, uint8; its middle "
    "{side} x {side} px"
)
_LONGEST = 32
"""Of an image with longer sides than so many shorter ones, only the middle is resized: a line of
pixels must not become gigabytes. Elsewhere it is cut out afterwards, as the processors do."""
BICUBIC = "the whole image to {side} x {side} px, Pillow's bicubic with antialiasing, uint8"


def resized(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    """(N, side, side, 3) uint8 of images (H, W, 3) uint8 RGB; the sides' ratio is not kept, so
    that no part of an image is left out.

    Raises:
        ValueError: something is no such image.
    """
    refuse_odd(images)
    batch = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in enumerate(images):
        if image.shape[:2] == (side, side):
            batch[row] = image
        else:
            small = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
            batch[row] = np.asarray(small)
    return batch


def cropped(images: Sequence[np.ndarray], shorter: int, side: int) -> np.ndarray:
    """(N, side, side, 3) uint8 of images (H, W, 3) uint8 RGB: the middle of each once its shorter
    side has `shorter` px, as the image processors of CLIP and DINOv2 have it. What sticks out of
    the middle is not seen. side: at most `shorter`.

    Raises:
        ValueError: something is no such image.
    """
    refuse_odd(images)
    batch = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in enumerate(images):
        height, width = image.shape[:2]
        longer = int(shorter * max(height, width) / min(height, width))
        if longer > _LONGEST * shorter:
            batch[row] = _middle(image, shorter, side)
            continue
        size = (shorter, longer) if width <= height else (longer, shorter)
        if size != (width, height):
            small = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
            image = np.asarray(small)
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        batch[row] = image[top : top + side, left : left + side]
    return batch


def refuse_odd(images: Sequence[np.ndarray]) -> None:
    """Raises:
    ValueError: something is no image (H, W, 3) uint8.
    """
    for row, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image {row}: got {image.shape} {image.dtype}; expected (H, W, 3) uint8 RGB"
            )


def _middle(image: np.ndarray, shorter: int, side: int) -> np.ndarray:
    """(side, side, 3): the middle of an image whose shorter side would have `shorter` px."""
    height, width = image.shape[:2]
    half = min(height, width) * side / shorter / 2
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(small)
