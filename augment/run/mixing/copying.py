"""Which parents an augmentation copies, how often and in which order, and how a copy is drawn.

A copy that shows its parent's very pixels is no variation: it is drawn again from the next stream
of the same sample, unless the job keeps it. Pure but for the transformers that it carries; knows
nothing of rows or bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from augment.mix import copies_of
from augment.plan import Copies
from augment.sample import AppliedOp, SampleRow
from augment.spec.models import Augmentation
from augment.transforms import Transformer

MAX_REDRAWS = 100
MAX_IN_VAIN = 8
"""Of these, in which operations ran and changed nothing: an image that looks the same from both
sides cannot be flipped into another one."""

Place = tuple[str, str, str | None]
"""split, class, generator of the parents (None: they are real)."""


class Group(NamedTuple):
    """The parents of one place under one augmentation: `parents` of the `of` parents of its class
    in the split, the first at position `start`; `total` copies go to all `of`. first_rank: of the
    copies, after those of earlier augmentations."""

    total: int
    of: int
    start: int
    parents: int
    first_rank: int


@dataclass(frozen=True)
class Copying:
    """One augmentation, ready to be used."""

    spec: Augmentation
    transformer: Transformer
    groups: Mapping[Place, Group]

    def draw(self, image: np.ndarray, sample_id: str) -> Drawn:
        """One copy of an image, (H, W, 3) uint8 RGB.

        Raises: SampleError, see `Transformer.apply`.
        """
        in_vain = 0
        first: Drawn | None = None
        for number in range(MAX_REDRAWS + 1):
            pixels, applied = self.transformer.apply(image, sample_id, number)
            unchanged = _same(pixels, image)
            drawn = Drawn(pixels, applied, number, unchanged)
            if not unchanged or self.spec.unchanged == "keep":
                return drawn
            first = first or drawn
            in_vain += bool(applied)
            if in_vain > MAX_IN_VAIN:
                break
        assert first is not None
        return first


class Drawn(NamedTuple):
    """A copy's pixels, the operations that ran, how often it was drawn again, and whether it shows
    its parent's very pixels all the same."""

    pixels: np.ndarray
    applied: tuple[AppliedOp, ...]
    redraw: int
    unchanged: bool


class Wanted(NamedTuple):
    """Copies that one augmentation makes of one parent: their numbers are first, first + 1, ...,
    their ranks rank, rank + step, ..."""

    copying: Copying
    n: int
    first: int
    rank: int
    step: int


def copyings(
    specs: Sequence[Augmentation], transformers: Sequence[Transformer], quotas: Iterable[Copies]
) -> list[Copying]:
    """The augmentations of a job in its order, with what the plan gives each.

    Ranks of copies run per split, class, generator: the copies of one augmentation stand after
    those of earlier ones, and among them first one of each parent, then the second ones.
    """
    given = list(quotas)
    taken: Counter[Place] = Counter()
    out = []
    for spec, transformer in zip(specs, transformers, strict=True):
        groups: dict[Place, Group] = {}
        for quota in given:
            if quota.augmentation != spec.name:
                continue
            start = 0
            for generator, parents, copies in quota.groups():
                place = (quota.split, quota.label_name, generator)
                groups[place] = Group(quota.total, quota.parents, start, parents, taken[place])
                taken[place] += copies
                start += parents
        out.append(Copying(spec, transformer, groups))
    return out


def copies_wanted(some: Iterable[Copying], place: Place, rank: int) -> list[Wanted]:
    """What all augmentations make of the parent of this rank. Where two have equal pipelines the
    numbers of the second go on after those of the first, so that no two copies are one."""
    numbers: Counter[str] = Counter()
    found = []
    for copying in some:
        group = copying.groups.get(place)
        if group is None or rank >= group.parents:
            continue
        n = copies_of(group.total, group.of, group.start + rank)
        if n:
            digest = copying.transformer.digest
            first = group.first_rank + rank
            found.append(Wanted(copying, n, numbers[digest], first, group.parents))
            numbers[digest] += n
    return found


CopyCounts = dict[str, dict[str, int]]
"""augmentation -> made, redrawn (at least once) and unchanged: copies."""


def count_copies(rows: Iterable[tuple[SampleRow, str | None]]) -> CopyCounts:
    """What became of the copies among these rows, each with the augmentation that made it."""
    counts: CopyCounts = {}
    for row, name in rows:
        if name is None:
            continue
        of = counts.setdefault(name, {"made": 0, "redrawn": 0, "unchanged": 0})
        note = row.transforms[0].params  # canonical JSON, in which a name has no quotes
        of["made"] += 1
        of["redrawn"] += '"redraw":' in note
        of["unchanged"] += '"unchanged":true' in note
    return counts


def sum_copies(some: Iterable[Mapping[str, Mapping[str, int]]]) -> CopyCounts:
    """The counts of many units together, by name."""
    total: CopyCounts = {}
    for counts in some:
        for name, of in counts.items():
            into = total.setdefault(name, {"made": 0, "redrawn": 0, "unchanged": 0})
            for key, n in of.items():
                into[key] = into.get(key, 0) + n
    return dict(sorted(total.items()))


def _same(pixels: np.ndarray, image: np.ndarray) -> bool:
    """Whether two images show the same; nearly all that differ do so in their first row."""
    if pixels.shape != image.shape or not np.array_equal(pixels[0], image[0]):
        return False
    return pixels is image or np.array_equal(pixels, image)
