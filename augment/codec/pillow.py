"""Every format but JPEG, through Pillow's plugins (HEIC through pillow-heif's).

They are called by name, chosen by the file's first bytes: Pillow's global size limit and
its other formats (PostScript runs a program) never come into play. Before one is called the
file is taken apart: what would cost more than its pixels is refused, what could cost the
picture and is none of it is left out. No global state.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

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

from augment.codec import gif_reading, heif_reading, png_reading, tiff_reading, webp_reading
from augment.codec.exif import BrokenMetadataError, orientation
from augment.codec.formats import EXTENSIONS, format_of, need
from augment.codec.header import Header, check_size, too_deep
from augment.codec.marks import marks_of
from augment.codec.parts import MAX_PROFILE, Parts
from augment.errors import SampleError

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    EOFError, OverflowError, ZeroDivisionError, RuntimeError, struct.error, Warning,
    AssertionError,
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A file whose header is read. turned: whether the decoder gives pixels as displayed."""

    image: ImageFile.ImageFile
    header: Header
    parts: Parts
    turned: bool


def verify(data: bytes, max_pixels: int) -> Header:
    """The header, after decoding the first frame in full."""
    opened = open_header(data, max_pixels)
    return _loaded(opened).header


def decode(data: bytes, max_pixels: int) -> Opened:
    """The first frame in memory. Raises: SampleError unsupported_depth over 8 bits a value."""
    opened = open_header(data, max_pixels)
    with errors(opened.header.format):
        if depth := _deeper(opened):
            raise too_deep(depth)
    loaded = _loaded(opened)
    if loaded.header.format == "gif" and gif_reading.holds_several(data):
        return replace(loaded, parts=replace(loaded.parts, several=True))
    return loaded


def resized_png(data: bytes, width: int, height: int, max_pixels: int) -> bytes:
    """The first frame as stored, scaled by nearest neighbour, as PNG in its own mode (in RGB
    where PNG has no such mode)."""
    image = _loaded(open_header(data, max_pixels)).image
    with errors(format_of(data)):
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
        return _plugin(name)(io.BytesIO(data))


def _plugin(name: str) -> Callable[..., ImageFile.ImageFile]:
    match name:
        case "jpeg":
            return JpegImagePlugin.JpegImageFile
        case "png":
            return PngImagePlugin.PngImageFile
        case "webp":
            return WebPImagePlugin.WebPImageFile
        case "gif":
            return GifImagePlugin.GifImageFile
        case "bmp":
            return BmpImagePlugin.BmpImageFile
        case "tiff":
            return TiffImagePlugin.TiffImageFile
        case "ppm":
            return PpmImagePlugin.PpmImageFile
        case "avif":
            from PIL import AvifImagePlugin

            return AvifImagePlugin.AvifImageFile
        case "heic":
            from pillow_heif import HeifImageFile

            return cast(Callable[..., ImageFile.ImageFile], HeifImageFile)
    raise AssertionError(f"no plugin for {name}")


# ---- the header ------------------------------------------------------------------------


def open_header(data: bytes, max_pixels: int) -> Opened:
    name = format_of(data)
    need(name)
    parts = _take_apart(name, data, max_pixels)
    try:
        return _opened(name, parts, max_pixels)
    except SampleError as error:
        spared = _spared(name, parts.data)
        if spared is None or error.reason not in ("undecodable", "truncated"):
            raise
        parts = replace(parts, data=spared, doubts=(*parts.doubts, error.detail))
        try:
            return _opened(name, parts, max_pixels)
        except SampleError:
            raise error from None


def _take_apart(name: str, data: bytes, max_pixels: int) -> Parts:
    with errors(name):
        match name:
            case "png":
                return png_reading.take_apart(data)
            case "webp":
                return webp_reading.take_apart(data, max_pixels)
            case "tiff":
                return tiff_reading.take_apart(data, max_pixels)
            case "avif" | "heic":
                return heif_reading.take_apart(data, max_pixels)
    return Parts(data)


def _spared(name: str, data: bytes) -> bytes | None:
    """The file without metadata on which the decoder may have tripped; None: there is no way
    to leave it out, or nothing to leave out."""
    match name:
        case "tiff":
            bare = tiff_reading.bare(data)
        case "avif" | "heic":
            bare = heif_reading.without_exif(data)
        case _:
            return None
    return None if bare == data else bare


