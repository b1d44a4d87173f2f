"""How large an image of a row may be before it is decoded.

A job may let in images that are larger than the default bound, and its rows say so. Rows of
somebody else say what they like, so what they say counts up to a bound of its own.
"""

from __future__ import annotations

from augment.spec.models import Errors

MOST_PIXELS = 1 << 28
"""Three times the default: some 3 GB while it is decoded and scaled."""


def most_pixels(width: object, height: object) -> int:
    """Pixels that the image of a row may have. width, height: what its columns say, of any type."""
    declared = _whole(width) * _whole(height)
    return min(max(declared, Errors().max_pixels), MOST_PIXELS)


def _whole(said: object) -> int:
    return said if isinstance(said, int) and said > 0 else 0
