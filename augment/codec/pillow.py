"""Every format but JPEG, through Pillow's plugins.

They are called by name, chosen by the file's first bytes: Pillow's global size limit and
its other formats (PostScript runs a program) never come into play. No global state.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from augment.codec.header import EXTENSIONS, Header, check_size, format_of, too_deep
from augment.codec.jpeg import exif_orientation
from augment.errors import SampleError

_PLUGINS: dict[str, Callable[..., ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "ppm": PpmImagePlugin.PpmImageFile,
}
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    EOFError, OverflowError, ZeroDivisionError, struct.error, Warning, AssertionError,
)  # fmt: skip


def verify(data: bytes, max_pixels: int) -> Header:
    """The header, after decoding the first frame in full."""
    image, header = open_header(data, max_pixels)
    with errors(header.format):
        _check_end(image, header.format, data)
        image.load()
    return header


def decode(data: bytes, max_pixels: int) -> tuple[np.ndarray, Header]:
    """(H, W, 3) uint8 RGB of the first frame as stored (a TIFF as displayed), alpha dropped."""
    image, header = open_header(data, max_pixels)
    with errors(header.format):
        if depth := _deeper(image, header, data):
            raise too_deep(depth)
        _check_end(image, header.format, data)
        image.load()
        image.info.pop("transparency", None)  # alpha is dropped, not blended
        return np.array(image if image.mode == "RGB" else image.convert("RGB")), header


def resized_png(data: bytes, width: int, height: int, max_pixels: int) -> bytes:
    """The first frame as stored, scaled by nearest neighbour, as PNG in its own mode (in RGB
    where PNG has no such mode)."""
    image, header = open_header(data, max_pixels)
    with errors(header.format):
        image.load()
        kept = image if image.mode in _PNG_MODES else image.convert("RGB")
        sink = io.BytesIO()
        kept.resize((width, height), Image.Resampling.NEAREST).save(sink, "png")
        return sink.getvalue()


@contextlib.contextmanager
def errors(name: str) -> Iterator[None]:
    """What Pillow raises about one file, as SampleError."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise SampleError("too_large", str(error)) from error
    except _PILLOW_ERRORS as error:
        said = str(error) or type(error).__name__
        early = isinstance(error, EOFError) or "truncated" in said.lower()
        reason = "truncated" if early else "undecodable"
        raise SampleError(reason, f"a {name} file: {said}") from error


def plugin(name: str, data: bytes) -> ImageFile.ImageFile:
    with errors(name):
        return _PLUGINS[name](io.BytesIO(data))


def open_header(data: bytes, max_pixels: int) -> tuple[ImageFile.ImageFile, Header]:
    name = format_of(data)
    if name == "webp":  # its decoder allocates the canvas when it is opened
        check_size(*_webp_size(data), max_pixels)
    if name == "tiff":
        _check_tiff_directory(data)
    image = plugin(name, data)
    width, height = image.size
    check_size(width, height, max_pixels)
    with errors(name):
        orientation = _orientation(image, name, data)
    if orientation >= 5 and name != "tiff":  # Pillow swaps a TIFF's itself
        width, height = height, width
    return image, Header(name, width, height, image.mode, orientation, EXTENSIONS[name][0])


def _orientation(image: ImageFile.ImageFile, name: str, data: bytes) -> int:
    if name == "tiff":
        value = cast(TiffImagePlugin.TiffImageFile, image).tag_v2.get(0x0112, 1)
        return value if value in range(1, 9) else 1
    if name == "webp" and (block := image.info.get("exif")):
        return exif_orientation(block.removeprefix(b"Exif\0\0"))
    if name == "png" and (at := data.find(b"eXIf")) > 0:
        return exif_orientation(data[at + 4 :])
    return 1


def _check_end(image: ImageFile.ImageFile, name: str, data: bytes) -> None:
    """Finds missing ends that the decoder overlooks or calls something else."""
    early = name == "png" and b"IEND" not in data
    if name == "tiff":
        tags = cast(TiffImagePlugin.TiffImageFile, image).tag_v2
        for starts, sizes in ((273, 279), (324, 325)):  # strips, tiles
            pairs = zip(tags.get(starts, ()), tags.get(sizes, ()), strict=False)
            early = early or any(start + size > len(data) for start, size in pairs)
    if early:
        raise SampleError("truncated", f"a {name} file that ends early, at byte {len(data)}")


def _check_tiff_directory(data: bytes) -> None:
    order = "<" if data.startswith(b"II") else ">"
    classic = data[2:4] in (b"*\0", b"\0*")
    kind, at = (order + "I", 4) if classic else (order + "Q", 8)
    if len(data) < 16 or struct.unpack_from(kind, data, at)[0] + 2 > len(data):
        raise SampleError("truncated", f"a tiff file that ends early, at byte {len(data)}")


def _webp_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the canvas (RFC 9649). Raises: SampleError truncated | undecodable."""
    if len(data) < 30 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise SampleError("truncated", f"a webp file that ends early, at byte {len(data)}")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise SampleError("undecodable", f"a webp file with the unknown chunk {kind!r}")


def _deeper(image: ImageFile.ImageFile, header: Header, data: bytes) -> str:
    """What has more than 8 bits a value, in words; "" if nothing has. Pillow itself would
    reduce 16-bit colour to 8 bits without a word."""
    if header.mode in ("I", "F") or header.mode.startswith("I;"):
        return f"{header.format} of Pillow mode {header.mode}"
    if header.format == "png" and data[24] > 8:
        return f"png of {data[24]} bits"
    if header.format == "tiff":
        bits = cast(TiffImagePlugin.TiffImageFile, image).tag_v2.get(258, (1,))
        deepest = max(bits if isinstance(bits, tuple) else (bits,))
        return f"tiff of {deepest} bits" if deepest > 8 else ""
    if header.format == "ppm" and image.tile:
        args = image.tile[0].args
        most = args[1] if isinstance(args, tuple) and isinstance(args[1], int) else 0
        return f"ppm with values up to {most}" if most > 255 else ""
    return ""
