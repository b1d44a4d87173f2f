"""Rows of a data set as a study sees them, and which of them a draw uses for what. Pure.

A draw leaves out a seeded fifth of each class's real train images, with everything that descends
from them, and a fifth of what every maker made of each class. Where the data set has no validation
split, the real images that are left out are the validation; what was made of them would leak them.
Retrieved real images (`retrieval`) are no rows of the data set; a draw leaves as large a part of
them out as of the synthetic ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from augment.errors import RequestError
from augment.escaping import name as shown
from augment.seeds import order_key
from augment.study.plan import Arm, Asked

REAL, COPIES, SYNTHETIC, RETRIEVED = "real", "copies", "synthetic", "retrieved"
"""Untouched real images, classical copies of real ones, what has a generator among its ancestors,
and real images that stand in for these."""
LEFT_OUT = 5
"""Of so many images one is left out of a draw."""
MOST_IMAGES = 50_000
"""Images that a worker holds: 150 MB at 32 px."""
_VALIDATION = ("validation", "val", "valid", "dev")
_LEAST_TEST = 2


class Splits(NamedTuple):
    """validation None: a draw leaves it out of train."""

    train: str
    validation: str | None
    test: str


@dataclass(frozen=True)
class Rows:
    """One entry a row in every list. ids: unique. makers: generator's id of synthetic rows, else
    None. parents: ids of what it was made from, one step up. shards: paths; places: of the row in
    its shard, from 0."""

    ids: Sequence[str]
    splits: Sequence[str]
    labels: Sequence[str]
    kinds: Sequence[str]
    makers: Sequence[str | None]
    parents: Sequence[tuple[str, ...]]
    shards: Sequence[str]
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, at: Iterable[int]) -> Rows:
        """Those at these positions."""
        rows = list(at)
        return Rows(*([column[n] for n in rows] for column in vars(self).values()))

    def joined(self, other: Rows) -> Rows:
        """These, and the other ones behind them."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Rows(*([*own, *more] for own, more in pairs))

    @property
    def generators(self) -> tuple[str, ...]:
        """Ids of makers, sorted."""
        return tuple(sorted({maker for maker in self.makers if maker is not None}))

    def count(self, split: str, label: str, kind: str) -> int:
        """Rows of a split, a class and a kind."""
        return sum(
            one == (split, label, kind)
            for one in zip(self.splits, self.labels, self.kinds, strict=True)
        )


@dataclass(frozen=True)
class Draw:
    """Positions of rows, (n,) int64. fit: train rows of every kind. left_out: of real train."""

    fit: np.ndarray
    left_out: np.ndarray


def splits_of(rows: Rows, asked: Asked) -> Splits:
    """The splits that serve, by their names where they were not asked for.

    Raises:
        RequestError: one is not there, has no real images, or serves twice.
    """
    real = Counter(
        split for split, kind in zip(rows.splits, rows.kinds, strict=True) if kind == REAL
    )
    others = sorted(set(real) - {asked.train})
    validation = asked.validation
    if validation is None:
        validation = next((one for one in _VALIDATION if one in others and one != asked.test), None)
    test = asked.test
    if test is None:
        rest = [one for one in others if one != validation]
        test = "test" if "test" in rest else rest[0] if len(rest) == 1 else None
    for what, one in (("train", asked.train), ("validation", validation), ("test", test)):
        if one is None and what == "validation":
            continue
        if one is None or not real[one]:
            have = ", ".join(f"{shown(name)} ({n})" for name, n in sorted(real.items())) or "none"
            came = "no such split" if one is None else f"{shown(one)}, where no real images are"
            raise RequestError(
                f"{what}: got {came}; expected a split with real images of its own, which has: "
                f"{have}. Name it, or give the job's sources one (`splits`)"
            )
    if len({asked.train, validation, test}) < 3:
        raise RequestError(
            f"splits: got train {shown(asked.train)}, validation {shown(str(validation))}, test "
            f"{shown(str(test))}; expected three different ones: nothing is chosen by what tests"
        )
    assert test is not None
    return Splits(asked.train, validation, test)


