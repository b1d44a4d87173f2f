"""Units of work in this process, one after the other: for tests, debugging and tiny jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from augment.errors import UnitFailed
from augment.run.engines.apart import call_apart
from augment.run.engines.engine import More, Resources, Task, Wary, Worker, built, call


class LocalEngine:
    """Runs every unit in this process, one after the other; one that ended it before, or took too
    long in it, in a process of its own (apart.py)."""

    name = "local"
    opening = ""

    def open(self, tell: Callable[[float], None] = lambda seconds: None) -> None:
        """This process is there."""

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        yield from self.stream(task, units, lambda: None, resources)

    def stream(
        self, task: Task, units: Sequence[str], more: More, resources: Resources
    ) -> Iterator[str]:
        """See `Streams.stream`."""
        if not units:
            return
        worker, waiting = built(task), deque(units)
        new: Sequence[str] | None = units
        while waiting:
            unit = waiting.popleft()
            if _risky(worker, unit):
                result = call_apart(task, unit)
            else:
                try:
                    result = call(worker, unit)
                except UnitFailed:
                    if not _risky(worker, unit):
                        raise
                    worker = built(task)  # what was interrupted may be in any state
                    result = call_apart(task, unit)
            yield result
            new = more() if new is not None else None
            waiting.extend(new or ())

    def cpus(self) -> int:
        return 1

    def gpus(self) -> float:
        return 0.0

    def infeasible(self, resources: Resources) -> str | None:
        if resources.gpus:
            return f"{resources.gpus:g} GPUs are asked for; the local engine uses none"
        return None


def _risky(worker: Worker, unit: str) -> bool:
    return isinstance(worker, Wary) and worker.risky(unit)
