"""degenerate: is there anything in the image at all? Catches blank and clipped output.

Needs the image alone. NaN never comes this far: it has no place in uint8, and the host
fails such a row itself. Knows nothing of classes or of other images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augment.filters.protocol import ACCEPTED, Verdict
from augment.spec.filters import Degenerate

_STD = "degenerate.std"
_SATURATED = "degenerate.saturated"


class DegenerateFilter:
    """Rejects `degenerate.blank` (no channel varies) and `degenerate.saturated` (nearly
    every value clipped). Black paper around a digit is neither: about half of its values
    are 0, and the stroke's edges are not."""

    name = "degenerate"
    score_names = (_STD, _SATURATED)

    def __init__(self, spec: Degenerate) -> None:
        self._spec = spec

    def score(self, images_NHWC: np.ndarray) -> dict[str, np.ndarray]:
        """std: standard deviation (levels, 0 to 127.5) over the pixels of the channel that
        varies most, so a flat colour has 0. saturated: share of values at 0 or 255.
        Sums are whole numbers, so the scores are the same everywhere.

        Args:
            images_NHWC: (N, H, W, 1 or 3) uint8, not empty; grey has the scores of its RGB.
        """
        n, height, width, channels = images_NHWC.shape
        pixels = height * width
        levels_NCP = np.ascontiguousarray(
            images_NHWC.reshape(n, pixels, channels).transpose(0, 2, 1)
        )
        total_NC = levels_NCP.sum(axis=2, dtype=np.int64)
        exact_NCP = levels_NCP.astype(np.float64)  # whole numbers below 2**53: no rounding
        squares_NC = np.einsum("ncp,ncp->nc", exact_NCP, exact_NCP).astype(np.int64)
        variance_N = (pixels * squares_NC - total_NC * total_NC).max(axis=1) / pixels**2
        clipped_N = (levels_NCP == 0).sum(axis=(1, 2)) + (levels_NCP == 255).sum(axis=(1, 2))
        return {_STD: np.sqrt(variance_N), _SATURATED: clipped_N / (pixels * channels)}

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """Blank before saturated: a black image is both."""
        if not scores[_STD] >= self._spec.min_std:
            return Verdict(False, "degenerate.blank")
        if not scores[_SATURATED] <= self._spec.max_saturated:
            return Verdict(False, "degenerate.saturated")
        return ACCEPTED
