"""Image files by code: metadata of every kind put where a format keeps it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

SHORT, LONG = 3, 4
_CODES = {1: "B", 2: "B", 3: "H", 4: "L", 5: "LL", 6: "b", 7: "B", 8: "h", 9: "l", 10: "ll",
          11: "f", 12: "d", 13: "L", 16: "Q"}  # fmt: skip


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise: no turn of it looks like another."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- metadata ---------------------------------------------------------------------------


def entry(order: str, tag: int, kind: int, values: Sequence[Any], at: int) -> tuple[bytes, bytes]:
    """A tag of a TIFF directory, and what of it stands at `at` instead."""
    code = _CODES[kind]
    body = b"".join(
        struct.pack(order + code, *(v if isinstance(v, tuple) else (v,))) for v in values
    )
    head = struct.pack(order + "HHL", tag, kind, len(values))
    if len(body) <= 4:
        return head + body.ljust(4, b"\0"), b""
    return head + struct.pack(order + "L", at), body


def directory(order: str, tags: Sequence[tuple[int, int, Sequence[Any]]], at: int) -> bytes:
    """A TIFF directory at `at`, with the values that do not fit into it behind it."""
    heads, bodies = b"", b""
    after = at + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        head, body = entry(order, tag, kind, values, after + len(bodies))
        heads, bodies = heads + head, bodies + body + b"\0" * (len(body) & 1)
    return struct.pack(order + "H", len(tags)) + heads + b"\0\0\0\0" + bodies


def exif(tags: Sequence[tuple[int, int, Sequence[Any]]], order: str = "<") -> bytes:
    """An EXIF block without its name."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    return head + directory(order, tags, 8)


def oriented(value: Any, kind: int = SHORT, order: str = "<") -> bytes:
    """An EXIF block with an orientation between two other tags."""
    text = list(b"a camera\0")
    return exif([(0x010F, 2, text), (0x0112, kind, [value]), (0x0213, SHORT, [1])], order)


def xmp(orientation: str | None = None, form: str = "attribute", more: str = "") -> bytes:
    """An XMP packet. more: further attributes."""
    name, body = "", ""
    if orientation is not None and form == "attribute":
        name = f' tiff:Orientation="{orientation}"'
    elif orientation is not None:
        body = f"<tiff:Orientation>{orientation}</tiff:Orientation>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{name}{more}>'
        f"{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def raw_profile(block: bytes, name: str = "exif") -> bytes:
    """As ImageMagick keeps the metadata of other formats in a PNG."""
    digits = block.hex()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    return f"\n{name}\n{len(block):8}\n".encode() + "\n".join(lines).encode() + b"\n"


# ---- where it stands --------------------------------------------------------------------


def app(code: int, body: bytes) -> bytes:
    return bytes((0xFF, code)) + struct.pack(">H", len(body) + 2) + body


def in_jpeg(data: bytes, *segments: bytes) -> bytes:
    """Right behind the start of the image, before APP0."""
    return data[:2] + b"".join(segments) + data[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def in_png(data: bytes, *chunks: bytes, behind: bool = False) -> bytes:
    """Behind IHDR, or behind the picture."""
    at = len(data) - 12 if behind else 33
    return data[:at] + b"".join(chunks) + data[at:]


def text_chunk(kind: bytes, key: bytes, text: bytes) -> bytes:
    if kind == b"tEXt":
        return chunk(kind, key + b"\0" + text)
    if kind == b"zTXt":
        return chunk(kind, key + b"\0\0" + zlib.compress(text))
    return chunk(b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(text))


def tiff(
    image: Image.Image, tags: Sequence[tuple[int, int, Sequence[Any]]] = (), order: str = "<"
) -> bytes:
    """An uncompressed RGB TIFF of one strip, with further tags."""
    pixels = image.tobytes()
    own: list[tuple[int, int, Sequence[Any]]] = [
        (256, LONG, [image.width]), (257, LONG, [image.height]), (258, SHORT, [8, 8, 8]),
        (259, SHORT, [1]), (262, SHORT, [2]), (273, LONG, [8]), (277, SHORT, [3]),
        (278, LONG, [image.height]), (279, LONG, [len(pixels)]),
    ]  # fmt: skip
    at = 8 + len(pixels) + (len(pixels) & 1)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", at)
    body = pixels + b"\0" * (len(pixels) & 1)
    return head + body + directory(order, sorted([*own, *tags], key=lambda t: t[0]), at)
