"""Units of work in this process, one after the other: for tests, debugging and tiny jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from augment.run.apart import call_apart
from augment.run.engine import Resources, Task, Wary, built, call


class LocalEngine:
    """Runs every unit in this process, one after the other; one that ended it before, in a
    process of its own (apart.py)."""

    name = "local"

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        if not units:
            return
        worker = built(task)
        for unit in units:
            if isinstance(worker, Wary) and worker.risky(unit):
                yield call_apart(task, unit)
            else:
                yield call(worker, unit)

    def cpus(self) -> int:
        return 1

    def gpus(self) -> float:
        return 0.0

    def infeasible(self, resources: Resources) -> str | None:
        if resources.gpus:
            return f"{resources.gpus:g} GPUs are asked for; the local engine uses none"
        return None
