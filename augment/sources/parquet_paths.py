"""Texts in an image column: paths below the source, and what else they turn out to be. Pure.

Nothing that is said here shows what a text holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST = 4096  # of a path; of a name in it 255 bytes
_LONGEST_NAME = 255
_ALPHABET = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_BEGINNINGS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkq", "TU0A", "Qk0", "Qk1")
"""Of images of PNG, JPEG, GIF, WebP, TIFF and BMP as base64."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,31})://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_WAY = "Write the images themselves into the column (bytes), or paths below uri"
Verdict = tuple[str, str]
"""(what came, the way out)."""


def no_image(text: str) -> Verdict | None:
    """Whether a text is an image in some code or an address, not a path."""
    start = text[:64].lstrip()
    if start[:5].lower() == "data:":
        hint = "Decode what stands behind the comma (base64.b64decode) and write it as bytes"
        return "data: URLs", hint
    if (scheme := _SCHEME.match(start)) and scheme[1].lower() in ("http", "https", "ftp"):
        hint = "Nothing is fetched from the net: fetch them, and write bytes or paths below uri"
        return f"{scheme[1].lower()}:// URLs", hint
    if start[:2] in ("b'", 'b"'):
        return "bytes as Python writes them in text", "Write the bytes themselves (binary)"
    if _is_code(text):
        hint = "Decode them (base64.b64decode, bytes.fromhex) and write them as bytes"
        return "texts that look like base64 or hexadecimal", hint
    return None


_OTHER_FILES = (
    (b"\x93NUMPY", "NumPy arrays (.npy)"),
    (b"PK\x03\x04", "zip archives"),
    (b"\x1f\x8b", "gzip streams"),
    *((bytes((0x80, version, 0x95)), "pickled objects") for version in (4, 5)),
    *((bytes((0x80, version)) + opened, "pickled objects")
      for version in (2, 3) for opened in (b"c", b"}", b"]", b"(")),
)  # fmt: skip


def no_picture(data: bytes) -> Verdict | None:
    """Whether bytes begin as a file of some other kind, or as a text that is no image."""
    if data.isascii():
        return no_image(data.decode())
    kind = next((kind for start, kind in _OTHER_FILES if data.startswith(start)), None)
    return (
        None if kind is None else (kind, "Encode each image as a file (PNG, JPEG) and write that")
    )


def no_path(text: str, uri: str) -> Verdict | None:
    """The same, and whether it is a path that does not lie below `uri`."""
    if next(relative(text, uri), None) is None:
        if (coded := no_image(text)) is not None:
            return coded
        if scheme := _SCHEME.match(text[:64]):
            return f"{scheme[1].lower()}:// URIs that do not lie in uri", _WAY
        if text.startswith("/") or _DRIVE.match(text):
            return "absolute paths that do not lie in uri", _WAY
        if "\0" in text:
            return "texts with NUL characters, which no path has", _WAY
        return "paths that lead out of uri", _WAY
    if (coded := no_image(text)) is not None:
        return coded
    if too_long(text):
        return f"texts too long for paths ({len(text)} characters)", _WAY
    if _DRIVE.match(text):
        return "absolute paths that do not lie in uri", _WAY
    return None


def too_long(text: str) -> bool:
    """Whether no file system has such a path."""
    names = text[: _LONGEST + 1].split("/")
    return len(text) > _LONGEST or any(
        len(n.encode(errors="replace")) > _LONGEST_NAME for n in names
    )


def _is_code(text: str) -> bool:
    bare = "".join(text[:4096].splitlines())  # as e-mail cuts it
    if _ALPHABET.fullmatch(bare) is None:
        return False
    known = bare.startswith(_BEGINNINGS) or bare[:8].lower() in ("89504e47", "ffd8ffe0", "ffd8ffe1")
    return known or len(text) > 1024


def relative(text: str, uri: str) -> Iterator[str]:
    """Paths below `uri` that a text may mean, likeliest first: itself, or without the uri, or the
    end of it, in front. None where it leads out of it."""
    if uri.startswith("/"):
        text = text.removeprefix("file://")
    whole = f"{uri.rstrip('/')}/"
    if text.startswith(whole):
        if _inside(text.removeprefix(whole)):
            yield text.removeprefix(whole)
        return
    if _SCHEME.match(text[:64]) or not _inside(text):
        return
    yield text
    parts = [part for part in text.split("/") if part not in ("", ".")]
    above = [part for part in uri.split("/") if part]
    for n in range(1, min(len(parts), len(above) + 1)):
        if parts[:n] == above[-n:]:
            yield "/".join(parts[n:])


def _inside(text: str) -> bool:
    outside = text.startswith("/") or ".." in text.split("/")
    return bool(text) and not outside and "\0" not in text
