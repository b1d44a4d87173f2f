"""What every extractor is to the rest: facts that name its numbers, and a function of images.

Distances of features of different extractors have nothing to do with one another; so each says what
decides its numbers, and whoever keeps features keeps that beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from augment.seeds import digest


@dataclass(frozen=True)
class ExtractorInfo:
    """What decides an extractor's numbers.

    name: as a report calls it. version: raised with every change that changes numbers. dimensions:
    of a vector. weights_sha256: 64 hex digits, of the weights file, or of the random numbers that
    weights are made of. resize: how an image becomes the network's input, in words.
    """

    name: str
    version: int
    dimensions: int
    weights_sha256: str
    resize: str

    @property
    def digest(self) -> str:
        """64 hex digits over all of it: what features are kept under."""
        return digest(asdict(self))


class Extractor(Protocol):
    """A network on one device. An image's vector depends on that image alone, but for rounding."""

    @property
    def info(self) -> ExtractorInfo: ...

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) float32, finite, of images (H, W, 3) uint8 RGB as displayed, of any sizes.

        Raises:
            ValueError: something is no such image.
        """
