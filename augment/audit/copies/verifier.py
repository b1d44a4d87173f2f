"""The verifier: one score from the evidence of a pair, learned from copies that were planted.

A logistic regression with a quadratic penalty. Positives are planted copies beside their
originals, negatives are real images beside those that look most like them, but for pairs that may
be copies themselves (see `detector`); so what counts as alike is learned from the user's own
images. The score is the logarithm of the odds; from where on a pair is a copy is decided
elsewhere (see `calibration`).

A straight line goes on for ever: where an image is unlike all that was learned from, one number of
it, as its low contrast, could outweigh that it looks like nothing else. So no number speaks for a
copy by more than that of some planted copy did, and `could_be` asks for as much agreement and
contrast as a copy has.
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
_ALIKE, _CONTRAST = NAMES.index("alike_bent"), NAMES.index("contrast")
_ALIKE_ENOUGH = float(np.arctanh(0.9))
"""Of z after the flow: what agrees so well could be a copy, though planted ones agree better."""
_FADED = float(np.log(2))
"""Of the logarithm of contrast: how much less than the least of planted copies a copy may have."""


@dataclass(frozen=True, eq=False)
class Verifier:
    """mean, scale, weights: (len(NAMES),) float64, of the evidence; bias: added to the score. most:
    (len(NAMES),), the greatest part of the score that a number may have. least: (len(NAMES),), of
    the evidence of a copy."""

    mean: Array
    scale: Array
    weights: Array
    bias: float
    most: Array
    least: Array

    def __call__(self, evidence: Array) -> float:
        """The score of one pair; higher is nearer."""
        parts = (evidence - self.mean) / self.scale * self.weights
        return float(np.minimum(parts, self.most).sum() + self.bias)

    def could_be(self, evidence: Array) -> bool:
        """Whether a pair agrees, and has contrast, as copies do, whatever its score."""
        return bool((evidence >= self.least).all())


def unlearned() -> Verifier:
    """The score is `alike`, where there is nothing to learn from."""
    weights = np.array([1.0 if name == "alike" else 0.0 for name in NAMES])
    anything = np.full(len(NAMES), np.inf)
    return Verifier(np.zeros(len(NAMES)), np.ones(len(NAMES)), weights, 0.0, anything, -anything)


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
    most = (x[is_copy, :-1] * found[:-1]).max(axis=0)
    least = np.full(len(NAMES), -np.inf)
    least[_ALIKE] = min(copies[:, _ALIKE].min(), _ALIKE_ENOUGH)
    least[_CONTRAST] = copies[:, _CONTRAST].min() - _FADED
    return Verifier(mean, scale, found[:-1], float(found[-1]), most, least)


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
