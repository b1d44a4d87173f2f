"""Which image formats there are, and how the first bytes of a file tell them apart.

The one place for formats: their names, the endings that files of theirs have, and the ending
that is written. What a file is called never decides what it is. Decodes nothing.

Sources: the formats' own signatures; ISO/IEC 14496-12 (`ftyp`), the AVIF specification 1.1
(brands `avif`, `avis`), ISO/IEC 23008-12 annex B (brands of HEVC images).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from PIL import features

from augment.errors import SampleError

SNIFF_BYTES = 64
"""So many first bytes of a file are enough to tell its format."""

EXTENSIONS = {
    "jpeg": ("jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "mpo"),
    "png": ("png", "apng"),
    "webp": ("webp",),
    "gif": ("gif",),
    "bmp": ("bmp", "dib"),
    "tiff": ("tif", "tiff"),
    "ppm": ("ppm", "pgm", "pbm", "pnm"),
    "avif": ("avif", "avifs"),
    "heic": ("heic", "heif", "heics", "heifs", "hif"),
}
"""format -> the usual endings of its files, in lower case; the first one is written."""

_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # sizes of the headers that there are
_OTHERS = {  # formats that are no pictures here
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 code stream",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL file",
    b"\xff\x0a": "a JPEG XL code stream",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"\0\0\1\0": "a Windows icon",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"version https://": "a Git LFS pointer, whose content was not fetched (`git lfs pull`)",
    b"/annex/objects/": "a git-annex pointer, whose content was not fetched (`git annex get`)",
}


def format_of(data: bytes) -> str:
    """The format (a key of `EXTENSIONS`) by its first bytes.

    Raises: SampleError empty | not_image.
    """
    if not data:
        raise SampleError("empty", "the file has no bytes")
    if (found := sniff(data[:SNIFF_BYTES])) is not None:
        return found
    known = ", ".join(EXTENSIONS)
    start = data[:16]
    other = next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None)
    if other is not None:
        raise SampleError("not_image", f"{other}; expected one of {known}")
    raise SampleError("not_image", f"{_in_words(data[:SNIFF_BYTES])}; expected one of {known}")


def _in_words(start: bytes) -> str:
    """What a file is that begins like this, without a byte of it: it may be anything."""
    if not start.strip(b"\0"):
        return "nothing but zeros where it begins"
    begin = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in start):
        return "bytes of no format that is known"
    if begin.startswith(b"<"):
        return "HTML, SVG or another text in XML"
    return "a text in JSON" if begin[:1] in (b"{", b"[") else "a text, or bytes of no known format"


def sniff(start: bytes) -> str | None:
    """The format of a file that begins like this (`SNIFF_BYTES` or more); None: no image that
    is read here, or an empty one."""
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "webp"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return None if start[8:10] == b"CR" else "tiff"  # Canon's raw files say so themselves
    if start.startswith(b"BM"):
        return "bmp" if int.from_bytes(start[14:18], "little") in _BMP_HEADERS else None
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "ppm"
    if start[4:8] == b"ftyp":
        return _of_brands(start)
    return None


def _of_brands(start: bytes) -> str | None:
    """By the major brand and those that the file calls compatible."""
    end = min(int.from_bytes(start[:4], "big"), len(start))
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, end - 3, 4))]
    for name, own in (("avif", _AVIF), ("heic", _HEIC)):
        if brands[0] in own:
            return name
    if any(brand in _AVIF for brand in brands):
        return "avif"
    return "heic" if any(brand in _HEIC for brand in brands) else None


def lacking(name: str, installed: Callable[[str], bool] | None = None) -> str:
    """What must be installed here before files of a format can be read; "" if nothing.

    installed: whether a library is there; None: look."""
    there = installed or _installed
    if name == "avif" and not there("avif"):
        return "a Pillow with AVIF (11.3 or newer): pip install -U pillow"
    if name == "heic" and not there("pillow_heif"):
        return "the extra heic: pip install 'augment-vision[heic]'"
    return ""


def need(name: str, installed: Callable[[str], bool] | None = None) -> None:
    """Raises: SampleError unsupported_format, where files of this format cannot be read here."""
    if wanted := lacking(name, installed):
        raise SampleError("unsupported_format", f"a {name} file; reading it needs {wanted}")


def _installed(library: str) -> bool:
    if library == "avif":
        return bool(features.check("avif"))
    return importlib.util.find_spec(library) is not None
