"""The real images that scorers are fit on: those of the splits that a job generates rows for.

Which ones depends on their ids alone: of each class those with the least hashes, so that a larger
source changes few of them. They are known by their bytes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
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
        spec = self.frozen.prepared.job.spec
        bound, seconds = spec.errors.max_pixels, spec.execution.image_timeout_s
        known = {(row.source, row.locator): said for row, said in self._said()}
        labels: deque[str] = deque()

        def data_of_all() -> Iterator[bytes]:
            for row, data in _read(self.frozen, self.rows):
                label, sha256 = known[row.source, row.locator]
                if hashlib.sha256(data).hexdigest() == sha256:
                    labels.append(label)
                    yield data

        def image(data: bytes) -> np.ndarray | None:
            try:
                return codec.decode(data, bound)
            except SampleError:
                return None

        with Patience[bytes, "np.ndarray | None"](
            image, lambda data: None, _THREADS, seconds
        ) as patience:
            for found in patience.map(data_of_all()):
                label = labels.popleft()
                if found is not None:
                    yield label, found

    def _said(self) -> Iterator[tuple[RealRow, tuple[str, str]]]:
        return zip(self.rows, self.known_by, strict=True)


def reference_of(frozen: Frozen) -> Reference:
    """Reads and hashes the images; those that cannot be read are left out.

    Raises:
        StorageError: the frozen census or a source cannot be read.
    """
    chosen = _chosen(frozen, sorted({draw.split for draw in frozen.plan.draws}))
    rows, known = [], []
    for row, data in _read(frozen, chosen):
        rows.append(row)
        known.append((row.label_name, hashlib.sha256(data).hexdigest()))
    return Reference(frozen, tuple(rows), tuple(known))


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
