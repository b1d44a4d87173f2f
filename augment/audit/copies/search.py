"""The search: for every image the protected ones that it may repeat, aligned, with evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augment.audit.copies.alignment import Side, aligned
from augment.audit.copies.candidates import Index, Pixels
from augment.audit.copies.evidence import evidence
from augment.audit.copies.images import Image, ImageSet, Reduced, blocks_of, reduced, reduced_set
from augment.audit.copies.warps import Array
from augment.audit.measures.features import checked

Extract = Callable[[Sequence[Image]], Array]
"""Images -> (N, D) float32: every `features.Extractor` is one."""

CANDIDATES = 5
"""Of each space."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A query beside a protected image. protected: its row. warp: (3, 3), from the query into it
    (see `warps`). evidence: (len(evidence.NAMES),)."""

    protected: int
    warp: Array
    evidence: Array


@dataclass(frozen=True, eq=False)
class Hits:
    """What was found for one image. row: of the image in its set. equal: protected rows of equal
    pixels. pairs: candidates, best aligned first; may be empty."""

    row: int
    equal: tuple[int, ...]
    pairs: tuple[Pair, ...]


class Search:
    """Protected images, ready to be searched.

    small: the images. index: the same in every space. extractors: by name, those of the index.
    labels: where given, an image meets protected images of its own label alone.
    """

    def __init__(
        self, small: Reduced, index: Index, extractors: Mapping[str, Extract],
        labels: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.small, self.index, self.extractors, self.labels = small, index, extractors, labels
        self._equal: dict[bytes, list[int]] = {}
        for row, digest in enumerate(small.digests):
            self._equal.setdefault(digest, []).append(row)

    @classmethod
    def of(
        cls, protected: ImageSet, extractors: Mapping[str, Extract], learn: Array,
        rng: np.random.Generator, *, same_class: bool = False,
    ) -> Search:  # fmt: skip
        """extractors: each adds a space of candidates. learn: rows that projections are learned
        from. same_class: an image meets protected images of its own label alone.

        Raises:
            ValueError: images, labels, features, or what an extractor gave, are refused.
        """
        small = reduced_set(protected.images, "protected.images")
        labels = protected.labels if same_class else None
        features = {
            name: np.concatenate([
                _features(name, extract, protected, first, block)
                for first, block in blocks_of(protected.images)
            ])
            for name, extract in extractors.items()
        }  # fmt: skip
        return cls(small, Index(Pixels.of(small, learn, rng), features, labels), extractors, labels)

    def equal(self, digest: bytes) -> tuple[int, ...]:
        """Protected rows of these pixels."""
        return tuple(self._equal.get(digest, ()))

    def hits(self, asked: ImageSet, name: str, *, without_equal: bool = False) -> Iterator[Hits]:
        """One for every image, in order; a block of images is held at once.

        name: what errors call the set. without_equal: look past protected images of equal pixels.

        Raises:
            ValueError: the set is refused, or it has no labels where only those of its class count.
        """
        asked.check(name)
        if self.labels is not None and asked.labels is None:
            raise ValueError(f"{name}.labels: got None; expected a label an image (same_class)")
        for first, block in blocks_of(asked.images):
            small = reduced(block, f"{name}.images", first)
            features = {
                extractor: _features(extractor, extract, asked, first, block)
                for extractor, extract in self.extractors.items()
            }
            equal = [self.equal(digest) for digest in small.digests]
            labels = None if asked.labels is None else asked.labels[first : first + len(block)]
            without: list[Collection[int]] = [one if without_equal else () for one in equal]
            queries = self.index.queries(small)
            starts = self.index.starts(queries, features, CANDIDATES, labels, without)
            for row in range(len(block)):
                query = Side.of(small.grey[row])
                pairs = tuple(
                    Pair(one.protected, one.warp, evidence(
                        query, small.colour[row], Side.of(self.small.grey[one.protected]),
                        self.small.colour[one.protected], one,
                    ))
                    for one in aligned(query, starts[row], self.small)
                )  # fmt: skip
                yield Hits(first + row, equal[row], pairs)


def _features(name: str, extract: Extract, of: ImageSet, first: int, block: list[Image]) -> Array:
    """(len(block), D): those that came with the images, else the extractor's.

    Raises:
        ValueError: the extractor gave something else.
    """
    if (given := of.features.get(name)) is not None:
        return given[first : first + len(block)]
    made = checked(f"extractor {name!r}", extract(block))
    if len(made) != len(block):
        raise ValueError(f"extractor {name!r}: got {len(made)} rows; expected {len(block)}")
    return made