def used(rows: Rows, splits: Splits, seed: int, most: int = MOST_IMAGES) -> Rows:
    """The rows that serve: train, and real ones of validation and test; of more than `most` a
    seeded sample, equally many of each split, class, kind and maker as far as these have them."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for n, (split, kind) in enumerate(zip(rows.splits, rows.kinds, strict=True)):
        if split == splits.train or (split in splits and kind == REAL):
            groups[split, rows.labels[n], kind, rows.makers[n]].append(n)
    each = _level([len(some) for some in groups.values()], most)
    chosen = []
    for some in groups.values():
        some.sort(key=lambda n: order_key(seed, "study/used", rows.ids[n]))
        chosen += some[:each]
    return rows.some(sorted(chosen))


def _level(sizes: Sequence[int], most: int) -> int:
    """The largest n with sum(min(size, n)) <= most; 1 at least."""
    low, high = 1, max(sizes, default=1)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(size, middle) for size in sizes) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def classes_of(rows: Rows, splits: Splits) -> tuple[str, ...]:
    """Classes with enough real test images and any train rows; a classifier is asked for these.

    Raises:
        RequestError: there are fewer than 2.
    """
    tested = Counter(
        label for split, label in zip(rows.splits, rows.labels, strict=True) if split == splits.test
    )
    places = zip(rows.splits, rows.labels, rows.kinds, strict=True)
    trained = {label for split, label, kind in places if split == splits.train and kind == REAL}
    found = tuple(sorted(name for name in trained if tested[name] >= _LEAST_TEST))
    if len(found) < 2:
        raise RequestError(
            f"study: got {len(found)} classes with real train images and {_LEAST_TEST} or more "
            f"test images; expected at least 2. Test has {len(tested)} classes, train "
            f"{len(trained)}"
        )
    return found


def drawn(rows: Rows, splits: Splits, seed: int, draw: int) -> Draw:
    """What a draw trains on, and what it leaves out."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for n, split in enumerate(rows.splits):
        if split == splits.train and rows.kinds[n] != COPIES:
            groups[rows.labels[n], rows.kinds[n], rows.makers[n]].append(n)
    out = set[int]()
    for some in groups.values():
        some.sort(key=lambda n: order_key(seed, f"study/draw/{draw}", rows.ids[n]))
        out |= set(some[: -(-len(some) // LEFT_OUT) if len(some) > 1 else 0])
    gone = _with_descendants(rows, {rows.ids[n] for n in out})
    fit = [n for n, split in enumerate(rows.splits)
           if split == splits.train and rows.kinds[n] != RETRIEVED
           and rows.ids[n] not in gone]  # fmt: skip
    fit += _retrieved(rows, splits, fit, seed, draw)
    left = sorted(n for n in out if rows.kinds[n] == REAL)
    return Draw(np.array(fit, np.int64), np.array(left, np.int64))


def _retrieved(rows: Rows, splits: Splits, fit: Sequence[int], seed: int, draw: int) -> list[int]:
    """Of each class as many as synthetic rows are in `fit`; where fewer were retrieved than there
    are synthetic ones, the same part of them."""
    own: dict[str, list[int]] = defaultdict(list)
    whole = Counter[str]()
    for n, (split, kind) in enumerate(zip(rows.splits, rows.kinds, strict=True)):
        if kind == RETRIEVED:
            own[rows.labels[n]].append(n)
        elif kind == SYNTHETIC and split == splits.train:
            whole[rows.labels[n]] += 1
    kept = Counter(rows.labels[n] for n in fit if rows.kinds[n] == SYNTHETIC)
    found = list[int]()
    for label, some in own.items():
        some.sort(key=lambda n: order_key(seed, f"study/draw/{draw}", rows.ids[n]))
        most = min(kept[label], -(-len(some) * kept[label] // max(1, whole[label])))
        found += some[len(some) - most :]
    return sorted(found)


def _with_descendants(rows: Rows, ids: set[str]) -> set[str]:
    """These ids and those of all rows that were made from them, over any number of steps."""
    found, new = set(ids), set(ids)
    while new:
        new = {
            own for own, parents in zip(rows.ids, rows.parents, strict=True)
            if own not in found and not new.isdisjoint(parents)
        }  # fmt: skip
        found |= new
    return found


class Pool(NamedTuple):
    """Positions of the rows of one class that an arm draws from. plain: real ones, and copies
    where the arm has them. made: synthetic ones, or retrieved ones in their place; none where it
    has no share."""

    plain: np.ndarray
    made: np.ndarray


def pools(rows: Rows, fit: np.ndarray, arm: Arm, classes: Sequence[str]) -> tuple[Pool, ...]:
    """Of every class, in order."""
    kinds = (REAL, COPIES) if arm.copies else (REAL,)
    made = SYNTHETIC if arm.rival is None else RETRIEVED
    found: dict[str, tuple[list[int], list[int]]] = {name: ([], []) for name in classes}
    for n in fit.tolist():
        if (own := found.get(rows.labels[n])) is None:
            continue
        if rows.kinds[n] in kinds:
            own[0].append(n)
        elif rows.kinds[n] == made and arm.share and arm.maker in (None, rows.makers[n]):
            own[1].append(n)
    return tuple(Pool(np.array(a, np.int64), np.array(b, np.int64)) for a, b in found.values())
