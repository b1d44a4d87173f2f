"""What a run tells whoever watches: stages with counts, and plain notes.

The runner knows this seam only; the command line draws it with rich on a terminal and as
plain lines elsewhere. `Silent` is for programs and tests.
"""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Told of progress; must not raise."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` units begins."""

    def advance(self, done: int, rows: int) -> None:
        """`done` units of the stage are finished, which hold `rows` rows."""

    def note(self, text: str) -> None:
        """One line for a person."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None: ...

    def advance(self, done: int, rows: int) -> None: ...

    def note(self, text: str) -> None: ...
