"""Random streams of the audit: every draw is a function of (seed, purpose)."""

from __future__ import annotations

import numpy as np

from augment import seeds
from augment.audit.measures.features import Array


def stream(seed: int, purpose: str) -> np.random.Generator:
    """The stream of one purpose under one seed."""
    return seeds.stream(f"audit/{seed}", purpose)


def some_rows(n: int, of: int, rng: np.random.Generator) -> Array:
    """(n,) int64: n different indexes below `of`, ascending. n <= of."""
    return np.sort(rng.permutation(of)[:n])
