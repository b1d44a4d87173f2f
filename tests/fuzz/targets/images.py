"""Images of every format, with metadata of every kind: header, picture and style, the same
answers from each; what is not said to be refused by Pillow opens there, and in that size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageOps

from augment import codec
from augment.errors import SampleError
from tests.codec import profiles
from tests.codec.files import app, chunk, in_jpeg, in_png, oriented, picture, saved, tiff, xmp

MAX_PIXELS = 1 << 20
TOKENS = (
    b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9", b"\xff\xc2", b"\xff\xe1", b"\xff\xff", b"\xff\0",
    b"Exif\0\0", b"II*\0", b"MM\0*", b"II+\0", b"\x12\1\3\0\1\0\0\0\6\0\0\0", b"IHDR",
    b"IDAT", b"IEND", b"acTL", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"VP8X", b"ANMF", b"ALPH",
    b"ftyp", b"ispe", b"iinf", b"av1C", b'tiff:Orientation="6"', b'DigitalSourceType="',
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\0\0", b"!\xfe\xff", b"BM",
)  # fmt: skip
_REASONS = frozenset(
    ("empty", "not_image", "too_large", "too_complex", "truncated", "undecodable",
     "unsupported_depth", "unsupported_format")
)  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    image = picture(20, 12)
    grey, inks = image.convert("L"), image.convert("CMYK")
    frames = [image, picture(20, 12, 1)]
    packet, block = xmp("6"), b"Exif\0\0" + oriented(6)
    profile = profiles.rgb("wide", profiles.P3, 2.2)
    names = app(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    texts = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + chunk(b"tEXt", b"k\0v")
    several = {"save_all": True, "append_images": frames[1:]}
    found = {
        "jpeg": in_jpeg(saved(image, "JPEG", icc_profile=profile), app(0xE1, block), names),
        "progressive jpeg": saved(grey, "JPEG", progressive=True),
        "cmyk jpeg": saved(inks, "JPEG"),
        "png": in_png(saved(image, "PNG", icc_profile=profile), texts, chunk(b"eXIf", block[6:])),
        "palette png": saved(image.quantize(8), "PNG", transparency=1),
        "apng": saved(image, "PNG", **several),
        "gif": saved(image.quantize(8), "GIF", **several),
        "webp": saved(image, "WEBP", exif=block, xmp=packet, icc_profile=profile),
        "moving webp": saved(image, "WEBP", lossless=True, **several),
        "tiff": tiff(image, [(274, 3, [6]), (700, 1, list(packet))]),
        "packed tiff": saved(image, "TIFF", compression="tiff_lzw", icc_profile=profile),
        "jpeg tiff": saved(image, "TIFF", compression="jpeg"),
        "bmp": saved(image, "BMP"),
        "ppm": saved(image, "PPM"),
        "text ppm": b"P3 2 1 255\n1 2 3\n4 5 6\n",
        "avif": saved(image, "AVIF", exif=block, xmp=packet, speed=10),
    }
    if not codec.lacking("heic"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found["heic"] = saved(image, "HEIF", exif=block, icc_profile=profile)
    return found


def one(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = _answer(codec.read_header, data)
        verified, read = _answer(codec.verify, data), _answer(codec.read, data)
        _answer(codec.style_of, data)
        if isinstance(verified, codec.Header):
            assert isinstance(header, codec.Header)
            if not codec.refusal(data, verified) and verified.format != "heic":
                assert _shown(data) == (verified.width, verified.height)
        if isinstance(read, codec.Picture):
            size = (read.header.height, read.header.width, 3)
            assert read.image.shape == size, (read.image.shape, size)
            assert (read.style.height, read.style.width) == size[:2]
            assert isinstance(verified, codec.Header)


def _shown(data: bytes) -> tuple[int, int]:
    """The size that `datasets` shows."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return ImageOps.exif_transpose(image).size


def _answer(reading: Callable[[bytes, int], Any], data: bytes) -> Any:
    try:
        return reading(data, MAX_PIXELS)
    except SampleError as error:
        refused = error
    assert refused.reason in _REASONS, refused
    assert len(str(refused)) < 2000
    return refused
