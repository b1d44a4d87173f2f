"""From a decoded picture to (H, W, 3) uint8 sRGB as displayed, and what is lost on the way.

    alpha     dropped: transparent pixels show the colour that stands under them, as they do
              after Pillow's `convert("RGB")`, which is how training code reads such a file
    icc       converted to sRGB, taken as sRGB, or left alone where the profile cannot be used;
              a copy has none in any case
    cmyk      converted without a profile
    depth     reduced to 8 bits a value
    pictures  the first of several is the image
    marks     what the file says of how it was made does not go into a copy
    gamma, chromaticities, cicp      what says how colours are meant where no profile does: not
              applied, as Pillow does not either

Knows no file format.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from augment.codec.colour import Conversion, conversion, to_srgb
from augment.codec.header import Header
from augment.codec.parts import Parts

Lost = dict[str, Any]
_UNREADABLE = Conversion("unreadable, left alone")


def of_image(image: Image.Image, parts: Parts, header: Header) -> tuple[np.ndarray, Lost]:
    """Of a loaded image of 8 bits a value; not turned."""
    lost: Lost = dict(parts.unused)
    if _is_transparent(image):
        lost["alpha"] = "dropped"
    image.info.pop("transparency", None)
    pixels = _converted(image, parts.profile, lost)
    if parts.bits > 8:
        lost["depth"] = f"{parts.bits} bits to 8"
    _note(lost, parts.several, header)
    return pixels, lost


def of_rgb(
    pixels: np.ndarray, profile: bytes | None, *, grey: bool, several: bool, header: Header
) -> tuple[np.ndarray, Lost]:
    """Of what a decoder gave as RGB. pixels: (H, W, 3) uint8; grey: of three equal channels."""
    lost: Lost = {}
    if profile is not None:
        plane = np.ascontiguousarray(pixels[..., 0]) if grey else pixels
        found = _conversion(profile, "L" if grey else "RGB")
        lost["icc"] = found.note
        if found.does_something:
            pixels = to_srgb(Image.fromarray(plane), found)
    _note(lost, several, header)
    return pixels, lost


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels as displayed: orientation 2 to 8 undone."""
    if orientation == 1:
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _converted(image: Image.Image, profile: bytes | None, lost: Lost) -> np.ndarray:
    if image.mode == "CMYK" and profile is None:
        lost["cmyk"] = "converted without a profile"
    if profile is not None and image.mode != "LAB":  # which means the same everywhere
        mode = _mode(image.mode)
        found = _conversion(profile, mode)
        lost["icc"] = found.note
        if found.does_something:
            return to_srgb(image if image.mode == mode else image.convert(mode), found)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _mode(mode: str) -> str:
    """The mode in which a picture meets its profile."""
    if mode in ("1", "L", "LA", "La"):
        return "L"
    return "CMYK" if mode == "CMYK" else "RGB"


def _conversion(profile: bytes, mode: str) -> Conversion:
    return conversion(profile, mode) if profile else _UNREADABLE


def _note(lost: Lost, several: bool, header: Header) -> None:
    if several:
        lost["pictures"] = "the first of several"
    if header.marks:
        lost["marks"] = list(header.marks)


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel is not opaque, or a colour is meant to be."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        return bool(np.asarray(image.getchannel(len(image.getbands()) - 1)).min() < 255)
    key = image.info.get("transparency")
    if isinstance(key, bytes):
        return min(key, default=255) < 255
    return key is not None
