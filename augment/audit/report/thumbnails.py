"""Very small pictures of very many rows, within a budget; only one image is held at a time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import Image

from augment.audit.picks import Pick, each_row, small
from augment.audit.table import DataSet

EDGE = 32
"""Pixels of the longer edge."""
BUDGET = 280_000
"""Bytes of all of them; in the page they take a third more."""
_QUALITY = 75
_SHORT = 400  # bytes: of so many pictures all have room


def thumbnails(
    data: DataSet, places: Mapping[str, Pick], order: Sequence[str], budget: int = BUDGET
) -> dict[str, bytes]:
    """Sample id -> WebP, of those in `order` that are among the places, until the budget is spent.
    Images that cannot be decoded have none.

    Raises:
        StorageError: a shard cannot be read.
    """
    known = {places[name]: name for name in order if name in places}
    made = {}
    for pick, shown in each_row(data, list(known), without_images=True):
        image = small(shown.image, EDGE, enlarge=False)
        if image is not None:
            made[known[pick]] = _encoded(image.convert("RGB"))
    found: dict[str, bytes] = {}
    for name in order:
        if name in made:
            budget -= len(made[name])
            if budget < 0:
                break
            found[name] = made[name]
    return found


def _encoded(image: Image.Image) -> bytes:
    """Without loss where that is short."""
    exact = _webp(image, lossless=True)
    return exact if len(exact) <= _SHORT else min(exact, _webp(image, lossless=False), key=len)


def _webp(image: Image.Image, *, lossless: bool) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=lossless, quality=_QUALITY, method=4)
    return out.getvalue()
