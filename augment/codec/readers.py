"""Whether those who read a data set can open an image as it is: Pillow, and so `datasets`.

Only pictures that leave room for doubt are tried, because trying means another decoder: most
images cost nothing here. What is asked is what `datasets.Image.decode_example` does.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

from augment.codec.header import Header

_ORIENTATION = 0x0112
_MOST_TOLD, _LONGEST = 3, 120
_NAMES = {"ppm": "PPM", "heic": ""}  # Pillow's names where they are not ours in capitals


def refusal(data: bytes, header: Header) -> str:
    """Why Pillow does not open this file, in words; "" where it does.

    header: of the same bytes. HEIC is not tried: `datasets` opens it where the reader has called
    `pillow_heif.register_heif_opener()`."""
    if not (header.doubts or header.orientation != 1):
        return ""
    name = _NAMES.get(header.format, header.format.upper())
    if not name:
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as image:
            _show(image, header)
    except Warning:
        return ""  # only where warnings are made errors: Pillow goes on after them
    except Exception as error:
        return _told(header.doubts) or f"its EXIF block: {type(error).__name__}"
    return ""


def _told(doubts: Sequence[str]) -> str:
    """The first few, for a file may have a doubt for every chunk."""
    different = list(dict.fromkeys(doubts))
    told = "; ".join(doubt[:_LONGEST] for doubt in different[:_MOST_TOLD])
    more = len(different) - _MOST_TOLD
    return f"{told}; and {more} more" if more > 0 else told


def _show(image: Image.Image, header: Header) -> None:
    if header.doubts:
        image.load()
        if image.getexif().get(_ORIENTATION) is not None:
            ImageOps.exif_transpose(image)
        return
    # turning it writes the rest of its EXIF block anew, which fails for some
    exif = image.getexif()
    if "exif" in image.info and _ORIENTATION in exif:
        del exif[_ORIENTATION]
        exif.tobytes()
