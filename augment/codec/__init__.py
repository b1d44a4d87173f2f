"""Image bytes <-> arrays; the one place where floats in [-1, 1] become uint8.

JPEG goes through simplejpeg (libjpeg-turbo), everything else through Pillow's plugins.
No global state, so units may decode in threads. Knows nothing of files, rows or jobs.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
import PIL
import simplejpeg
from PIL import Image, features

from augment.codec import jpeg, pillow
from augment.codec.header import EXTENSIONS, Header, format_of, too_deep
from augment.codec.png import encode_pngs
from augment.errors import SampleError

__all__ = [
    "EXTENSIONS",
    "Header",
    "Picture",
    "Style",
    "codec_id",
    "decode",
    "encode",
    "encode_pngs",
    "fit",
    "label_map",
    "read",
    "read_header",
    "style_of",
    "to_uint8",
    "verify",
]

Subsampling = Literal["444", "422", "420", "gray"]


@dataclass(frozen=True, slots=True)
class Style:
    """How a made image is encoded so that the file format does not give it away.

    quality (1 .. 100) and subsampling: JPEG only. width, height: of the image the style
    was taken from; `encode` does not scale, `fit` does."""

    format: Literal["jpeg", "png"]
    quality: int | None
    subsampling: Subsampling | None
    mode: Literal["L", "RGB"]
    width: int
    height: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Style:
        return cls(**value)


@dataclass(frozen=True)
class Picture:
    """A decoded image. image: (H, W, 3) uint8 RGB as displayed."""

    header: Header
    style: Style
    image: np.ndarray


# ---- reading ---------------------------------------------------------------------------


def read_header(data: bytes, max_pixels: int) -> Header:
    """Format and size from the first bytes; decodes nothing.

    Raises: SampleError empty | not_image | too_large | truncated | undecodable.
    """
    if format_of(data) == "jpeg":
        return jpeg.header(jpeg.scan(data), max_pixels)
    return pillow.open_header(data, max_pixels)[1]


def verify(data: bytes, max_pixels: int) -> Header:
    """The header, after decoding the first frame in full and throwing it away.

    Raises: SampleError as `read_header`, for damage anywhere in the first frame.
    """
    if format_of(data) == "jpeg":
        info = jpeg.scan(data)
        header = jpeg.header(info, max_pixels)
        if info.precision == 8 and info.components != 4:
            _decode_jpeg(data, "GRAY")  # all coded data is read; colour is not needed
        else:
            image = pillow.plugin("jpeg", data)
            with pillow.errors("jpeg"):
                image.load()
        return header
    return pillow.verify(data, max_pixels)


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the first frame, EXIF orientation applied, alpha dropped,
    palette, CMYK and grey converted.

    Raises: SampleError as `verify`, and unsupported_depth over 8 bits a value.
    """
    return read(data, max_pixels).image


def read(data: bytes, max_pixels: int) -> Picture:
    """Pixels as `decode` gives them, with header and style, for one look at the bytes.

    Raises: SampleError as `decode`.
    """
    if format_of(data) == "jpeg":
        info = jpeg.scan(data)
        header = jpeg.header(info, max_pixels)
        if info.precision != 8:
            raise too_deep(f"JPEG of {info.precision} bits")
        pixels = _slow_jpeg(data, "RGB") if info.components == 4 else _decode_jpeg(data, "RGB")
        upright = pixels if info.orientation == 1 else _upright(pixels, info.orientation)
        return Picture(header, _jpeg_style(info, header), upright)
    pixels, header = pillow.decode(data, max_pixels)
    # Pillow turns TIFF upright itself
    turned = header.format != "tiff" and header.orientation != 1
    upright = _upright(pixels, header.orientation) if turned else pixels
    return Picture(header, _other_style(data, header), upright)


def style_of(data: bytes, max_pixels: int) -> Style:
    """How to encode made images like this real one, from its header.

    JPEG: quality estimated from its quantisation tables, its subsampling. Lossy WebP: JPEG
    of quality 90, 4:2:0. Everything else: PNG.
    Raises: SampleError as `read_header`.
    """
    if format_of(data) == "jpeg":
        info = jpeg.scan(data)
        return _jpeg_style(info, jpeg.header(info, max_pixels))
    return _other_style(data, read_header(data, max_pixels))


def _jpeg_style(info: jpeg.JpegInfo, header: Header) -> Style:
    sampling = cast(Subsampling, jpeg.subsampling(info))
    mode: Literal["L", "RGB"] = "L" if info.components == 1 else "RGB"
    return Style("jpeg", jpeg.quality(info), sampling, mode, header.width, header.height)


