"""Images that tests draw: smooth random colours, each unlike the others."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Image = np.ndarray


def blotches(n: int, seed: int = 0, height: int = 40, width: int = 48) -> list[Image]:
    """(height, width, 3) uint8 each."""
    rng = np.random.default_rng(seed)
    return [_stretched(cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), 4))
            for _ in range(n)]  # fmt: skip


def things(n: int, seed: int = 0, side: int = 64) -> list[Image]:
    """A blotch in the middle of a white ground."""
    made = []
    for blotch in blotches(n, seed, side // 2, side // 2):
        image = np.full((side, side, 3), 255, np.uint8)
        at = side // 4
        image[at : at + side // 2, at : at + side // 2] = blotch
        made.append(image)
    return made


def colours(images: Sequence[Image]) -> np.ndarray:
    """An extractor: (N, 48) float32, the colours of 4x4 parts."""
    small = [cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA) for image in images]
    return np.stack([one.ravel() for one in small]).astype(np.float32)


def _stretched(field: np.ndarray) -> Image:
    low, high = field.min(), field.max()
    return np.rint(255 * (field - low) / (high - low)).astype(np.uint8)
