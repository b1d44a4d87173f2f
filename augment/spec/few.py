"""Problems of one file as they are found: the first twenty, and how many there were in all.

A file of a million bad lines costs a line each to look at and one page to read about.
"""

from __future__ import annotations

from augment.errors import Problem

SHOWN = 20


class Few:
    """Collects problems of the file `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: list[Problem] = []
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, place: str, found: str, expected: str, hint: str = "") -> None:
        """Note one; the place is whole: `labels.csv:7`."""
        self.note(Problem(place, found, expected, hint))

    def note(self, problem: Problem) -> None:
        self._count += 1
        if self._count <= SHOWN:
            self._first.append(problem)

    def problems(self) -> list[Problem]:
        """The first twenty and, where there were more, how many in all."""
        if self._count <= SHOWN:
            return list(self._first)
        hint = f"The first {SHOWN} are listed"
        return [*self._first, Problem(self._name, f"{self._count} problems", "none", hint)]
