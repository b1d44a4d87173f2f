"""What hostile files are made of: calls that would make a file, the canary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkpoints.assembly import Raw, floats, tensor

GOOD = tensor(floats(2), (2,), (1,))
NUMBERS = {"a/data/0": bytes(8)}
Case = tuple[Callable[[bytes], object], Callable[[Path], bytes], str]
"""A reader, what makes the file, and what is said of it."""


class Evil:
    """Pickles itself as a call."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch {self.canary}",)


def code(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def deep(levels: int) -> Raw:
    return Raw(b"N" + b"\x85" * levels)


def shared(levels: int) -> Raw:
    """A tuple of itself twice, `levels` times: 2**levels values, few bytes."""
    return Raw(b"N" + b"2\x86" * levels)
