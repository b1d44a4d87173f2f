"""The two sides of a job's real images that copies are looked for of: those of the splits that rows
are generated for, and those of all others.

Of a side with more than `MOST_PROTECTED` images, or `MOST_BYTES` of them, those with the least
hashes of their ids count.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from augment.run.prepare import Frozen
from augment.run.scoring.reference import Reference, drawn_splits, ordered, read_images
from augment.spec.filters import SIDES, Side

MOST_PROTECTED = 20_000
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class RealSide:
    """reference: the images that count, of `total` that there are."""

    reference: Reference
    total: int


def sides_of(
    frozen: Frozen, most: int = MOST_PROTECTED, most_bytes: int = MOST_BYTES
) -> dict[Side, RealSide]:
    """Reads and hashes the images of both; those that cannot be read are left out.

    most, most_bytes: of a side.

    Raises:
        StorageError: the frozen census or a source cannot be read.
    """
    drawn = set(drawn_splits(frozen))
    splits = {side: sorted(s for s in frozen.ranges if (s in drawn) == (side == "train"))
              for side in SIDES}  # fmt: skip
    return {side: _side(frozen, some, most, most_bytes) for side, some in splits.items()}


def _side(frozen: Frozen, splits: Sequence[str], most: int, most_bytes: int) -> RealSide:
    chosen = [key[3] for key in heapq.nlargest(most, ordered(frozen, splits))]
    rows, known, held = [], [], 0
    for row, data in read_images(frozen, chosen):
        if (held := held + len(data)) > most_bytes:
            break
        rows.append(row)
        known.append((row.label_name, hashlib.sha256(data).hexdigest()))
    total = sum(stop - start for start, stop in (frozen.ranges[split] for split in splits))
    return RealSide(Reference(frozen, tuple(rows), tuple(known)), total)
