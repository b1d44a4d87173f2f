"""Splits given as shares: which image of a class goes where, and which ones a cap keeps.

Works on class numbers and sort keys alone, so that a draw is a function of what the keys are
made from, never of the order of a listing. Knows nothing of sources, files or seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def draw_splits(labels: np.ndarray, keys: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Split number (int32) of each row: every class is put in the order of its keys and cut
    so that each split gets its share, rounded by largest remainder, ties by position.

    labels: (n,) class numbers. keys: (n, 2) uint64. shares: sum to 1 (made to exactly).
    """
    parts = _exact(shares)
    out = np.empty(len(labels), np.int32)
    order = np.lexsort((keys[:, 1], keys[:, 0], labels))
    sizes = np.bincount(labels) if len(labels) else np.empty(0, np.int64)
    start = 0
    for size in sizes.tolist():
        counts = _apportion(size, parts)
        out[order[start : start + size]] = np.repeat(np.arange(len(parts)), counts)
        start += size
    return out


def draw_digest(names: Sequence[str], splits: np.ndarray, keys: np.ndarray) -> str:
    """Names a draw (16 hex digits): equal for equal keys in equal splits, in any order of rows.

    names: of the splits. splits: (n,) split numbers. keys: (n, 2) uint64, of the draw.
    """
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    state = hashlib.sha256("\n".join(names).encode())
    state.update(keys[order].astype(">u8").tobytes())
    state.update(splits[order].astype(">i4").tobytes())
    return state.hexdigest()[:16]


def cap_shares(
    labels: np.ndarray, splits: np.ndarray, most: int, shares: Sequence[float]
) -> np.ndarray:
    """(classes, splits) int64: how many rows of each class stay in each split where at most
    `most` of the class may stay in all. They are divided as the shares say, rounded as in
    `draw_splits`; what a split lacks goes to the others. Nothing changes its split.

    labels, splits: (n,) numbers of the rows' classes and drawn splits. most: >= 1.
    """
    parts = _exact(shares)
    kept = np.zeros((int(labels.max()) + 1 if len(labels) else 0, len(parts)), np.int64)
    np.add.at(kept, (labels, splits), 1)
    for row in kept:
        if row.sum() > most:
            row[:] = _within(most, parts, row.tolist())
    return kept


def _within(total: int, shares: Sequence[Fraction], there: Sequence[int]) -> list[int]:
    """`total` (at most what is there) divided by the shares, none above what it has: what one
    lacks goes to the others, by their shares."""
    parts = _apportion(total, shares)
    full = {i for i, n in enumerate(parts) if n > there[i]}
    if not full:
        return parts
    others = [i for i in range(len(shares)) if i not in full]
    whole = sum(shares[i] for i in others)
    left = total - sum(there[i] for i in full)
    rest = _within(left, [shares[i] / whole for i in others], [there[i] for i in others])
    found = dict(zip(others, rest, strict=True))
    return [found.get(i, there[i]) for i in range(len(shares))]


def _exact(shares: Sequence[float]) -> list[Fraction]:
    """The shares as they are written, made to sum to 1."""
    exact = [Fraction(str(s)) for s in shares]
    return [s / sum(exact) for s in exact]


def _apportion(n: int, shares: Sequence[Fraction]) -> list[int]:
    floors = [int(n * s) for s in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: (floors[i] - n * shares[i], i))
    for i in by_remainder[: n - sum(floors)]:
        floors[i] += 1
    return floors
