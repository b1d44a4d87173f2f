"""What a filter is: scores of an image, and a verdict over scores.

The two are apart so that scores can be stored and thresholds changed without making or
even reading an image again. Knows no filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Verdict:
    """reason: a short code that is counted, for example `degenerate.blank`; None: accepted."""

    accepted: bool
    reason: str | None = None


ACCEPTED = Verdict(True)


class Filter(Protocol):
    """One question to an image, answered by its scores: no threshold enters those; their names
    begin with the filter's name and a dot. NaN: what gives them could not say."""

    @property
    def name(self) -> str: ...

    @property
    def score_names(self) -> tuple[str, ...]: ...

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """The verdict by stored scores, which may hold those of other filters too.

        Raises:
            KeyError: a score of this filter is missing.
        """


class ImageFilter(Filter, Protocol):
    """One whose scores are pure functions of the pixels of the image alone."""

    def score(self, images_NHWC: np.ndarray) -> dict[str, np.ndarray]:
        """Every score of `score_names`, each (N,) float64, of images (N, H, W, 3) uint8 RGB.
        An image's scores do not depend on the others."""
