"""The verifier: one score from the evidence of a pair, learned from copies that were planted.

A logistic regression with a quadratic penalty. Positives are planted copies beside their originals,
negatives are real images beside those that look most like them; so what counts as alike is learned
from the user's own images. The score is the logarithm of the odds; from where on a pair is a copy
is decided elsewhere (see `calibration`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.audit.copies.evidence import NAMES
from augment.audit.copies.warps import Array

_PENALTY = 1.0
_STEPS = 50
_ENOUGH = 1e-8
_LARGEST = 30.0


@dataclass(frozen=True, eq=False)
class Verifier:
    """mean, scale, weights: (len(NAMES),) float64, of the evidence; bias: added to the score."""

    mean: Array
    scale: Array
    weights: Array
    bias: float

    def __call__(self, evidence: Array) -> float:
        """The score of one pair; higher is nearer."""
        return float((evidence - self.mean) / self.scale @ self.weights + self.bias)


def unlearned() -> Verifier:
    """The score is `alike`, where there is nothing to learn from."""
    weights = np.array([1.0 if name == "alike" else 0.0 for name in NAMES])
    return Verifier(np.zeros(len(NAMES)), np.ones(len(NAMES)), weights, 0.0)


def learned(copies: Array, others: Array) -> Verifier:
    """From the evidence of copies (N, len(NAMES)) and of pairs that are none (M, len(NAMES)), N and
    M at least 1; both weigh the same in all."""
    rows = np.concatenate([copies, others])
    is_copy = np.arange(len(rows)) < len(copies)
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    x = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    weight = np.where(is_copy, 0.5 / len(copies), 0.5 / len(others)) * len(rows)
    penalty = np.full(x.shape[1], _PENALTY)
    penalty[-1] = 1e-6
    found = _newton(x, is_copy.astype(np.float64), weight, penalty)
    return Verifier(mean, scale, found[:-1], float(found[-1]))


def _newton(x: Array, y: Array, weight: Array, penalty: Array) -> Array:
    """The minimum of the penalised loss, by Newton's steps, halved while they do not descend."""

    def loss(w: Array) -> float:
        score = x @ w
        return float(weight @ (np.logaddexp(0.0, score) - y * score) + penalty @ (w * w) / 2)

    w = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -_LARGEST, _LARGEST)))
        slope = x.T @ (weight * (p - y)) + penalty * w
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        before, size = loss(w), 1.0
        while loss(w - size * step) > before and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < _ENOUGH:
            break
    return w
