"""What a run tells whoever watches: stages with counts, and plain notes.

The runner knows this seam only; the command line draws it with rich on a terminal and as
plain lines elsewhere. `Silent` is for programs and tests.
"""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Told of progress; must not raise."""

    def stage(self, name: str, total: int | None) -> None:
        """A stage begins, of `total` units; None: of something that is not counted in units."""

    def advance(self, done: int, rows: int) -> None:
        """`done` units of the stage are finished, which hold `rows` rows."""

    def doing(self, text: str) -> None:
        """What the stage is doing at this moment, in place of what was said of it before. May
        come often, and from another thread."""

    def note(self, text: str) -> None:
        """One line for a person."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, done: int, rows: int) -> None: ...

    def doing(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...
