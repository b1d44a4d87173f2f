"""Images of any size as one batch of one size.

Source of the method: Parmar, Zhang and Zhu, "On Aliased Resizing and Surprising Subtleties in GAN
Evaluation", CVPR 2022: a filter as wide as the reduction asks for, as Pillow has it; libraries that
leave it out give numbers that move with the size of the images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

BICUBIC = "the whole image to {side} x {side} px, Pillow's bicubic with antialiasing, uint8"


def resized(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    """(N, side, side, 3) uint8 of images (H, W, 3) uint8 RGB; the sides' ratio is not kept, so
    that no part of an image is left out.

    Raises:
        ValueError: something is no such image.
    """
    batch = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image {row}: got {image.shape} {image.dtype}; expected (H, W, 3) uint8 RGB"
            )
        if image.shape[:2] == (side, side):
            batch[row] = image
        else:
            small = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
            batch[row] = np.asarray(small)
    return batch
