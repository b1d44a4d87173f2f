"""degenerate: is there anything in the image at all? Catches blank and clipped output.

Needs the image alone. NaN never comes this far: it has no place in uint8, and the host
fails such a row itself. Knows nothing of classes or of other images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from augment.filters.protocol import ACCEPTED, Verdict
from augment.spec.models import Degenerate

_STD = "degenerate.std"
_SATURATED = "degenerate.saturated"
_LEVELS = np.arange(256)


class DegenerateFilter:
    """Rejects `degenerate.blank` (no channel varies) and `degenerate.saturated` (nearly
    every value clipped). Black paper around a digit is neither: about half of its values
    are 0, and the stroke's edges are not."""

    name = "degenerate"
    score_names = (_STD, _SATURATED)

    def __init__(self, spec: Degenerate) -> None:
        self._spec = spec

    def score(self, image_HWC: np.ndarray) -> dict[str, float]:
        """std: standard deviation (levels, 0 to 127.5) over the pixels of the channel that
        varies most, so a flat colour has 0. saturated: share of values at 0 or 255.

        Args:
            image_HWC: (H, W, 3) uint8, not empty.
        """
        counts = [np.bincount(image_HWC[..., c].ravel(), minlength=256) for c in range(3)]
        clipped = sum(int(n[0] + n[255]) for n in counts)
        return {
            _STD: math.sqrt(max(_variance(n) for n in counts)),
            _SATURATED: clipped / image_HWC.size,
        }

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """Blank before saturated: a black image is both."""
        if not scores[_STD] >= self._spec.min_std:
            return Verdict(False, "degenerate.blank")
        if not scores[_SATURATED] <= self._spec.max_saturated:
            return Verdict(False, "degenerate.saturated")
        return ACCEPTED


def _variance(counts: np.ndarray) -> float:
    """Of levels that occur `counts[level]` times; in whole numbers, so the same everywhere."""
    n = int(counts.sum())
    total = int(counts @ _LEVELS)
    squares = int(counts @ _LEVELS**2)
    return (n * squares - total * total) / (n * n)
