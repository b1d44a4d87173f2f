"""Mean and scatter of features, which merge over any split of the images.

Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
Variances", 1979. Merging in another order changes nothing beyond rounding (1e-9 relative).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from augment.audit.measures.features import Array, blocks, checked

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class Moments:
    """n: images, at least 1. mean_D: (D,) float64. scatter_DD: (D, D) float64, symmetric, the sum
    over images of (x - mean)(x - mean)^T, which Chan calls M2."""

    n: int
    mean_D: Array
    scatter_DD: Array

    @classmethod
    def of(cls, features_ND: Array) -> Moments:
        """Of (N, D) features, float32 or float64, N >= 1; works in float64, a block at a time.

        Raises:
            ValueError: features that are no such array, or not finite.
        """
        features = checked("features_ND", features_ND)
        rows = max(1, _BLOCK_BYTES // (8 * features.shape[1]))
        return merged(_of_block(block) for _, block in blocks(features, rows))

    def merge(self, other: Moments) -> Moments:
        """Moments of the images of both.

        Raises:
            ValueError: D differs.
        """
        if self.dim != other.dim:
            raise ValueError(f"other: got D = {other.dim}; expected {self.dim}")
        n = self.n + other.n
        shift = other.mean_D - self.mean_D
        scatter = self.scatter_DD + other.scatter_DD
        scatter += np.outer(shift, shift) * (self.n * other.n / n)
        return Moments(n, self.mean_D + shift * (other.n / n), scatter)

    @property
    def dim(self) -> int:
        """D."""
        return len(self.mean_D)

    def covariance(self) -> Array:
        """(D, D) float64, unbiased: scatter / (n - 1). n must be at least 2."""
        if self.n < 2:
            raise ValueError(f"n: got {self.n}; expected at least 2, which a covariance needs")
        return self.scatter_DD / (self.n - 1)

    def to_arrays(self) -> dict[str, Array]:
        """What a file may hold: `n` () int64, `mean` (D,) and `scatter` (D (D + 1) / 2,), the
        upper triangle row by row, float64."""
        upper = self.scatter_DD[np.triu_indices(self.dim)]
        return {"n": np.asarray(self.n, np.int64), "mean": self.mean_D.copy(), "scatter": upper}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Moments:
        """The moments that `to_arrays` wrote.

        Raises:
            ValueError: a key is missing, a shape or a dtype is another, a value is not finite, n
                is below 1 or a variance is below 0.
        """
        if missing := {"n", "mean", "scatter"} - set(arrays):
            raise ValueError(f"arrays: got no {sorted(missing)[0]!r}; expected n, mean and scatter")
        n, mean, upper = (np.asarray(arrays[key]) for key in ("n", "mean", "scatter"))
        if n.shape != () or n.dtype.kind not in "iu" or int(n) < 1:
            raise ValueError(f"n: got {n!r}; expected one whole number, at least 1")
        mean, upper = _vector("mean", mean), _vector("scatter", upper)
        dim = len(mean)
        if len(upper) != dim * (dim + 1) // 2:
            wanted = dim * (dim + 1) // 2
            raise ValueError(f"scatter: got {len(upper)} numbers; expected {wanted} for D = {dim}")
        scatter = np.zeros((dim, dim))
        scatter[np.triu_indices(dim)] = upper
        scatter += np.triu(scatter, 1).T
        if (least := float(scatter.diagonal().min())) < 0:
            raise ValueError(f"scatter: got {least} on the diagonal; expected none below 0")
        return cls(int(n), mean.copy(), scatter)


def merged(parts: Iterable[Moments]) -> Moments:
    """Moments of the images of all parts.

    Raises:
        ValueError: there are no parts, or D differs.
    """
    every = iter(parts)
    first = next(every, None)
    if first is None:
        raise ValueError("parts: got none; expected at least one")
    return functools.reduce(Moments.merge, every, first)


def _of_block(features_BD: Array) -> Moments:
    wide = features_BD.astype(np.float64)
    mean = wide.mean(axis=0)
    wide -= mean
    correction = wide.mean(axis=0)  # what rounding left of the mean
    wide -= correction
    return Moments(len(wide), mean + correction, wide.T @ wide)


def _vector(name: str, array: Array) -> Array:
    if array.ndim != 1 or not len(array) or array.dtype != np.float64:
        raise ValueError(
            f"{name}: got shape {array.shape} of {array.dtype}; expected one axis of float64"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: got numbers that are not finite; expected finite ones")
    return array
