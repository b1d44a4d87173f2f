"""The form of a surface: sections of items, items of facts and parts. Knows nothing of augment.

A section holds items by name (a function, a verb, a table); an item has facts of its own and, under
`parts`, the facts of its parameters, options, columns or attributes. JSON Schemas stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Facts = Mapping[str, Any]
Items = Mapping[str, Facts]
Surface = Mapping[str, Items]
PARTS = "parts"
SCHEMAS = "schemas"


class Unjudged(Exception):  # noqa: N818 - it names what became of the comparison
    """Two surfaces cannot be compared; the text says why and what to do."""


class Change(NamedTuple):
    """One difference. breaks: whoever used the old surface may fail with the new one."""

    breaks: bool
    section: str
    place: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.section}: {self.place}: was {self.was}; is {self.now}"
