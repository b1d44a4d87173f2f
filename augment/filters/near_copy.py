"""near_copy: does the image repeat a real image of the job?

The scores need those images, so they are computed elsewhere and only judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from augment.filters.protocol import ACCEPTED, Verdict
from augment.spec.filters import NearCopy, Side

SCORES: Mapping[Side, str] = {"train": "near_copy.train", "holdout": "near_copy.holdout"}
"""The least rate of false positives at which the image is called a copy of a real one of that
side; 0: their pixels are equal. NaN where there are too few real images for a threshold."""


class NearCopyFilter:
    """Rejects `near_copy` (a copy at the rate of `false_positives`)."""

    name = "near_copy"

    def __init__(self, spec: NearCopy) -> None:
        self._spec = spec
        self.score_names = tuple(SCORES[side] for side in spec.sides)

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """What cannot be judged passes only where the job says so."""
        rates = [scores[name] for name in self.score_names]
        if any(rate <= self._spec.false_positives for rate in rates):
            return Verdict(False, "near_copy")
        unknown = any(math.isnan(rate) for rate in rates)
        if unknown and self._spec.not_judged == "refuse":
            return Verdict(False, "near_copy.unknown")
        return ACCEPTED
