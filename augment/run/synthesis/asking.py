"""From points of a universe to requests: what each sample is made from, and what its row says.

`FromClasses` needs names and indexes only; `FromImages` reads each sample's parent from the
real data. A parent that cannot be read costs its sample: it comes back as a failed point.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from augment import codec
from augment.errors import SampleError
from augment.generators import GeneratorInfo, SampleRequest
from augment.plan import InputList
from augment.run.census import read_rows
from augment.run.prepare import Prepared, as_it_stands
from augment.sample import Origin, Parent, RealRow
from augment.seeds import (
    canonical_json,
    class_conditioning,
    real_id,
    synthetic_id,
    synthetic_ids,
)
from augment.sources import SourceReader, open_source

Point = tuple[str, int]
"""Class and index."""
Failed = tuple[str, int, str]
"""Class, index and reason of a sample that failed."""
_Found = tuple[RealRow, bytes | SampleError]
_READ_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """One sample to be made. conditioning: canonical JSON, as its row has it. source_map: the
    encoded label map that the row keeps as its mask."""

    request: SampleRequest
    conditioning: str
    parents: tuple[Parent, ...] = ()
    source_map: bytes | None = None


class Asking(Protocol):
    """Makes the requests of one generator's points, in their order."""

    def __call__(self, points: Sequence[Point]) -> Iterator[Asked | Failed]: ...


@dataclass(frozen=True)
class FromClasses:
    """Samples that are made from a class alone."""

    seed: int
    info: GeneratorInfo

    def __call__(self, points: Sequence[Point]) -> Iterator[Asked | Failed]:
        for (label, index), sample_id in zip(points, self._ids(points), strict=True):
            yield Asked(SampleRequest(sample_id, label, index), class_conditioning(label))

    def _ids(self, points: Sequence[Point]) -> Iterator[str]:
        """Sample ids in the order of `points`; what a class's ids share is hashed once."""
        by_class: dict[str, list[int]] = {}
        for label, index in points:
            by_class.setdefault(label, []).append(index)
        same = (self.seed, self.info.identity, self.info.sampling_digest)
        made = {
            label: synthetic_ids(*same, class_conditioning(label), indexes)
            for label, indexes in by_class.items()
        }
        return (next(made[label]) for label, _ in points)


class FromImages:
    """Samples that are made from images. table: the frozen inputs' file in the work folder.
    mended: see `as_it_stands`."""

    def __init__(
        self,
        prepared: Prepared,
        info: GeneratorInfo,
        table: str,
        fed: InputList,
        *,
        mended: bool = False,
    ) -> None:
        self._prepared, self._info, self._table, self._fed = prepared, info, table, fed
        self._mended = mended
        self._max_pixels = prepared.job.spec.errors.max_pixels
        self._readers: Mapping[str, SourceReader] = {
            name: open_source(name, source, prepared.options)
            for name, source in prepared.job.spec.sources.items()
        }

    def __call__(self, points: Sequence[Point]) -> Iterator[Asked | Failed]:
        for at in range(0, len(points), _READ_AHEAD):
            some = points[at : at + _READ_AHEAD]
            places = [self._fed.parent(label, index) for label, index in some]
            rows = self._rows([row for row, _ in places])
            data = self._read([rows[row] for row, _ in places])
            masks = self._masks([row for row, _ in places])
            for point, (row, copy), found, mask in zip(some, places, data, masks, strict=True):
                yield self._asked(point, (rows[row], copy), found, mask)

    def _masks(self, parents: Sequence[int]) -> Sequence[_Found | None]:
        """The mask of each parent, where the generator takes one."""
        if self._fed.masks is None:
            return [None] * len(parents)
        places = [row + self._fed.masks for row in parents]
        rows = self._rows(places)
        found = self._read([rows[row] for row in places])
        return [(rows[row], one) for row, one in zip(places, found, strict=True)]

    def _rows(self, places: Sequence[int]) -> dict[int, RealRow]:
        rows = read_rows(self._prepared.work, self._table, places)
        if self._mended:
            return {place: as_it_stands(self._prepared, row) for place, row in rows.items()}
        return rows

    def _read(self, rows: Sequence[RealRow]) -> list[bytes | SampleError]:
        """The bytes of each row, in the order given; each source is asked once."""
        found: list[bytes | SampleError] = [b""] * len(rows)
        by_source: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            by_source.setdefault(row.source, []).append(i)
        for source, places in by_source.items():
            data = self._readers[source].read([rows[i] for i in places])
            for i, one in zip(places, data, strict=True):
                found[i] = one
        return found

    def _asked(
        self,
        point: Point,
        parent: tuple[RealRow, int],
        data: bytes | SampleError,
        mask: _Found | None,
    ) -> Asked | Failed:
        """parent: and the number of the copy."""
        (label, index), (row, copy) = point, parent
        try:
            image, source = self._decoded(row, data)
            parents, painted = [source], None
            if mask is not None:
                pixels, beside = self._decoded(*mask)
                painted = _mask(pixels, image)
                parents.append(beside)
        except SampleError as e:
            return label, index, f"parent_{e.reason}"
        info, seed = self._info, self._prepared.job.spec.seed
        key = (seed, info.identity, info.sampling_digest, class_conditioning(label), copy)
        sample_id = synthetic_id(*key, source.sample_id)
        return Asked(
            SampleRequest(sample_id, label, index, source=image, mask=painted),
            canonical_json({"class": label, "copy": copy, "source": row.source}),
            tuple(parents),
            data if self._fed.origin is Origin.SYNTHETIC and isinstance(data, bytes) else None,
        )

    def _decoded(self, row: RealRow, data: bytes | SampleError) -> tuple[np.ndarray, Parent]:
        """(H, W, 3) uint8, and how the row names it. Raises: SampleError."""
        if isinstance(data, SampleError):
            raise data
        image = codec.decode(data, self._max_pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        identity = real_id(row.source, row.locator)
        return image, Parent(identity, sha256, row.locator, "inputTo")


def _mask(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 255 where it is white. Raises: SampleError mask_size."""
    if pixels.shape != image.shape:
        sizes = f"{pixels.shape[:2]} for an image of {image.shape[:2]}"
        raise SampleError("mask_size", f"a mask of {sizes}; expected the same size")
    painted: np.ndarray = np.where(pixels[..., 0] >= 128, np.uint8(255), np.uint8(0))
    return painted
