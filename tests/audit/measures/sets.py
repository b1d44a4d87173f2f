"""Feature sets that tests draw."""

from __future__ import annotations

import numpy as np


def pair(n: int, m: int, dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Real and made features that overlap in part: one mixing, another scale and another mean."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dim, dim)) / np.sqrt(dim)
    real = rng.standard_normal((n, dim)) @ mixing
    made = 1.1 * rng.standard_normal((m, dim)) @ mixing + 0.1
    return real, made


def rotation(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def collapsed(
    classes: int = 20, each: int = 100, dim: int = 16, seed: int = 0
) -> tuple[np.ndarray, list[int], np.ndarray, list[int]]:
    """real, its labels, made, its labels: the classes overlap much, and of the last one all made
    images are nearly one."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, dim))
    labels = [label for label in range(classes) for _ in range(each)]
    real, made = (centres[labels] + rng.standard_normal((len(labels), dim)) for _ in range(2))
    last = np.array(labels) == classes - 1
    made[last] = real[last][0] + 0.01 * rng.standard_normal((each, dim))
    return real, labels, made, labels
