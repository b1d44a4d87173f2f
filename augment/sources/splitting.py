"""Splits given as shares: which image of a class goes where, and which ones a cap keeps.

Works on class numbers and sort keys alone, so that a draw is a function of what the keys are
made from, never of the order of a listing. Knows nothing of sources, files or seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def draw_splits(
    labels: np.ndarray,
    keys: np.ndarray,
    shares: Sequence[float],
    groups: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
) -> np.ndarray:
    """Split number (int32) of each row: every class is put in the order of its keys and cut
    so that each split gets its share, rounded by largest remainder, ties by position.

    groups: (n,) int64, rows that may not be parted have one number, -1: a row alone. They are
    placed first, those with the fewest splits to go to, of these the largest, each in a split
    drawn by its lowest key among those with room for all of it; rows alone fill up what is left.
    So the numbers are those of a draw without groups, unless a group fits nowhere: then it goes
    where it is over by least, and the other splits of its classes have as many fewer.

    allowed: (n, splits) bool, where the rows of a group may go, alike and at least one for all of
    its rows; None: anywhere. Of a row alone it is not asked.

    labels: (n,) class numbers. keys: (n, 2) uint64. shares: sum to 1 (made to exactly).
    """
    parts = _exact(shares)
    sizes = np.bincount(labels) if len(labels) else np.empty(0, np.int64)
    room = [_apportion(size, parts) for size in sizes.tolist()]
    out = np.full(len(labels), -1, np.int32)
    if groups is not None and (groups >= 0).any():
        if allowed is None:
            allowed = np.ones((len(labels), len(parts)), bool)
        _place_groups(labels, keys, groups, allowed, room, out)
    alone = np.flatnonzero(out < 0)
    order = alone[np.lexsort((keys[alone, 1], keys[alone, 0], labels[alone]))]
    start = 0
    for size, left in zip(np.bincount(labels[alone], minlength=len(sizes)).tolist(), room,
                          strict=True):  # fmt: skip
        counts = left if min(left) >= 0 else _less(size, left)
        out[order[start : start + size]] = np.repeat(np.arange(len(parts)), counts)
        start += size
    return out


def _place_groups(
    labels: np.ndarray,
    keys: np.ndarray,
    groups: np.ndarray,
    allowed: np.ndarray,
    room: list[list[int]],
    out: np.ndarray,
) -> None:
    """Give each group a split, and take its rows from the room of its classes."""
    members = np.flatnonzero(groups >= 0)
    members = members[np.lexsort((keys[members, 1], keys[members, 0], groups[members]))]
    starts = np.flatnonzero(np.insert(np.diff(groups[members]) != 0, 0, True))
    found = []
    for rows in np.split(members, starts[1:]):
        first = keys[rows[0]].tolist()  # the lowest key of the group
        found.append((int(allowed[rows[0]].sum()), -rows.size, first, rows))
    found.sort(key=lambda group: group[:3])
    for _, _, (_, draw), rows in found:
        classes, counts = np.unique(labels[rows], return_counts=True)
        needs = list(zip(classes.tolist(), counts.tolist(), strict=True))
        split = _split_for(needs, room, np.flatnonzero(allowed[rows[0]]).tolist(), draw)
        out[rows] = split
        for label, n in needs:
            room[label][split] -= n


def _split_for(
    needs: Sequence[tuple[int, int]], room: list[list[int]], splits: Sequence[int], draw: int
) -> int:
    """One of the splits, with room for so many rows of some classes, each as likely as it has
    room; where there is none, the one that would be over by least. draw: 64 random bits."""
    fit = [s for s in splits if all(room[label][s] >= n for label, n in needs)]
    if not fit:
        return min(splits, key=lambda s: (sum(max(0, n - room[c][s]) for c, n in needs), s))
    weights = [sum(room[label][s] for label, _ in needs) for s in fit]
    at = draw * sum(weights) >> 64
    for split, weight in zip(fit, weights, strict=True):
        at -= weight
        if at < 0:
            return split
    raise AssertionError("the draw lies below the sum of the weights")


def _less(n: int, room: Sequence[int]) -> list[int]:
    """n rows among splits of which some are over: what these have too many, the others lack."""
    left = [max(0, have) for have in room]
    over = sum(left) - n
    while over > 0:
        most = max(range(len(left)), key=lambda s: (left[s], -s))
        second = sorted(left)[-2] if len(left) > 1 else 0
        taken = min(over, max(1, left[most] - second))
        left[most] -= taken
        over -= taken
    return left


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
