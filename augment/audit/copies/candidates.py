"""Candidates: which few protected images a query may be a copy of, and where to begin aligning.

Each space, two of pixels and one of every extractor, names its nearest; their ranks are merged.
The search in a space is exact (`measures.nearest`). An index holds about 8 kB a protected image,
and twice its features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augment.audit.copies import projection, views
from augment.audit.copies.images import Reduced
from augment.audit.copies.projection import Projection
from augment.audit.copies.warps import IDENTITY, MIRROR, Array, warped
from augment.audit.measures.neighbours import Base, nearest

_MIRRORS = (IDENTITY, MIRROR)


@dataclass(frozen=True, eq=False)
class Query:
    """One image that is searched for. framed, settled: (2, DIMENSIONS), described as it is and
    mirrored. settling: of both, see `views.settling`."""

    framed: Array
    settled: Array
    settling: tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Start:
    """A candidate: row of the protected set, and a warp from the query into it to begin with."""

    protected: int
    warp: Array


@dataclass(frozen=True, eq=False)
class Pixels:
    """N protected images in the spaces of pixels. framing, settling: the projections of the two.
    framed, settled: (views, N, DIMENSIONS) float32. settlings: (N, 3, 3) float64, see
    `views.settling`."""

    framing: Projection
    settling: Projection
    framed: Array
    settled: Array
    settlings: Array

    @classmethod
    def of(cls, protected: Reduced, learn: Array, rng: np.random.Generator) -> Pixels:
        """protected: N >= 1 of them. learn: rows that projections may be learned from."""
        some = protected.grey[learn]
        framing = projection.learned(some, views.described, rng)
        settling = projection.learned(some, _described_settled, rng)
        settlings = np.stack([views.settling(grey) for grey in protected.grey])
        framed = _projected(framing, map(views.framed, protected.grey))
        settled = _projected(settling, map(views.settled, protected.grey, settlings))
        return cls(framing, settling, framed, settled, settlings)


class Index:
    """The protected images in every space.

    pixels: N of them. features: by extractor (N, D). labels: where given, a query meets protected
    images of its own label alone.
    """

    def __init__(
        self, pixels: Pixels, features: Mapping[str, Array], labels: Sequence[str] | None = None
    ) -> None:
        self.pixels = pixels
        groups: dict[str | None, list[int]] = {}
        for row in range(len(pixels.settlings)):
            groups.setdefault(labels[row] if labels is not None else None, []).append(row)
        self._by_label = labels is not None
        self._groups = {
            label: _Group.of(np.array(rows), pixels.framed, pixels.settled, features)
            for label, rows in groups.items()
        }

    def queries(self, images: Reduced) -> list[Query]:
        """What candidates are looked for with, of each image."""
        found = []
        for grey in images.grey:
            both = (grey, np.ascontiguousarray(grey[:, ::-1]))
            settling = (views.settling(both[0]), views.settling(both[1]))
            framed = self.pixels.framing(np.stack([views.described(one) for one in both]))
            settled = np.stack([
                views.described(warped(one, at))
                for one, at in zip(both, settling, strict=True)
            ])  # fmt: skip
            found.append(Query(framed, self.pixels.settling(settled), settling))
        return found

    def starts(
        self, queries: Sequence[Query], features: Mapping[str, Array], k: int,
        labels: Sequence[str] | None = None, without: Sequence[Collection[int]] | None = None,
    ) -> list[list[Start]]:  # fmt: skip
        """For each query its candidates, at most k of each space, with two starts each.

        features: of the queries. labels: of the queries. without: protected rows that are none.
        """
        skipped = without or [()] * len(queries)
        found: list[list[Start]] = [[] for _ in queries]
        for label, rows in self._of_groups(labels, len(queries)).items():
            if (group := self._groups.get(label)) is None:
                continue
            few = {name: of[rows] for name, of in features.items()}
            skip = [skipped[row] for row in rows]
            for row, near in zip(
                rows, group.nearest([queries[row] for row in rows], few, k, skip), strict=True
            ):
                found[row] = [one for p in near for one in self._of_pair(queries[row], p)]
        return found

    def _of_groups(self, labels: Sequence[str] | None, n: int) -> dict[str | None, list[int]]:
        groups: dict[str | None, list[int]] = {}
        for row in range(n):
            label = labels[row] if self._by_label and labels is not None else None
            groups.setdefault(label, []).append(row)
        return groups

    def _of_pair(self, query: Query, protected: int) -> tuple[Start, Start]:
        """A warp by the framed view that is nearest, and one by the settled view."""
        mirror, view = _best(query.framed @ self.pixels.framed[:, protected].T)
        framed = views.FRAMED[view] @ _MIRRORS[mirror]
        mirror, view = _best(query.settled @ self.pixels.settled[:, protected].T)
        settled = (
            self.pixels.settlings[protected]
            @ views.SETTLED[view]
            @ np.linalg.inv(query.settling[mirror])
            @ _MIRRORS[mirror]
        )
        return Start(protected, framed), Start(protected, settled)


@dataclass(frozen=True, eq=False)
class _Group:
    """Protected images that meet the same queries. rows: their rows in the protected set. framed,
    settled: one base a view. features: one an extractor."""

    rows: Array
    framed: tuple[Base, ...]
    settled: tuple[Base, ...]
    features: Mapping[str, Base]

    @classmethod
    def of(cls, rows: Array, framed: Array, settled: Array, features: Mapping[str, Array]
           ) -> _Group:  # fmt: skip
        return cls(
            rows,
            tuple(Base(view[rows]) for view in framed),
            tuple(Base(view[rows]) for view in settled),
            {name: Base(of_length_one(of[rows])) for name, of in features.items()},
        )

    def nearest(
        self, queries: Sequence[Query], features: Mapping[str, Array], k: int,
        skip: Sequence[Collection[int]],
    ) -> list[list[int]]:  # fmt: skip
        """Of each query protected rows: the nearest of every space, then the second ones ..."""
        most = min(len(self.rows), k + max(len(some) for some in skip))
        spaces = [
            _over_views(self.framed, np.stack([q.framed for q in queries]), most),
            _over_views(self.settled, np.stack([q.settled for q in queries]), most),
        ]
        for name, base in self.features.items():
            spaces.append(nearest(base, of_length_one(features[name]), most).index.tolist())
        found = []
        for row, some in enumerate(skip):
            ranked = [[p for i in space[row] if (p := int(self.rows[i])) not in some][:k]
                      for space in spaces]  # fmt: skip
            merged = [one[rank] for rank in range(k) for one in ranked if rank < len(one)]
            found.append(list(dict.fromkeys(merged)))
        return found


def of_length_one(features: Array) -> Array:
    """(N, D) float32: rows of length 1, or 0."""
    wide = features.astype(np.float64)
    wide /= np.abs(wide).max(axis=1, keepdims=True, initial=0.0).clip(min=np.finfo(float).tiny)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    made: Array = (wide / np.maximum(length, 1e-12)).astype(np.float32)
    return made


def _over_views(bases: Sequence[Base], queries_N2D: Array, k: int) -> list[list[int]]:
    """Of each query at most k rows, the nearest by any view, as it is or mirrored, first."""
    index, distance = [], []
    for base in bases:
        for mirrored in (0, 1):
            found = nearest(base, np.ascontiguousarray(queries_N2D[:, mirrored]), k)
            index.append(found.index)
            distance.append(found.distance)
    rows, apart = np.concatenate(index, axis=1), np.concatenate(distance, axis=1)
    order = np.lexsort((rows, apart), axis=1)
    return [list(dict.fromkeys(near[by].tolist()))[:k]
            for near, by in zip(rows, order, strict=True)]  # fmt: skip


def _best(similarity: Array) -> tuple[int, int]:
    """(mirrored, view) of the greatest of (2, views)."""
    mirror, view = np.unravel_index(int(similarity.argmax()), similarity.shape)
    return int(mirror), int(view)


def _described_settled(grey: Array) -> Array:
    return views.described(warped(grey, views.settling(grey)))


def _projected(project: Projection, described: map[Array]) -> Array:
    """(views, N, DIMENSIONS) float32."""
    return np.ascontiguousarray(np.stack([project(one) for one in described], axis=1))
