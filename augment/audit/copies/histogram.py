"""How scores are spread, in bins: flat in the number of images, and one of the bins' edges is the
threshold.

A score is told as its margin: less the threshold that holds for an image of its class. Above 0 it
lies beyond the threshold. Bin i holds margins above i x width and up to (i + 1) x width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

BINS = 40
"""On each side of the threshold; what lies farther off is in the last one."""
_FILLED = 30  # bins that all but the lowest hundredth of real images come to
_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass
class Histogram:
    """Margins, added shard by shard. width: of a bin, above 0. n: images. unlike: of these,
    those without any candidate to score. counts: (2 x BINS,), of bins -BINS to BINS - 1."""

    width: float
    n: int = 0
    unlike: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * (2 * BINS))

    def add(self, margins: Iterable[float | None]) -> None:
        """None: of an image without any candidate."""
        for margin in margins:
            self.n += 1
            if margin is None:
                self.unlike += 1
                continue
            place = math.ceil(margin / self.width) - 1
            self.counts[min(max(place, -BINS), BINS - 1) + BINS] += 1

    def to_json(self) -> dict[str, object]:
        """As in the report: bins from the first that holds an image to the last."""
        held = [i for i, n in enumerate(self.counts) if n]
        first, last = (held[0], held[-1]) if held else (BINS, BINS - 1)
        return {
            "n": self.n,
            "unlike": self.unlike,
            "first": first - BINS,
            "counts": self.counts[first : last + 1],
        }


def width_of(margins: Sequence[float | None]) -> float:
    """The width of bins that show how real images are spread: 1, 2 or 5 times a power of ten.
    margins: theirs."""
    some = [one for one in margins if one is not None]
    span = -float(np.quantile(some, 0.01)) if some else 0.0
    if span <= 0:
        return 1.0
    least = span / _FILLED
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))
