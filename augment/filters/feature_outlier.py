"""feature_outlier: does the image lie where real images of its class lie?

The score needs those images, so it is computed elsewhere and only judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from augment.filters.protocol import ACCEPTED, Verdict
from augment.spec.filters import FeatureOutlier

SCORE = "feature_outlier.distance"
"""In units of what real images of the class keep; NaN where there are too few of them."""


class FeatureOutlierFilter:
    """Rejects `feature_outlier` (farther from real images of its class than `max`)."""

    name = "feature_outlier"
    score_names = (SCORE,)

    def __init__(self, spec: FeatureOutlier) -> None:
        self._spec = spec

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """A row of a class of which nothing can be said passes only where the job says so."""
        distance = scores[SCORE]
        if math.isnan(distance):
            passes = self._spec.not_judged == "pass"
            return ACCEPTED if passes else Verdict(False, "feature_outlier.unknown")
        return ACCEPTED if distance <= self._spec.max else Verdict(False, "feature_outlier")
