"""Units of work in processes of this machine: what a run uses where there is no cluster and no GPU.

Nothing but the processes that work is started, so a small job is done before a Ray would have
begun. A process that dies costs the unit in its hands, which another builds again. Processes of
a task stay for its next units: a generator is loaded once for all rounds of its pool.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from augment.errors import RequestError
from augment.run.engines.capacity import SPARE_CPUS, infeasible
from augment.run.engines.child import Crew
from augment.run.engines.cores import cores
from augment.run.engines.engine import More, Resources, Task
from augment.spec.execution import Autoscale


class ProcessEngine:
    """Runs units in processes of this machine, without GPUs. `close` ends them."""

    name = "processes"
    opening = ""

    def __init__(self, cpus: int | None = None) -> None:
        """cpus: that workers may use together; None: those that this process may use."""
        self._cpus = cpus or cores()
        self._crew: Crew | None = None
        self._kind: tuple[Task, float] | None = None

    def open(self, tell: Callable[[float], None] = lambda seconds: None) -> None:
        """Processes are started where there are units for them."""

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        yield from self.stream(task, units, lambda: None, resources)

    def stream(
        self, task: Task, units: Sequence[str], more: More, resources: Resources
    ) -> Iterator[str]:
        """See `Streams.stream`."""
        if not units:
            return
        if why := self.infeasible(resources):
            raise RequestError(why)
        crew, most = self._crew_for(task, resources.cpus), self._workers(resources)
        crew.grow(min(len(units), most))
        waiting, left = deque(units), len(units)
        new: Sequence[str] | None = units
        try:
            while left:
                for result in crew.work(waiting):
                    left -= 1
                    yield result
                    new = more() if new is not None else None
                    waiting.extend(new or ())
                    left += len(new or ())
                crew.grow(min(left, most))
        finally:
            if left:
                self.close()

    def cpus(self) -> int:
        return self._cpus

    def gpus(self) -> float:
        return 0.0

    def infeasible(self, resources: Resources) -> str | None:
        have = {"CPU": float(self._cpus + SPARE_CPUS), "memory": float(_memory())}
        node = {"NodeName": platform.node(), "Resources": have, "Labels": {}}
        return infeasible(resources, [node], Autoscale(), "this machine")

    def __enter__(self) -> ProcessEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        crew, self._crew, self._kind = self._crew, None, None
        if crew is not None:
            crew.end()

    def _crew_for(self, task: Task, cpus: float) -> Crew:
        kind = (task, cpus)
        if self._crew is None or self._kind != kind:
            self.close()
            self._crew, self._kind = Crew(task, cpus), kind
        return self._crew

    def _workers(self, resources: Resources) -> int:
        """As many as CPUs hold, between the least and the most that are asked for."""
        held = int(self._cpus / resources.cpus) if resources.cpus else self._cpus
        return max(resources.workers, min(resources.most or resources.workers, held))


def _memory() -> int:
    """Bytes that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
