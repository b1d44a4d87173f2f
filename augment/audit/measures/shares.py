"""Shares of counted things with an exact interval.

Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
the Binomial", Biometrika 1934: the shares under which so many hits, or so few, are not too rare.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from augment.audit.measures.figures import Interval

_STEPS = 60


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """Where the share lies of which `hits` of n were seen; 0 .. 1 for n = 0.

    level: of the interval, both sides together; an upper bound of 0.95 alone is the upper end at
    level 0.9.

    Raises:
        ValueError: hits outside 0 .. n, or a level outside of 0 and 1.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits: got {hits} of n = {n}; expected 0 to n")
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}; expected a number between 0 and 1")
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _root(lambda p: 1 - at_most(hits - 1, n, p) - tail)
    high = 1.0 if hits == n else _root(lambda p: tail - at_most(hits, n, p))
    return Interval(low, high, level)


def at_most(hits: int, n: int, share: float) -> float:
    """Probability of at most `hits` of n, 0 <= hits <= n and 0 < share < 1."""
    k = np.arange(hits + 1)
    ways = math.lgamma(n + 1) - np.array(
        [math.lgamma(i + 1) + math.lgamma(n - i + 1) for i in k.tolist()]
    )
    terms = ways + k * math.log(share) + (n - k) * math.log1p(-share)
    return float(np.exp(terms).sum())


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that rises over 0 .. 1 crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
