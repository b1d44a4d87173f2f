"""What is wrong with a text that names something outside: a place, an address, an option.

The texts are made to be shown: `found` never repeats a password or a signature.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from augment.errors import Problem, RequestError
from augment.secrecy import struck

_LONGEST = 400


class Fault(NamedTuple):
    """found, expected, hint: as those of a `Problem`, which only lacks its place then."""

    found: str
    expected: str
    hint: str = ""

    def at(self, place: str) -> Problem:
        """The problem that this is at a place of a request."""
        return Problem(place, self.found, self.expected, self.hint)

    def error(self, place: str) -> RequestError:
        """For a text that stands in no job file."""
        return RequestError(str(self.at(place)))


def quoted(text: str) -> str:
    """A text as an error shows it: short, without credentials and the query of a URI."""
    plain = re.sub(r"(://)[^/]*%[^/]*", r"\1***", struck(text))  # an escaped `:` or `@`
    head, mark, _ = plain.partition("?") if "://" in plain else (plain, "", "")
    shown = f"{head}?..." if mark else head
    return repr(shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}...")
