"""The kept list of mutants that are known to be equal: no test can tell them from the original.

`equal.toml` names each by its line's text and the change, not by a number, so that it stays true
while the file grows above it; a test says where an entry names no mutant any more.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.mutants.sampling import Drawn

LIST = Path(__file__).with_name("equal.toml")
Key = tuple[str, str, str, str]
"""file, within, before, after"""
_KEYS = ("file", "within", "before", "after")


def read_equal(path: Path = LIST) -> dict[Key, str]:
    """What is equal, and why.

    Raises:
        ValueError: an entry lacks a key, has no reason, or stands there twice.
    """
    found: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equal", ()):
        key = _key(entry)
        if key in found or not entry["reason"].strip():
            raise ValueError(f"{path.name}: {key}: expected one entry with a reason")
        found[key] = entry["reason"]
    return found


def key_of(drawn: Drawn) -> Key:
    """How the list names a mutant."""
    mutant = drawn.mutant
    return drawn.file, mutant.within, mutant.before, mutant.after


def _key(entry: Mapping[str, str]) -> Key:
    if set(entry) != {*_KEYS, "reason"}:
        expected = f"{', '.join(_KEYS)} and reason"
        raise ValueError(f"equal.toml: got {sorted(entry)}; expected {expected}")
    return entry["file"], entry["within"], entry["before"], entry["after"]
