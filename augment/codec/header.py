"""What an encoded image says of itself, and the checks that come before any decoding.

Knows no format; decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.errors import SampleError


@dataclass(frozen=True, slots=True)
class Header:
    """What an encoded image says of itself. format: a key of `EXTENSIONS`. width, height:
    pixels as displayed (orientation applied). mode: Pillow's. orientation: 1 to 8, as Pillow's
    `exif_transpose` finds it. extension: without a dot.
    marks: what the file says of how it was made, see `codec.marks`.
    doubts: metadata, damaged or over a bound, that is left alone here and on which Pillow may
    give up, in words; see `codec.refusal`."""

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    extension: str
    marks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise SampleError(
            "too_large", f"{width} x {height} pixels; errors.max_pixels allows {max_pixels}"
        )


def too_deep(what: str) -> SampleError:
    return SampleError(
        "unsupported_depth", f"a {what}; only 8 bits a value can be changed, copies are passed on"
    )


def too_complex(what: str, why: str) -> SampleError:
    """For files that ask for more work than any picture of their size needs."""
    return SampleError("too_complex", f"{what}; {why}")