def _other_style(data: bytes, header: Header) -> Style:
    if header.format == "webp" and b"VP8 " in data[12:65536]:
        return Style("jpeg", 90, "420", "RGB", header.width, header.height)
    grey = header.mode in ("1", "L", "LA", "La", "I", "F") or header.mode.startswith("I;")
    return Style("png", None, None, "L" if grey else "RGB", header.width, header.height)


# ---- writing ---------------------------------------------------------------------------


def encode(image: np.ndarray, style: Style) -> bytes:
    """The image ((H, W, 3) uint8 RGB) as a file without metadata, at its own size.

    Grey is written where the style is grey and the three channels are equal.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image is {image.dtype} {image.shape}; expected uint8 (H, W, 3)")
    grey = style.mode == "L" and _is_grey(image)
    if style.format == "png":
        out = io.BytesIO()
        Image.fromarray(image[..., 0] if grey else image).save(out, "PNG", compress_level=6)
        return out.getvalue()
    quality = 95 if style.quality is None else style.quality
    if grey:
        plane = np.ascontiguousarray(image[..., :1])
        return cast(bytes, simplejpeg.encode_jpeg(plane, quality, "GRAY", "Gray"))
    sampling = "420" if style.subsampling in (None, "gray") else style.subsampling
    pixels = np.ascontiguousarray(image)
    return cast(bytes, simplejpeg.encode_jpeg(pixels, quality, "RGB", sampling))


def fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 scaled (bicubic, antialiased) until it covers width x height, then
    cropped around the centre; nothing is distorted. The image itself where sizes agree."""
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    scale = min(w / width, h / height)
    left, top = (w - width * scale) / 2, (h - height * scale) / 2
    box = (left, top, min(float(w), left + width * scale), min(float(h), top + height * scale))
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC, box=box))


def label_map(data: bytes, width: int, height: int, max_pixels: int) -> bytes:
    """A label map as PNG of the size given, every value one that it had: scaled by nearest
    neighbour, palettes kept. The very bytes where it is a PNG of that size.

    Raises: SampleError as `read_header`.
    """
    header = read_header(data, max_pixels)
    if format_of(data) == "png" and (header.width, header.height) == (width, height):
        return data
    return pillow.resized_png(data, width, height, max_pixels)


def to_uint8(x_NCHW: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8 from floats in [-1, 1], shape (N, C, H, W) with C 1 or 3; values
    outside are clipped. floor(x * 127.5 + 128), as StyleGAN2-ADA's generate.py does."""
    if x_NCHW.ndim != 4 or x_NCHW.shape[1] not in (1, 3):
        raise ValueError(f"images have the shape {x_NCHW.shape}; expected (N, 1 or 3, H, W)")
    levels = x_NCHW.astype(np.float32) * np.float32(127.5) + np.float32(128)
    if not np.isfinite(levels).all():
        raise ValueError("images hold NaN or infinity; expected numbers in [-1, 1]")
    pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def codec_id() -> dict[str, str]:
    """Versions and flags that decide pixels; part of an augmentation's digest."""
    names = ("libjpeg_turbo", "zlib", "zlib_ng", "webp", "libtiff")
    found = {name: features.version(name) for name in names}
    return {
        "simplejpeg": str(simplejpeg.__version__),
        "simplejpeg_flags": "strict,slow-dct,fancy-upsampling",
        "pillow": PIL.__version__,
        "numpy": np.__version__,
        **{f"pillow.{name}": version for name, version in found.items() if version},
    }


# ---- helpers: JPEG -----------------------------------------------------------------------


def _decode_jpeg(data: bytes, colorspace: str) -> np.ndarray:
    try:
        return cast(np.ndarray, simplejpeg.decode_jpeg(data, colorspace=colorspace))
    except ValueError as error:
        said = str(error)
    if "Premature end of JPEG" in said:
        raise SampleError("truncated", "the JPEG's coded data ends early")
    if any(damage in said for damage in ("premature end", "bad Huffman", "instead of RST")):
        raise SampleError("undecodable", f"the JPEG's coded data is damaged: {said}")
    # what remains are oddities that harm no pixel (stray bytes between segments), and
    # kinds that libjpeg-turbo's short interface refuses: Pillow decides
    return _slow_jpeg(data, "L" if colorspace == "GRAY" else "RGB")


def _slow_jpeg(data: bytes, mode: str) -> np.ndarray:
    """Through Pillow, which undoes Adobe's inversion of CMYK."""
    image = pillow.plugin("jpeg", data)
    with pillow.errors("jpeg"):
        return np.array(image.convert(mode))


# ---- helpers: pixels -----------------------------------------------------------------------


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels as displayed: EXIF orientation 2 to 8 undone."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _is_grey(image: np.ndarray) -> bool:
    first = image[..., 0]
    return bool((first == image[..., 1]).all() and (first == image[..., 2]).all())
