"""How a run's progress looks: bars on a terminal, lines elsewhere. Decides nothing.

Both are told of stages by the thread that carries the run out, and of what a stage is doing by
another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from augment import streams


class PlainReporter:
    """Progress as lines, at most one every few seconds a stage. clock: seconds, monotonic."""

    every_s = 5.0

    def __init__(
        self, out: TextIO | streams.Stream, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._clock = out, clock
        self._name, self._rows = "", 0
        self._total: int | None = None
        self._began = self._said = clock()

    def stage(self, name: str, total: int | None) -> None:
        self._name, self._total, self._rows = name, total, 0
        self._began = self._said = self._clock()
        self.note(name if total is None else f"{name}: {total} units")

    def advance(self, done: int, rows: int) -> None:
        self._rows += rows
        if self._total is not None and (self._due() or done == self._total):
            left = (self._clock() - self._began) / done * (self._total - done)
            self.note(
                f"{self._name}: {done} of {self._total} units, {self._rows} rows, {left:.0f} s left"
            )

    def doing(self, text: str) -> None:
        if text and self._due():
            self.note(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        self._out.write(f"{streams.as_line(text)}\n")
        self._out.flush()

    def _due(self) -> bool:
        """Whether the last line about this stage is old enough; one is about to be written."""
        at = self._clock()
        if at - self._said < self.every_s:
            return False
        self._said = at
        return True


class RichReporter:
    """Progress as bars with counts, time left, and what is being done. progress: of rich."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._name, self._rows, self._done = "", 0, 0
        self._total: int | None = None

    @classmethod
    def columns(cls) -> tuple[Any, ...]:
        """Of the `Progress` that it draws with."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        return (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counted]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[doing]}", markup=False),
        )

    def stage(self, name: str, total: int | None) -> None:
        """One that begins again before it has ended goes on in its bar: more units have come."""
        goes_on = name == self._name and total and self._total and self._done < self._total
        self._name, self._done = name, 0
        if goes_on:
            self._total = total
            counted = f"0/{total} units, {self._rows} rows"
            self._progress.update(self._task, total=total, completed=0, counted=counted)
            return
        if self._task is not None:
            self._progress.update(self._task, doing="")
            if self._total is None:
                self._progress.update(self._task, total=1, completed=1)
        self._rows, self._total = 0, total
        counted = "" if total is None else f"0/{total} units, 0 rows"
        self._task = self._progress.add_task(
            streams.as_line(name), total=total, counted=counted, doing=""
        )

    def advance(self, done: int, rows: int) -> None:
        self._rows, self._done = self._rows + rows, done
        counted = f"{done}/{self._total} units, {self._rows} rows"
        self._progress.update(self._task, completed=done, counted=counted)

    def doing(self, text: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, doing=streams.as_line(text))

    def note(self, text: str) -> None:
        shown = streams.as_line(text)
        self._progress.console.print(shown, markup=False, highlight=False, emoji=False)
