"""Readers with faults, on which the search itself is tried."""

from __future__ import annotations

from collections.abc import Mapping

CPU_SECONDS = 0.2
TOKENS = (b"boom", b"spin", b"hold")


def seeds() -> Mapping[str, bytes]:
    return {"text": b"a plain text of some words", "number": (6).to_bytes(4, "little") + b"abcdef"}


def one(data: bytes) -> None:
    """Raises at one word, does not end at another, and holds on to memory at the third."""
    if b"boom" in data:
        raise KeyError("boom")
    while b"spin" in data:
        pass
    if b"hold" in data:
        bytearray(1 << 30)[::4096] = bytes(1 << 18).replace(b"\0", b"x")
