"""Image bytes <-> arrays; the one place where floats in [-1, 1] become uint8.

JPEG goes through simplejpeg (libjpeg-turbo), everything else through Pillow's plugins. Every
reading passes the same checks before any work: see `formats` for what there is, `jpeg`,
`png_reading`, `tiff_reading`, `webp_reading` and `heif_reading` for their bounds.
No global state, so units may decode in threads. Knows nothing of files, rows or jobs.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

import numpy as np
import PIL
import simplejpeg
from PIL import Image, features

from augment.codec import jpeg, pillow, pixels
from augment.codec.formats import EXTENSIONS, SNIFF_BYTES, format_of, lacking, sniff
from augment.codec.header import Header, too_deep
from augment.codec.jpeg_quality import quality, subsampling
from augment.codec.marks import CLAIMS, claimed
from augment.codec.parts import Parts
from augment.codec.picture_name import pixels_sha256
from augment.codec.png_writing import encode_pngs
from augment.codec.readers import refusal
from augment.codec.webp_reading import is_lossy
from augment.errors import SampleError

__all__ = [
    "CLAIMS",
    "EXTENSIONS",
    "SNIFF_BYTES",
    "Header",
    "Picture",
    "Style",
    "claimed",
    "codec_builds",
    "codec_id",
    "decode",
    "encode",
    "encode_pngs",
    "fit",
    "label_map",
    "lacking",
    "pixels_sha256",
    "read",
    "read_header",
    "refusal",
    "sniff",
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
    """A decoded image. image: (H, W, 3) uint8 sRGB as displayed. lost: what the file says or
    holds and `image` does not, see `codec.pixels`; empty for most."""

    header: Header
    style: Style
    image: np.ndarray
    lost: Mapping[str, Any] = field(default_factory=dict)


# ---- reading ---------------------------------------------------------------------------


def read_header(data: bytes, max_pixels: int) -> Header:
    """Format and size from the first bytes; decodes nothing.

    Raises: SampleError empty | not_image | too_large | truncated | undecodable | too_complex |
    unsupported_format.
    """
    if format_of(data) == "jpeg":
        return jpeg.header(jpeg.scan(data), data, max_pixels)
    return pillow.open_header(data, max_pixels).header


def verify(data: bytes, max_pixels: int) -> Header:
    """The header, after decoding the first frame in full and throwing it away.

    Raises: SampleError as `read_header`, for damage anywhere in the first frame.
    """
    if format_of(data) == "jpeg":
        info = jpeg.scan(data)
        header = jpeg.header(info, data, max_pixels)
        if info.precision == 8 and info.components != 4:
            _decode_jpeg(data, "GRAY")  # all coded data is read; colour is not needed
        else:
            _slow_jpeg(data)
        return header
    return pillow.verify(data, max_pixels)


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """(H, W, 3) uint8 sRGB of the first frame as displayed: turned as Pillow's
    `exif_transpose` turns it, an embedded profile converted, alpha dropped, palette, CMYK and
    grey converted.

    Raises: SampleError as `verify`, and unsupported_depth over 8 bits a value.
    """
    return read(data, max_pixels).image


def read(data: bytes, max_pixels: int) -> Picture:
    """Pixels as `decode` gives them, with header, style and losses, for one look at the bytes.

    Raises: SampleError as `decode`.
    """
    if format_of(data) == "jpeg":
        return _read_jpeg(data, max_pixels)
    opened = pillow.decode(data, max_pixels)
    header = opened.header
    with pillow.errors(header.format):
        image, lost = pixels.of_image(opened.image, opened.parts, header)
    turned = image if opened.turned else pixels.upright(image, header.orientation)
    return Picture(header, _other_style(data, header), turned, lost)


def _read_jpeg(data: bytes, max_pixels: int) -> Picture:
    info = jpeg.scan(data)
    header = jpeg.header(info, data, max_pixels)
    if info.precision != 8:
        raise too_deep(f"JPEG of {info.precision} bits")
    if info.components == 4:
        parts = Parts(b"", profile=info.profile, several=info.several)
        cmyk = _slow_jpeg(data)
        with pillow.errors("jpeg"):
            image, lost = pixels.of_image(cmyk, parts, header)
    else:
        image, lost = pixels.of_rgb(
            _decode_jpeg(data, "RGB"),
            info.profile,
            grey=info.components == 1,
            several=info.several,
            header=header,
        )
    return Picture(header, _jpeg_style(info, header), pixels.upright(image, info.orientation), lost)


def style_of(data: bytes, max_pixels: int) -> Style:
    """How to encode made images like this real one, from its header.

    JPEG: quality estimated from its quantisation tables, its subsampling. Lossy WebP, AVIF and
    HEIC: JPEG of quality 90, 4:2:0. Everything else: PNG.
    Raises: SampleError as `read_header`.
    """
    if format_of(data) == "jpeg":
        info = jpeg.scan(data)
        return _jpeg_style(info, jpeg.header(info, data, max_pixels))
    return _other_style(data, read_header(data, max_pixels))


def _jpeg_style(info: jpeg.JpegInfo, header: Header) -> Style:
    sampling = cast(Subsampling, subsampling(info.sampling))
    mode: Literal["L", "RGB"] = "L" if info.components == 1 else "RGB"
    return Style(
        "jpeg", quality(info.table_of, info.tables), sampling, mode, header.width, header.height
    )


def _other_style(data: bytes, header: Header) -> Style:
    lossy = header.format in ("avif", "heic") or (header.format == "webp" and is_lossy(data))
    if lossy:
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


def codec_builds() -> dict[str, str]:
    """`codec_id`, and what else can decide the pixels of some images: libraries that read AVIF
    and HEIC and that convert colours. Not in a digest: they touch no other image."""
    found = {name: features.version(name) for name in ("littlecms2", "avif")}
    with contextlib.suppress(ImportError):
        from pillow_heif import libheif_version

        found["libheif"] = libheif_version()
    return codec_id() | {name: version for name, version in found.items() if version}


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
    image = _slow_jpeg(data)
    with pillow.errors("jpeg"):
        return np.array(image.convert("L" if colorspace == "GRAY" else "RGB"))


def _slow_jpeg(data: bytes) -> Image.Image:
    """Through Pillow, which undoes Adobe's inversion of CMYK; without metadata, on which it
    might trip."""
    image = pillow.plugin("jpeg", jpeg.bare(data))
    with pillow.errors("jpeg"):
        image.load()
    return image


# ---- helpers: pixels -----------------------------------------------------------------------


def _is_grey(image: np.ndarray) -> bool:
    first = image[..., 0]
    return bool((first == image[..., 1]).all() and (first == image[..., 2]).all())
