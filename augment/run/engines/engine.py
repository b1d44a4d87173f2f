"""How units of work are carried out: one seam, three engines.

A `Task` builds a worker, a worker turns one unit (JSON text) into one result (JSON text).
The engine decides where workers live; it never sees an image. `process_engine.ProcessEngine` runs
them in processes of this machine, `ray_engine.RayEngine` on a cluster, `local_engine.LocalEngine`
in this process.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from augment import errors, logs
from augment.errors import AugmentError, RequestError, UnitFailed
from augment.escaping import cut
from augment.policy import read_policy
from augment.surroundings import failed_import

_LOG = logging.getLogger("augment.run")


class Worker(Protocol):
    """Builds units. Keeps what is dear (weights, pipelines) between them."""

    def __call__(self, unit: str) -> str:
        """The result of one unit, both JSON."""


@runtime_checkable
class Wary(Protocol):
    """A worker that knows of units that it had better not build in this process."""

    def risky(self, unit: str) -> bool:
        """Whether earlier tries look as if the unit ended their process."""


class Task(Protocol):
    """What a worker is made from; picklable, small, without open files."""

    def worker(self, alone: bool = False) -> Worker:
        """alone: its process does nothing else, and another is started where it ends."""


@dataclass(frozen=True)
class Resources:
    """What one worker takes, and how many there are: `workers` from the start, up to `most`
    (None: no more) while units wait. gpus may be a fraction. memory: bytes set aside on the
    node. labels: of the node, by name."""

    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    most: int | None = None
    memory: int | None = None
    accelerator_type: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


class Engine(Protocol):
    """Carries out units; results come in any order, each once. An error that a worker
    raised comes out of the iterator as the `AugmentError` that it was."""

    name: str

    @property
    def opening(self) -> str:
        """What `open` has to do, for people; empty where it has nothing to do."""

    def open(self, tell: Callable[[float], None] = ...) -> None:
        """Begin, unless that is done: called where there is work, and not before. tell: is told
        now and then for how many seconds it has been going on.

        Raises:
            InterruptedRun: it cannot begin. RequestError: what it should be is wrong.
        """

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]: ...

    def cpus(self) -> int:
        """CPUs that workers may use together."""

    def gpus(self) -> float:
        """GPUs that workers may use together."""

    def infeasible(self, resources: Resources) -> str | None:
        """Why such workers can never start, with the arithmetic; None where they can."""


More = Callable[[], Sequence[str] | None]
"""Units that came since it was asked last, perhaps none; None where no more can come."""


@runtime_checkable
class Streams(Protocol):
    """An engine that takes units while it works: no worker waits for the last one of those that
    were given first."""

    def stream(
        self, task: Task, units: Sequence[str], more: More, resources: Resources
    ) -> Iterator[str]:
        """As `Engine.run`. more: asked after each result has been taken, by whoever takes it, and
        not heard any more once it has said None; the end comes when it has given none and all
        that were given are carried out."""


def call(worker: Worker, unit: str) -> str:
    """One unit through one worker; what no rule foresaw becomes `UnitFailed`.

    Raises:
        AugmentError: as the worker raised it, or UnitFailed with the unforeseen error's text.
    """
    try:
        return worker(unit)
    except AugmentError:
        raise
    except Exception as e:
        raise _failed(f"unit {unit[:200]}", e) from e


def built(task: Task, alone: bool = False) -> Worker:
    """The task's worker. alone: see `Task.worker`.

    Raises:
        AugmentError: as the task raised it, SpecError where the policy of the machine that this
            runs on cannot be read, or UnitFailed with the unforeseen error's text.
    """
    try:
        read_policy()
        return task.worker(alone)
    except AugmentError:
        raise
    except Exception as e:
        if why := failed_import(e, os.environ):
            raise RequestError(why) from e
        raise _failed(f"a worker for {type(task).__name__} could not be made", e) from e


def as_raised(kind: str, text: str, trace: str) -> AugmentError:
    """The error that a worker raised, by the name of its class; texts cross, objects do not.
    trace: its traceback, for the log."""
    _LOG.error("in a worker: %s", kind, extra={"ids": logs.ids_in(trace), "traceback": trace})
    found = getattr(errors, kind, UnitFailed)
    if issubclass(found, (errors.SpecError, errors.PlanError)):
        return errors.RequestError(*text.splitlines())
    return cast(AugmentError, found(text))


def _failed(what: str, error: Exception) -> UnitFailed:
    _LOG.error("%s", what, exc_info=error)
    said = cut(str(error), 1000)
    return UnitFailed(
        f"{what}: {type(error).__name__}: {said}; the log has the traceback; "
        "mend the cause and run the same command again"
    )


KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",  # Ray works in a thread, whose own arena could hold no shard
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}
"""glibc as workers of our own processes, and of our own Ray, run it: a shard's buffers are kept for
the next, not given back and taken again page by page. Measured in one process: 13 -> 1 faults an
image, CPU 1.77 -> 1.48 ms (a busy virtual machine, one run after another), peak memory the same."""


def settle() -> None:
    """What a worker has imported and built stays for its life: the collector need not look at
    a million such objects again with every unit. Nor need it look at a unit's rows every 700
    objects: they live until the unit ends (1.8 % of a worker's CPU in a profile). For a process
    that does nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
