"""Splits that are shares: drawn for one source after the other, equal images together.

An image that stands in several sources stands in one split, wherever that can be. Where the split
of one is given, its equals in sources with shares follow it; where all are drawn, those of a later
source follow those of an earlier one, by name, and the earlier one takes a split that the later
has too. So what a source draws is a matter of its own images and of sources before it, unless
another one has some of its images and not all of its splits. Images that only generators read
follow rows, never the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augment.sources.equal import Equal, EqualTold, find_equal
from augment.sources.equal_files import shared
from augment.sources.part import Part
from augment.sources.splitting import draw_splits
from augment.storage import Options

_NOWHERE = np.iinfo(np.int32).max


def draw_all(parts: Sequence[Part], options: Options | None = None) -> dict[str, EqualTold]:
    """Give each part with shares its splits. What is known of equal images, by source: of parts
    that draw between several splits, and of those that were to be compared with these and were
    not.

    Raises:
        StorageError: a source cannot be reached.
    """
    for part in parts:
        if len(part.shares) == 1:
            part.take_splits(np.zeros(part.rows, np.int32), part.keys_of("split"))
    by_name = sorted(parts, key=lambda part: (not part.makes_rows, part.name))
    drawn = [part for part in by_name if len(part.shares) > 1]
    if not drawn:
        return {}
    given = [part for part in by_name if part.makes_rows and len(part.shares) <= 1]
    each = find_equal([p.compared for p in drawn], [p.compared for p in given], options)
    equal = {p.name: found for p, found in zip([*drawn, *given], each, strict=True)}
    standing = _Standing(parts, each)
    for part in given:
        standing.add(part, part.split_codes, equal[part.name].groups)
    for at, part in enumerate(drawn):
        groups, keys = equal[part.name].groups, part.keys_of("split")
        later = [
            (p, equal[p.name].groups)
            for p in drawn[at + 1 :]
            if p.makes_rows or not part.makes_rows
        ]
        allowed = standing.allowed(part, groups, later)
        shares = [part.shares[split] for split in part.splits]
        codes = draw_splits(part.label_codes, keys, shares, _together(groups, allowed), allowed)
        standing.add(part, codes, groups)
        part.take_splits(codes, keys)
    named = {p.name for p in drawn} | {name for name, found in equal.items() if found.skipped}
    return {name: standing.told(found) for name, found in equal.items() if name in named}


def _together(groups: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The groups that a draw has to know: of several rows, or that may not go anywhere."""
    known = (shared(groups) >= 0) | ~allowed.all(axis=1)
    return np.where(known, groups, -1)


class _Standing:
    """In which splits the images of each group stand, and since which source."""

    def __init__(self, parts: Sequence[Part], equal: Sequence[Equal]) -> None:
        names = sorted({split for part in parts for split in part.splits})
        self._column = {split: i for i, split in enumerate(names)}
        groups = max((int(found.groups.max(initial=-1)) for found in equal), default=-1) + 1
        self._since = np.full((groups, len(names)), _NOWHERE, np.int32)
        self._sources = 0

    def add(self, part: Part, codes: np.ndarray, groups: np.ndarray) -> None:
        """codes, groups: (rows,) of the part; its splits are numbers into its own."""
        rows = groups >= 0
        at = groups[rows], self._columns(part)[codes[rows]]
        self._since[at] = np.minimum(self._since[at], self._sources)
        self._sources += 1

    def allowed(
        self, part: Part, groups: np.ndarray, later: Sequence[tuple[Part, np.ndarray]]
    ) -> np.ndarray:
        """(rows, splits of the part) bool: where each image may go so that it meets its equals.
        Where they stand already, the split of the earliest source, the first by name where it
        stands there in several; else those that later sources have too.

        later: parts that are drawn after it, with their groups.
        """
        own = self._columns(part)
        may = np.ones((len(self._since), own.size), bool)
        for other, theirs in later:
            common = np.isin(own, self._columns(other))
            if common.any():
                held = np.unique(theirs[theirs >= 0])
                both = may[held] & common
                may[held] = np.where(both.any(axis=1, keepdims=True), both, may[held])
        since = self._since[:, own]
        stands = since.min(axis=1, initial=_NOWHERE) < _NOWHERE
        may[stands] = np.arange(own.size) == since[stands].argmin(axis=1)[:, None]
        out = np.ones((groups.size, own.size), bool)
        out[groups >= 0] = may[groups[groups >= 0]]
        return out

    def told(self, found: Equal) -> EqualTold:
        equal = found.groups[found.groups >= 0]
        several = (self._since < _NOWHERE).sum(axis=1) > 1
        return EqualTold(
            found.groups.size,
            equal.size,
            np.unique(equal).size,
            found.skipped,
            int(several[equal].sum()),
        )

    def _columns(self, part: Part) -> np.ndarray:
        return np.array([self._column[split] for split in part.splits], np.int64)
