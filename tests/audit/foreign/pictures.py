"""Image files that say something of themselves, or nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from sklearn.datasets import load_digits

from augment.sample import DigitalSourceType
from augment.write.marks import add_xmp

DIGITS = load_digits()
SETTINGS = "a digit\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def digit(number: int, kind: str = "PNG", settings: str = "") -> bytes:
    """Digit scan `number`, 16 x 16 pixels, grey."""
    image = Image.fromarray((DIGITS.images[number] * 15).astype(np.uint8)).resize((16, 16))
    out = io.BytesIO()
    info = PngImagePlugin.PngInfo()
    if settings:
        info.add_text("parameters", settings)
    image.save(out, kind, **({"pnginfo": info} if kind == "PNG" else {"quality": 95}))
    return out.getvalue()


def marked(number: int, kind: DigitalSourceType) -> bytes:
    return add_xmp(digit(number), f"{number:032x}", kind.value, "somebody")


def put(folder: Path, path: str, data: bytes) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
