"""agreement: does a classifier of the job's real images see the class in it that the row says?

The score needs those images, so it is computed elsewhere and only judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from augment.filters.protocol import ACCEPTED, Verdict
from augment.spec.filters import Agreement

SCORE = "agreement.p"
"""Probability of the row's own class; NaN where the classifier does not know the class."""


class AgreementFilter:
    """Rejects `agreement` (the own class is less likely than `min`)."""

    name = "agreement"
    score_names = (SCORE,)

    def __init__(self, spec: Agreement) -> None:
        self._spec = spec

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """A row of a class that the classifier does not know passes only where the job says so."""
        p = scores[SCORE]
        if math.isnan(p):
            return (
                ACCEPTED if self._spec.not_judged == "pass" else Verdict(False, "agreement.unknown")
            )
        return ACCEPTED if p >= self._spec.min else Verdict(False, "agreement")
