"""What follows from an image's pixels alone: whole numbers, scores, its PNG, the name of what it
shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from augment.codec import encode_pngs, pixels_sha256, to_uint8
from augment.filters import ImageFilter, of_image_alone, score

SCORERS: tuple[ImageFilter, ...] = tuple(of_image_alone())
"""Every filter that needs the image alone. A pool row holds all their scores, whichever its
job asked for: so another job's thresholds need no pixels."""


@dataclass(frozen=True)
class Finished:
    """An image as a row needs it. data: a PNG without marks. height, width: pixels. shown: the
    name of its pixels (`pixels_sha256`)."""

    data: bytes
    height: int
    width: int
    shown: str
    scores: Mapping[str, float]


Finish = Callable[[np.ndarray], list[Finished]]
"""(N, C, H, W) float32, nominally in [-1, 1] -> one for each."""


def finished(images_NCHW: np.ndarray) -> list[Finished]:
    """Of images (N, 1 or 3, H, W) float32, nominally in [-1, 1]."""
    images_NHWC = to_uint8(images_NCHW)
    height, width = images_NHWC.shape[1:3]
    return [
        Finished(data, height, width, shown, scores)
        for data, shown, scores in zip(
            encode_pngs(images_NHWC),
            map(pixels_sha256, images_NHWC),
            score(SCORERS, images_NHWC),
            strict=True,
        )
    ]
