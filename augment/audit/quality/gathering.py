"""Features of rows -> a seeded sample of each group, merged shard by shard.

A group is what one maker put into one class of one split: real images, classical copies, or the
images of one generator. Samples are the k rows with the least seeded hashes of their ids, so that
they do not depend on shards or their order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from augment.audit.measures import BottomK

AUGMENTED = "augmented"
"""The maker of classical copies of real images."""
PER_CLASS = 500
"""Images of one group that are compared: half of them are as many as one side of a reference."""
_COMPACT = 4


class Group(NamedTuple):
    """class_name None: all classes of the split. maker: a generator's id or `AUGMENTED`; None: real
    images."""

    split: str
    class_name: str | None
    maker: str | None

    def to_json(self) -> dict[str, str | None]:
        """As in the report, among other keys."""
        return {"split": self.split, "class": self.class_name, "maker": self.maker}


@dataclass(frozen=True)
class Rows:
    """Rows of one shard, one entry a row in every array.

    ids: sample ids, or what else names a row once in the data set. splits, class_names: text.
    makers: as in `Group`. pixels: of what decoded images are known by, "" where that is unknown.
    """

    ids: Sequence[str]
    splits: Sequence[str]
    class_names: Sequence[str]
    makers: Sequence[str | None]
    pixels: Sequence[str] = ()

    def groups(self) -> dict[Group, np.ndarray]:
        """Group -> positions of its rows, (n,) int64; each row is in the group of its class and in
        that of all classes."""
        places: dict[Group, list[int]] = {}
        keys = zip(self.splits, self.class_names, self.makers, strict=True)
        for row, (split, name, maker) in enumerate(keys):
            places.setdefault(Group(split, name, maker), []).append(row)
            places.setdefault(Group(split, None, maker), []).append(row)
        return {group: np.array(rows) for group, rows in places.items()}


@dataclass
class Gathered:
    """Samples of every group, of one extractor. seed: of the audit."""

    seed: int
    per_class: int = PER_CLASS
    counts: dict[Group, int] = field(default_factory=dict)
    _parts: dict[Group, list[BottomK]] = field(default_factory=dict)

    def add(self, rows: Rows, features_ND: np.ndarray, at: np.ndarray) -> None:
        """at: (N,) int64, the positions in `rows` of the vectors (N, D)."""
        vector_of = np.full(len(rows.ids), -1)
        vector_of[at] = np.arange(len(at))
        for group, places in rows.groups().items():
            seen = places[vector_of[places] >= 0]
            if not len(seen) or group.class_name is None:
                continue
            ids = [rows.ids[row] for row in seen]
            part = BottomK.of(ids, features_ND[vector_of[seen]], self.per_class, self.seed)
            parts = self._parts.setdefault(group, [])
            parts.append(part)
            self.counts[group] = self.counts.get(group, 0) + len(seen)
            if len(parts) >= _COMPACT:
                self._parts[group] = [_merged(parts)]

    def features(self, group: Group) -> np.ndarray | None:
        """(n, D) of a group of one class, in the seeded order of its sample; None where it has no
        row with features."""
        sample = self.sample(group)
        return None if sample is None else sample.features

    def sample(self, group: Group) -> BottomK | None:
        """As `features`, with the ids of the rows."""
        parts = self._parts.get(group)
        if parts is None:
            return None
        if len(parts) > 1:
            parts[:] = [_merged(parts)]
        return parts[0]

    def holdout(self, class_name: str, made_in: Collection[str]) -> np.ndarray | None:
        """(n, D) of the real images of a class in the splits that nothing made is in."""
        found = [
            features
            for group in self.groups()
            if group.maker is None and group.class_name == class_name
            and group.split not in made_in and (features := self.features(group)) is not None
        ]  # fmt: skip
        return np.concatenate(found) if found else None

    def groups(self) -> list[Group]:
        """Of single classes, sorted by split, class and maker, real images first."""
        return sorted(self._parts, key=order)

    def makers(self) -> list[Group]:
        """What each maker put into each split, as groups of all classes, sorted."""
        return sorted({group._replace(class_name=None) for group in self._parts if group.maker},
                      key=order)  # fmt: skip


def order(group: Group) -> tuple[str, bool, str, str]:
    """A key to sort groups by: all classes after the classes, real images before made ones."""
    return group.split, group.class_name is None, group.class_name or "", group.maker or ""


def duplicates(rows: Iterable[Rows]) -> Mapping[Group, tuple[int, int]]:
    """Group -> (rows whose decoded image is known, different images among them)."""
    known: dict[Group, int] = {}
    different: dict[Group, set[str]] = {}
    for some in rows:
        if not some.pixels:
            continue
        for group, places in some.groups().items():
            hashes = [some.pixels[row] for row in places if some.pixels[row]]
            known[group] = known.get(group, 0) + len(hashes)
            different.setdefault(group, set()).update(hashes)
    return {group: (n, len(different[group])) for group, n in known.items() if n}


def _merged(parts: Sequence[BottomK]) -> BottomK:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole
