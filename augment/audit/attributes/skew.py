"""How far the values of generated rows are from those of real rows of the same classes.

The distance is total variation, half the sum of absolute differences of shares: 0 where every value
has the same share, 1 where no value is common. Beside it stand the distances that chance gives:
the rows of each class, real and generated, are dealt anew into as many of either, a thousand times.
Were they of one kind, the distance would lie above all of these once in a thousand. All classes
together are held against real rows in the mix of classes that was generated, so that a generator of
rare classes is not blamed for its mix.

Source: the permutation test of two samples, stratified (Good, "Permutation, Parametric and
Bootstrap Tests of Hypotheses", 2005, chapter 3). Shape letters: C classes, V values, B draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment import seeds

LEAST = 20
"""Generated rows, and real rows, below which nothing is computed: with 20 a value of half of all
rows moves by 0.11 by chance."""
DRAWS = 1000
WARN = 0.15
"""Of the distance beyond the median of the draws: less is of no weight, however sure it is."""


@dataclass(frozen=True)
class Skew:
    """distance: 0 to 1, None where it is not computed; why says it. n: generated rows that have a
    value; n_real: real ones. low, median, high: of `DRAWS` distances by chance. values: value ->
    (share among generated rows, share expected of real ones)."""

    n: int
    n_real: int
    distance: float | None = None
    low: float | None = None
    median: float | None = None
    high: float | None = None
    values: Mapping[str, tuple[float, float]] | None = None
    why: str | None = None

    @property
    def warns(self) -> bool:
        """Whether it lies outside of all draws, and far from them."""
        if self.distance is None or self.high is None or self.median is None:
            return False
        return self.distance > self.high and self.distance - self.median > WARN

    def to_json(self) -> dict[str, Any]:
        """As in the report, among other keys."""
        return {
            "n": self.n,
            "n_real": self.n_real,
            "distance": self.distance,
            "reference": None
            if self.distance is None
            else {"draws": DRAWS, "low": self.low, "median": self.median, "high": self.high},
            "warns": self.warns,
            "values": {
                value: {"generated": made, "expected": real}
                for value, (made, real) in (self.values or {}).items()
            },
            "not_computed": self.why,
        }


Values = Mapping[str, Counter[str]]
"""class -> value -> rows."""


def skew(made: Values, real: Values, seed: int, purpose: str) -> Skew:
    """made, real: of the classes that are looked at together; real rows of classes that were not
    made are left out."""
    classes = [name for name in sorted(made) if made[name].total() and real.get(name)]
    n = sum(some.total() for some in made.values())
    n_real = sum(real[name].total() for name in classes)
    for rows, what in ((n, "generated"), (n_real, "real")):
        if rows < LEAST:
            return Skew(n, n_real, why=f"{rows} {what} rows have a value; expected {LEAST}")
    names = sorted({value for name in classes for value in (*made[name], *real[name])})
    made_CV = np.array([[made[name][value] for value in names] for name in classes], np.int64)
    real_CV = np.array([[real[name][value] for value in names] for name in classes], np.int64)
    n_C = made_CV.sum(axis=1)
    rng = seeds.stream(f"audit/{seed}", f"skew/{purpose}")
    drawn_B = _by_chance(made_CV, real_CV, rng)
    made_V, expected_V = made_CV.sum(axis=0) / n_C.sum(), _expected(n_C, real_CV)
    return Skew(
        int(n_C.sum()),
        n_real,
        _distance(made_V, expected_V),
        float(drawn_B.min()),
        float(np.median(drawn_B)),
        float(drawn_B.max()),
        {v: (float(a), float(b)) for v, a, b in zip(names, made_V, expected_V, strict=True)},
    )


def _expected(n_C: np.ndarray, real_CV: np.ndarray) -> np.ndarray:
    """(V,) shares of values among real rows, in the mix of classes that was generated. real_CV: a
    class has at least one row; leading axes are kept."""
    shares = real_CV / real_CV.sum(axis=-1, keepdims=True)
    expected: np.ndarray = (n_C[:, None] * shares).sum(axis=-2) / n_C.sum()
    return expected


def _by_chance(made_CV: np.ndarray, real_CV: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B,) distances where the rows of each class are dealt anew."""
    n_C = made_CV.sum(axis=1)
    dealt_BV = np.zeros((DRAWS, made_CV.shape[1]))
    expected_BV = np.zeros_like(dealt_BV)
    for pool_V, n in zip(made_CV + real_CV, n_C.tolist(), strict=True):
        one_BV = rng.multivariate_hypergeometric(pool_V, n, size=DRAWS)
        other_BV = pool_V - one_BV
        dealt_BV += one_BV
        expected_BV += n * other_BV / other_BV.sum(axis=1, keepdims=True)
    distances: np.ndarray = np.abs(dealt_BV - expected_BV).sum(axis=1) / 2 / n_C.sum()
    return distances


def _distance(made_V: np.ndarray, expected_V: np.ndarray) -> float:
    return float(np.abs(made_V - expected_V).sum() / 2)