def _opened(name: str, parts: Parts, max_pixels: int) -> Opened:
    image = plugin(name, parts.data)
    check_size(*image.size, max_pixels)
    turned = name == "tiff"  # Pillow turns a TIFF when it loads it
    way, doubts = _way(image, parts)
    width, height = _stored_size(image)
    if way >= 5:
        width, height = height, width
    found = _completed(name, image, parts)
    header = Header(
        name, width, height, image.mode, way, EXTENSIONS[name][0],
        marks_of(found.packets, found.manifests, found.info or {}, found.exif), doubts,
    )  # fmt: skip
    return Opened(image, header, found, turned)


def _way(image: ImageFile.ImageFile, parts: Parts) -> tuple[int, tuple[str, ...]]:
    """The orientation, and what is doubtful about the metadata."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        with errors("tiff"):
            way = image.getexif().get(0x0112, 1)
            return int(way) if way in (2, 3, 4, 5, 6, 7, 8) else 1, parts.doubts
    try:
        return orientation(image.info if parts.info is None else parts.info), parts.doubts
    except BrokenMetadataError as error:
        return 1, (*parts.doubts, str(error))


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Before it is turned. Pillow swaps a TIFF's when it opens it, for some ways of saying so."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[256], image.tag_v2[257]
    return image.size


def _completed(name: str, image: ImageFile.ImageFile, parts: Parts) -> Parts:
    """With what only the decoder knows."""
    if name not in ("avif", "heic"):
        return parts
    profile, xmp = image.info.get("icc_profile"), image.info.get("xmp")
    exif = block if isinstance(block := image.info.get("exif"), bytes) else None
    if profile is not None and len(profile) > MAX_PROFILE:
        profile = b""
    packets = (xmp,) if isinstance(xmp, bytes) else ()
    several = getattr(image, "n_frames", 1) > 1
    unused = parts.unused if profile is None else {}
    return replace(
        parts, exif=exif, packets=packets, profile=profile, several=several, unused=unused
    )


# ---- the picture -----------------------------------------------------------------------


def _loaded(opened: Opened) -> Opened:
    name = opened.header.format
    try:
        _load(opened)
        return opened
    except SampleError as error:
        spared = _spared(name, opened.parts.data)
        if spared is None or error.reason not in ("undecodable", "truncated"):
            raise
        parts = replace(opened.parts, data=spared)
        doubts = (*opened.header.doubts, error.detail)
        try:
            again = replace(
                opened, image=plugin(name, spared), parts=parts,
                header=replace(opened.header, doubts=doubts),
            )  # fmt: skip
            _load(again)
            return again
        except SampleError:
            raise error from None


def _load(opened: Opened) -> None:
    data, name = opened.parts.data, opened.header.format
    with errors(name):
        if name == "tiff" and tiff_reading.is_cut(data):
            raise SampleError("truncated", f"a tiff file that ends early, at byte {len(data)}")
        opened.image.load()
    header, (width, height) = opened.header, opened.image.size
    if not opened.turned and header.orientation >= 5:
        width, height = height, width
    if (width, height) != (header.width, header.height):
        raise SampleError(
            "undecodable",
            f"a {name} file: its pixels are {width} x {height}, its header says {header.width} x "
            f"{header.height}",
        )


def _deeper(opened: Opened) -> str:
    """What has more than 8 bits a value, in words; "" if nothing has. Pillow itself would
    reduce 16-bit colour to 8 bits without a word. Of AVIF and HEIC there is no other reader:
    their copies are made of the 8 bits that it gives."""
    header, image = opened.header, opened.image
    if header.mode in ("I", "F") or header.mode.startswith("I;"):
        return f"{header.format} of Pillow mode {header.mode}"
    if header.format == "png" and (bits := opened.parts.data[24]) > 8:
        return f"png of {bits} bits"
    if header.format == "tiff" and opened.parts.bits > 8:
        return f"tiff of {opened.parts.bits} bits"
    if header.format == "ppm" and image.tile:
        args = image.tile[0].args
        most = args[1] if isinstance(args, tuple) and isinstance(args[1], int) else 0
        return f"ppm with values up to {most}" if most > 255 else ""
    return ""
