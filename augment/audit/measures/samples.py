"""Samples of images that merge: the k with the least seeded hashes.

The same images whatever the order, the shards, or how often one is seen. Source: Cohen and Kaplan,
"Summarizing Data Using Bottom-k Sketches", PODC 2007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augment import seeds
from augment.audit.measures.features import Array, checked


@dataclass(frozen=True, eq=False)
class BottomK:
    """ids: ascending by hash, at most k. features: (len(ids), D), a row an id."""

    k: int
    seed: int
    ids: tuple[str, ...]
    features: Array

    @classmethod
    def of(cls, ids: Sequence[str], features_ND: Array, k: int, seed: int) -> BottomK:
        """ids: N names of images; one that comes twice counts once and must have equal features.

        Raises:
            ValueError: k below 1, features that are refused, or ids that do not fit them.
        """
        if k < 1:
            raise ValueError(f"k: got {k}; expected at least 1")
        features = checked("features_ND", features_ND)
        if len(ids) != len(features):
            raise ValueError(f"ids: got {len(ids)}; expected {len(features)}, one a row")
        keys = [seeds.order_key(seed, "audit/bottom-k", one) for one in ids]
        kept: list[int] = []
        for row in sorted(range(len(ids)), key=keys.__getitem__):
            if kept and ids[kept[-1]] == ids[row]:
                _same(ids[row], features[kept[-1]], features[row])
                continue
            if len(kept) == k:
                break
            kept.append(row)
        return cls(k, seed, tuple(ids[row] for row in kept), features[kept])

    def merge(self, other: BottomK) -> BottomK:
        """The sample of the images of both.

        Raises:
            ValueError: k, seed or D differ, or an image came with other features.
        """
        if (self.k, self.seed) != (other.k, other.seed):
            raise ValueError(
                f"other: got k = {other.k}, seed = {other.seed}; expected {self.k}, {self.seed}"
            )
        if (got := other.features.shape[1]) != (wanted := self.features.shape[1]):
            raise ValueError(f"other: got D = {got}; expected {wanted}")
        both = np.concatenate([self.features, other.features])
        return BottomK.of([*self.ids, *other.ids], both, self.k, self.seed)


def _same(name: str, a: Array, b: Array) -> None:
    if not np.array_equal(a, b):
        raise ValueError(f"ids: got {name!r} twice with other features; expected equal ones")
