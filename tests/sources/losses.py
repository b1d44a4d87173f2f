"""What a census left out, in short."""

from __future__ import annotations

from collections import Counter

from augment.sources import Census


def left(census: Census) -> dict[str, int]:
    """`cause .ending` -> how many were left out."""
    found: Counter[str] = Counter()
    for one in census.left_out:
        for loss in one.losses:
            found[f"{loss.cause.value} .{loss.ending}".removesuffix(" .")] += loss.n
    return dict(found)
