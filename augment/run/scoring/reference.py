"""The real images that scorers are fit on: those of the splits that a job generates rows for.

Which ones depends on their ids alone: of each class those with the least hashes, so that a larger
source changes few of them. They are known by their bytes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augment import codec
from augment.audit.patience import Patience
from augment.errors import SampleError
from augment.features.resizing import resized
from augment.features.task import SIDES
from augment.features.task_fit import LEAST_PER_CLASS, MOST_IMAGES, side_for
from augment.run.census import read_census
from augment.run.prepare import Frozen
from augment.sample import RealRow
from augment.seeds import order_key, real_id
from augment.sources import open_source

_SEED = 0
_ROWS = 4096  # of the census that are held at once
_READ = 64  # images whose bytes are held at once
_THREADS = 2


@dataclass(frozen=True)
class Reference:
    """Real images by class and hash. shapes: of the images as they were. small: of each, in each
    of `features.task.SIDES`, (S, S, 3) uint8. known_by: class and sha256 of the bytes of each."""

    labels: tuple[str, ...]
    known_by: tuple[tuple[str, str], ...]
    shapes: tuple[tuple[int, ...], ...]
    small: tuple[tuple[np.ndarray, ...], ...]

    def images(self) -> np.ndarray:
        """(N, S, S, 3) uint8, as `task_fit.fit` takes them."""
        side = SIDES.index(side_for(self.shapes))
        empty = np.empty((0, SIDES[side], SIDES[side], 3), np.uint8)
        return np.stack([one[side] for one in self.small]) if self.small else empty


def reference_of(frozen: Frozen) -> Reference:
    """Reads the images; those that cannot be read or decoded in time are left out.

    Raises:
        StorageError: the frozen census or a source cannot be read.
    """
    rows = _chosen(frozen, sorted({draw.split for draw in frozen.plan.draws}))
    spec = frozen.prepared.job.spec
    bound, seconds = spec.errors.max_pixels, spec.execution.image_timeout_s

    def small(data: bytes) -> tuple[tuple[int, ...], tuple[np.ndarray, ...]] | None:
        try:
            image = codec.decode(data, bound)
        except SampleError:
            return None
        return image.shape, tuple(resized([image], side)[0] for side in SIDES)

    known: list[tuple[RealRow, str]] = []

    def data_of_all() -> Iterator[bytes]:
        for row, data in _read(frozen, rows):
            known.append((row, hashlib.sha256(data).hexdigest()))
            yield data

    with Patience[bytes, "tuple[tuple[int, ...], tuple[np.ndarray, ...]] | None"](
        small, lambda data: None, _THREADS, seconds
    ) as patience:
        found = list(patience.map(data_of_all()))
    there = [(row, sha, got) for (row, sha), got in zip(known, found, strict=True) if got]
    return Reference(
        tuple(row.label_name for row, _, _ in there),
        tuple((row.label_name, sha) for row, sha, _ in there),
        tuple(got[0] for _, _, got in there),
        tuple(got[1] for _, _, got in there),
    )


def _chosen(frozen: Frozen, splits: Sequence[str], most: int = MOST_IMAGES) -> list[RealRow]:
    heaps: dict[str, list[tuple[int, str, str, RealRow]]] = defaultdict(list)
    for split in splits:
        start, stop = frozen.ranges.get(split, (0, 0))
        for at in range(start, stop, _ROWS):
            rows = read_census(frozen.prepared.work, frozen.census, at, min(at + _ROWS, stop))
            for row in rows:
                order = order_key(_SEED, "scoring", real_id(row.source, row.locator))
                heap = heaps[row.label_name]
                key = (-int.from_bytes(order), row.source, row.locator, row)
                heapq.heappush(heap, key)
                while len(heap) > max(LEAST_PER_CLASS, most // len(heaps)):
                    heapq.heappop(heap)
    each = max(LEAST_PER_CLASS, most // max(1, len(heaps)))
    return [key[3] for label in sorted(heaps) for key in sorted(heaps[label], reverse=True)[:each]]


def _read(frozen: Frozen, rows: Sequence[RealRow]) -> Iterator[tuple[RealRow, bytes]]:
    """In the order given, those that can be read."""
    prepared = frozen.prepared
    readers = {
        name: open_source(name, source, prepared.options)
        for name, source in prepared.job.spec.sources.items()
    }
    for start in range(0, len(rows), _READ):
        some = rows[start : start + _READ]
        found: dict[int, bytes | SampleError] = {}
        for source in sorted({row.source for row in some}):
            places = [n for n, row in enumerate(some) if row.source == source]
            data = readers[source].read([some[n] for n in places])
            found |= zip(places, data, strict=True)
        for n, row in enumerate(some):
            if isinstance(one := found[n], bytes):
                yield row, one
