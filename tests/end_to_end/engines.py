"""Engines for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from augment.run import Resources, Task


class Never:
    """An engine that nobody may begin."""

    name = "never"
    opening = "beginning what must not begin"

    def open(self, tell: Callable[[float], None] = lambda seconds: None) -> None:
        raise AssertionError("there was nothing to do")

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        raise AssertionError(f"{len(units)} units were handed over")

    def cpus(self) -> int:
        raise AssertionError("somebody wanted to know what it has")

    def gpus(self) -> float:
        raise AssertionError("somebody wanted to know what it has")

    def infeasible(self, resources: Resources) -> str | None:
        raise AssertionError("somebody wanted to know what it can hold")
