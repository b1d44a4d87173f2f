"""A network's vectors of any number of images, some at a time.

Shape letters: N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

BATCH = 32
"""Images that a network sees at once."""


def in_batches(
    images: Sequence[np.ndarray],
    dimensions: int,
    vectors: Callable[[Sequence[np.ndarray]], np.ndarray],
) -> np.ndarray:
    """(N, D) float32. vectors: of at most `BATCH` images."""
    parts = [images[at : at + BATCH] for at in range(0, len(images), BATCH)]
    return np.concatenate([np.empty((0, dimensions), np.float32), *map(vectors, parts)])
