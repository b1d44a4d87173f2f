"""The real images that scorers are fit on: those of the splits that a job generates rows for.

Which ones depends on their ids alone: of each class those with the least hashes, so that a larger
source changes few of them. They are known by their bytes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augment import codec
from augment.audit.patience import Patience
from augment.errors import SampleError
from augment.features.task_fit import LEAST_PER_CLASS, MOST_IMAGES
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
    """Real images by class and hash of their ids. rows: the census's. known_by: class and sha256
    of the bytes of each."""

    frozen: Frozen
    rows: tuple[RealRow, ...]
    known_by: tuple[tuple[str, str], ...]

    def decoded(self) -> Iterator[tuple[str, np.ndarray]]:
        """(class, (H, W, 3) uint8 RGB) of those that can be decoded in time and are what they were
        when they were hashed.

        Raises:
            StorageError: a source cannot be read.
        """
        for label, _, image in self.encoded():
            yield label, image

    def encoded(self) -> Iterator[tuple[str, bytes, np.ndarray]]:
        """As `decoded`, with the bytes of each between the two."""
        spec = self.frozen.prepared.job.spec
        bound, seconds = spec.errors.max_pixels, spec.execution.image_timeout_s
        at = {(row.source, row.locator): n for n, row in enumerate(self.rows)}
        going: deque[int] = deque()

        def data_of_all() -> Iterator[bytes]:
            for row, data in read_images(self.frozen, self.rows):
                n = at[row.source, row.locator]
                if hashlib.sha256(data).hexdigest() == self.known_by[n][1]:
                    going.append(n)
                    yield data

        def image(data: bytes) -> tuple[bytes, np.ndarray | None]:
            try:
                return data, codec.decode(data, bound)
            except SampleError:
                return data, None

        with Patience[bytes, tuple[bytes, "np.ndarray | None"]](
            image, lambda data: (data, None), _THREADS, seconds
        ) as patience:
            for data, found in patience.map(data_of_all()):
                n = going.popleft()
                if found is not None:
                    yield self.known_by[n][0], data, found


def reference_of(frozen: Frozen) -> Reference:
    """What classes are learned from: of each so many images that all are `MOST_IMAGES` at most.

    Raises:
        StorageError: the frozen census or a source cannot be read.
    """
    return referenced(frozen, _chosen(frozen, drawn_splits(frozen)))


def referenced(frozen: Frozen, rows: Sequence[RealRow]) -> Reference:
    """Reads and hashes the images; those that cannot be read are left out.

    Raises:
        StorageError: a source cannot be read.
    """
    found, known = [], []
    for row, data in read_images(frozen, rows):
        found.append(row)
        known.append((row.label_name, hashlib.sha256(data).hexdigest()))
    return Reference(frozen, tuple(found), tuple(known))


def drawn_splits(frozen: Frozen) -> list[str]:
    """The splits that rows are generated for."""
    return sorted({draw.split for draw in frozen.plan.draws})


Ordered = tuple[int, str, str, RealRow]
"""A row after what it is chosen by: the greater, the sooner."""


def ordered(frozen: Frozen, splits: Iterable[str]) -> Iterator[Ordered]:
    """Rows of the frozen census, each with its hash, least hashes first to be chosen.

    Raises:
        StorageError: the frozen census cannot be read.
    """
    for split in splits:
        start, stop = frozen.ranges.get(split, (0, 0))
        for at in range(start, stop, _ROWS):
            rows = read_census(frozen.prepared.work, frozen.census, at, min(at + _ROWS, stop))
            for row in rows:
                order = order_key(_SEED, "scoring", real_id(row.source, row.locator))
                yield -int.from_bytes(order), row.source, row.locator, row


def _chosen(frozen: Frozen, splits: Sequence[str], most: int = MOST_IMAGES) -> list[RealRow]:
    heaps: dict[str, list[Ordered]] = defaultdict(list)
    for key in ordered(frozen, splits):
        heap = heaps[key[3].label_name]
        heapq.heappush(heap, key)
        while len(heap) > max(LEAST_PER_CLASS, most // len(heaps)):
            heapq.heappop(heap)
    each = max(LEAST_PER_CLASS, most // max(1, len(heaps)))
    return [key[3] for label in sorted(heaps) for key in sorted(heaps[label], reverse=True)[:each]]


def read_images(frozen: Frozen, rows: Sequence[RealRow]) -> Iterator[tuple[RealRow, bytes]]:
    """In the order given, those that can be read; `_READ` of them are held at once.

    Raises:
        StorageError: a source cannot be read.
    """
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
