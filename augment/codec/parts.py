"""A file as it is handed to a decoder, and what it carries beside its picture. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_PROFILE = 1 << 22
"""Bytes of a colour profile that is used; those of printers have up to 3 MB."""


@dataclass(frozen=True)
class Parts:
    """data: what the decoder gets: the file, or the file without metadata that could cost the
    picture. info: metadata as Pillow would keep it, where it was read here; None: the decoder
    reads it. exif: the block, for what else it says.
    packets: XMP. manifests: C2PA stores. several: the file holds more pictures than
    the first. bits: of a value, where the decoder would reduce them to 8. unused: what says how
    colours are meant and is not applied, name -> value. doubts: see `Header`."""

    data: bytes
    info: Mapping[str, Any] | None = None
    exif: bytes | None = None
    packets: tuple[bytes, ...] = ()
    manifests: tuple[bytes, ...] = ()
    profile: bytes | None = None
    several: bool = False
    bits: int = 8
    unused: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
