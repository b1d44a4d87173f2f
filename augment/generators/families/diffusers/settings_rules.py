"""What a value in somebody's settings may be: kinds of values with bounds, and the one check of
a whole JSON object against a closed table of them.

Knows no library and no component: tables are `settings`'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from augment.checkpoints.blob import shown

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_SMALL = 1024
_FEW = 16
"""A width and a number of layers that cost nothing, whatever the weights are."""
_MOST_VALUES = 100_000
_MOST_CHARS = 4096


@dataclass(frozen=True)
class Scale:
    """What the weights of a component say of its size. widest: their largest dimension.
    tensors: how many there are. elements: numbers in all of them."""

    widest: int
    tensors: int
    elements: int


class Rule(Protocol):
    """What one value may be."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        """ "" where the value fits, else what was expected. scale: None where it is unknown."""


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def wants(self, value: Any, scale: Scale | None) -> str:
        fits = type(value) is int and self.low <= value <= self.high
        return "" if fits else f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Width:
    """A width of tensors: no larger than any that the weights have."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        most = 1 << 20 if scale is None else max(_SMALL, scale.widest)
        if type(value) is int and 1 <= value <= most:
            return ""
        known = "" if scale is None else ", the largest dimension of its weights"
        return f"a width from 1 to {most}{known}"


@dataclass(frozen=True)
class Count:
    """How many layers, blocks or heads there are: each has tensors."""

    most: int = 128

    def wants(self, value: Any, scale: Scale | None) -> str:
        most = self.most if scale is None else min(self.most, max(_FEW, scale.tensors))
        return "" if type(value) is int and 1 <= value <= most else f"a number from 1 to {most}"


@dataclass(frozen=True)
class Real:
    """A finite number of at most `size`; endless: whether infinity is one."""

    size: float = 1e6
    endless: bool = False

    def wants(self, value: Any, scale: Scale | None) -> str:
        known = type(value) in (int, float)
        if known and (abs(value) <= self.size or (self.endless and math.isinf(value))):
            return ""
        return f"a number of at most {self.size:g}"


@dataclass(frozen=True)
class Flag:
    def wants(self, value: Any, scale: Scale | None) -> str:
        return "" if isinstance(value, bool) else "true or false"


@dataclass(frozen=True)
class Word:
    """A name as code has them: no path, no address. among: the only ones."""

    among: Collection[str] = ()

    def wants(self, value: Any, scale: Scale | None) -> str:
        if self.among:
            fits = isinstance(value, str) and value in self.among
            return "" if fits else f"one of {', '.join(sorted(self.among))}"
        fits = isinstance(value, str) and _WORD.fullmatch(value) is not None
        return "" if fits else "a plain name"


@dataclass(frozen=True)
class Text:
    """A text of at most `most` characters that no one opens as a place."""

    most: int = _MOST_CHARS

    def wants(self, value: Any, scale: Scale | None) -> str:
        fits = isinstance(value, str) and len(value) <= self.most
        return "" if fits else f"a text of at most {self.most} characters"


@dataclass(frozen=True)
class Each:
    """Values of one rule in a list, or in lists inside it; single: also one alone. least, most:
    how many a list has."""

    rule: Rule
    most: int = 64
    single: bool = True
    inner: int = 1
    least: int = 0

    def wants(self, value: Any, scale: Scale | None) -> str:
        if not isinstance(value, list):
            found = self.rule.wants(value, scale)
            return found if self.single else f"a list of {found or 'such'}"
        if not self.least <= len(value) <= self.most:
            few = f"{self.least} to {self.most}" if self.least else f"at most {self.most}"
            return f"{self.most if self.least == self.most else few} values"
        inside = Each(self.rule, self.most, True, self.inner - 1) if self.inner else self.rule
        return next((text for item in value if (text := inside.wants(item, scale))), "")


@dataclass(frozen=True)
class Free:
    """Any JSON within bounds: nothing is built by it."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        todo, left = [value], _MOST_VALUES
        while todo and left:
            item, left = todo.pop(), left - 1
            if isinstance(item, dict):
                todo.extend(item)
                todo.extend(item.values())
            elif isinstance(item, list):
                todo.extend(item)
            elif isinstance(item, str) and len(item) > _MOST_CHARS:
                return f"texts of at most {_MOST_CHARS} characters"
        return f"at most {_MOST_VALUES} values" if todo else ""


@dataclass(frozen=True)
class Anything:
    """What is handed on as it is, because its own reader bounds it."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        return ""


@dataclass(frozen=True)
class Pair:
    """`[library, class]`, or both null."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        fits = isinstance(value, list) and len(value) == 2
        if fits and (value == [None, None] or not any(Word().wants(part, None) for part in value)):
            return ""
        return "[library, class], or [null, null]"


@dataclass(frozen=True)
class Empty:
    """Nothing, written in any way: what else could stand there would change what is run."""

    def wants(self, value: Any, scale: Scale | None) -> str:
        return "" if value in (None, False, "", [], {}) else "nothing there"


@dataclass(frozen=True)
class Table:
    """An object whose keys are those of `rules` alone, each with its rule or null. name: what
    it describes. why: what a refused key would do, where that is known."""

    name: str
    rules: Mapping[str, Rule]
    why: Mapping[str, str]

    def wants(self, value: Any, scale: Scale | None) -> str:
        if not isinstance(value, dict):
            return f"an object: {self.name}"
        return next((f"at {text}" for text in self.wrong(value, scale)), "")

    def wrong(self, found: Mapping[str, Any], scale: Scale | None = None) -> list[str]:
        """What does not fit, the first of it first: `key: got ...; expected ...`."""
        return [text for key, value in found.items() if (text := self._wrong(key, value, scale))]

    def _wrong(self, key: str, value: Any, scale: Scale | None) -> str:
        rule = self.rules.get(key)
        if rule is None:
            why = f", which {self.why[key]}" if key in self.why else ""
            return f"the key {shown(key)}{why}; expected only keys that {self.name} has"
        if value is None:
            return ""
        wanted = rule.wants(value, scale)
        return f"{key}: got {_called(value)}; expected {wanted}" if wanted else ""


@dataclass(frozen=True)
class Named:
    """An object with keys that are anybody's, and values of one rule."""

    rule: Rule
    most: int = 10_000

    def wants(self, value: Any, scale: Scale | None) -> str:
        if not isinstance(value, dict) or len(value) > self.most:
            return f"an object of at most {self.most} keys"
        return next((text for item in value.values() if (text := self.rule.wants(item, scale))), "")


@dataclass(frozen=True)
class Either:
    """One of two rules."""

    one: Rule
    other: Rule

    def wants(self, value: Any, scale: Scale | None) -> str:
        first, second = self.one.wants(value, scale), self.other.wants(value, scale)
        return f"{first}, or {second}" if first and second else ""


def _called(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return shown(value) if isinstance(value, str | int | float) else type(value).__name__
