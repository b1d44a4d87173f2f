"""From the colours that an embedded profile means to sRGB, as 8-bit RGB.

LittleCMS converts, relative colorimetric with black point compensation; a profile that changes
no colour by more than `_SAME` levels is taken as sRGB and pixels stay. One that cannot be
read or is made for other pixels is left alone, and the caller is told. Knows no file format.

Sources: ICC.1:2022 (profiles, rendering intents); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import functools
import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

_SAME = 2  # levels of 255: what two makers' sRGB profiles differ by
_LONGEST = 60  # letters of a profile's name
_SPACES = {"L": ("GRAY", "RGB"), "RGB": ("RGB",), "CMYK": ("CMYK",)}
_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError, OverflowError)


class Conversion(NamedTuple):
    """note: what is done, in words. transform: for colour; table: (256,) uint8 for grey; neither
    where pixels stay."""

    note: str
    transform: ImageCms.ImageCmsTransform | None = None
    table: np.ndarray | None = None

    @property
    def does_something(self) -> bool:
        return self.transform is not None or self.table is not None


@functools.lru_cache(maxsize=16)
def conversion(profile: bytes, mode: str) -> Conversion:
    """How pixels of Pillow's mode L, RGB or CMYK with this profile become sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        name = _name(source)
        if space not in _SPACES[mode]:
            return Conversion(f"{name} is not for {mode} pixels, left alone")
        as_read = "L" if space == "GRAY" else space
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(
            source,
            target,
            as_read,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "L":
            return _for_grey(transform, as_read, name)
        if mode == "RGB" and _changes_nothing(transform):
            return Conversion(f"{name}, taken as sRGB")
        return Conversion(f"{name} -> sRGB", transform)
    except ImportError:
        return Conversion("left alone: this Pillow has no LittleCMS")
    except _ERRORS:
        return Conversion("unreadable, left alone")


def to_srgb(image: Image.Image, found: Conversion) -> np.ndarray:
    """(H, W, 3) uint8. image: of the mode that the conversion was asked for."""
    if found.table is not None:
        grey: np.ndarray = found.table[np.asarray(image)]
        return np.repeat(grey[..., None], 3, axis=2)
    assert found.transform is not None, "the caller asks `does_something` first"
    return np.array(found.transform.apply(image))


def _for_grey(transform: ImageCms.ImageCmsTransform, mode: str, name: str) -> Conversion:
    """Grey stays grey: the three levels that a grey becomes are one level."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.asarray(transform.apply(ramp if mode == "L" else ramp.convert("RGB")))
    table = levels[0].astype(np.float64).mean(axis=1).round().astype(np.uint8)
    if np.abs(table.astype(int) - np.arange(256)).max() <= _SAME:
        return Conversion(f"{name}, taken as sRGB")
    return Conversion(f"{name} -> sRGB", table=table)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    axis = np.arange(0, 256, 15, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(lattice)))
    return bool(np.abs(after.astype(int) - lattice).max() <= _SAME)


def _name(profile: ImageCms.ImageCmsProfile) -> str:
    """The profile's own, plain letters only: it comes from outside."""
    said = profile.profile.profile_description or ""
    plain = "".join(c for c in said if c.isascii() and c.isprintable()).strip()
    return plain[:_LONGEST] or "a profile without a name"
