"""What an encoded image says of itself, and the checks that come before any decoding.

Knows the formats by their first bytes; decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.errors import SampleError

EXTENSIONS = {
    "jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "png": ("png",),
    "webp": ("webp",),
    "gif": ("gif",),
    "bmp": ("bmp", "dib"),
    "tiff": ("tif", "tiff"),
    "ppm": ("ppm", "pgm", "pbm", "pnm"),
}
"""format -> the extensions of its files, in lower case; the first one is written."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an encoded image says of itself. format: a key of `EXTENSIONS`. width, height:
    pixels as displayed (EXIF applied). mode: Pillow's. orientation: EXIF, 1 to 8.
    extension: without a dot."""

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    extension: str


def format_of(data: bytes) -> str:
    """The format by its first bytes. Raises: SampleError empty | not_image."""
    if not data:
        raise SampleError("empty", "the file has no bytes")
    start = data[:12]
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start.startswith(b"RIFF") and start[8:] == b"WEBP":
        return "webp"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start.startswith(b"BM"):
        return "bmp"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "ppm"
    known = ", ".join(EXTENSIONS)
    raise SampleError("not_image", f"begins with {start[:8]!r}; expected one of {known}")


def check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise SampleError(
            "too_large", f"{width} x {height} pixels; errors.max_pixels allows {max_pixels}"
        )


def too_deep(what: str) -> SampleError:
    return SampleError(
        "unsupported_depth", f"a {what}; only 8 bits a value can be changed, copies are passed on"
    )
