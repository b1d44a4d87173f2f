"""Units of work on Ray Data: an actor pool whose actors keep their worker.

Only units and results cross the object store, both small JSON texts; images go straight
from a worker to storage. What Ray would print goes to its own log folder.

Ray facts built in here: `concurrency=` is deprecated (so `ActorPoolStrategy`); an int
batch size is needed with GPUs; actors that take every CPU starve the read stage, so an
embedded Ray is given more logical CPUs than the machine has; a failed unit must come back
as a row, because Ray would retry it or drop its whole block.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from augment import errors
from augment.errors import AugmentError, InterruptedRun
from augment.run.engine import Resources, Task, Worker, built, call, settle

_LOG = logging.getLogger("augment.ray")
_SPARE_CPUS = 2
_KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",  # Ray works in a thread, whose own arena could hold no shard
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}
"""glibc as workers of our own Ray run it: a shard's buffers are kept for the next one, not
given back and taken again page by page. Measured in one process: 13 -> 1 faults an image, CPU
1.77 -> 1.48 ms (a busy virtual machine, runs one after the other), the same peak memory."""


class _UnitActor:
    """What an actor of the pool runs: one worker, one unit a call."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        results = [self._one(unit) for unit in batch["unit"]]
        return {"result": [r for r, _ in results], "error": [e for _, e in results]}

    def _one(self, unit: str) -> tuple[str, str]:
        try:
            if self._worker is None:
                self._worker = built(self._task)
                settle()
            return call(self._worker, unit), ""
        except AugmentError as e:
            return "", json.dumps([type(e).__name__, str(e), traceback.format_exc()])


class RayEngine:
    """Runs units on a Ray cluster, or on an embedded one where `address` is None.

    Connects at once; `close` disconnects, and ends a Ray that was started here.
    """

    name = "ray"

    def __init__(self, address: str | None = None) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            _start(ray, address)
        _quiet()

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        if not units:
            return
        from ray.data import ActorPoolStrategy

        workers = min(resources.workers, len(units))
        self._check_feasible(workers, resources)
        data = self._ray.data.from_items(
            [{"unit": unit} for unit in units], override_num_blocks=len(units)
        ).map_batches(
            _UnitActor,
            fn_constructor_args=(task,),
            batch_size=1,
            compute=ActorPoolStrategy(
                min_size=workers, max_size=workers, max_tasks_in_flight_per_actor=2
            ),
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
        )
        try:
            for row in data.iter_rows():
                if row["error"]:
                    raise _as_raised(*json.loads(row["error"]))
                yield row["result"]
        except self._ray.exceptions.RayError as e:
            raise InterruptedRun(
                f"Ray: {type(e).__name__}: {e}; finished units are kept: run the same command again"
            ) from e

    def cpus(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) - self._spare())

    def gpus(self) -> float:
        return float(self._ray.cluster_resources().get("GPU", 0.0))

    def close(self) -> None:
        if self._mine:
            self._ray.shutdown()

    def _spare(self) -> int:
        return _SPARE_CPUS if self._mine else 1

    def _check_feasible(self, workers: int, resources: Resources) -> None:
        have = self._ray.cluster_resources()
        for kind, each in (("CPU", resources.cpus), ("GPU", resources.gpus)):
            if each * workers > have.get(kind, 0.0):
                raise InterruptedRun(
                    f"{workers} workers with {each} {kind} each need {each * workers}; the "
                    f"cluster has {have.get(kind, 0.0)}: ask for fewer in `execution`, or add nodes"
                )


def _as_raised(kind: str, text: str, trace: str) -> AugmentError:
    """The error that a worker raised, by the name of its class; texts cross, objects do not."""
    _LOG.error("in a worker: %s", trace)
    found = getattr(errors, kind, errors.UnitFailed)
    if issubclass(found, (errors.SpecError, errors.PlanError)):
        return errors.RequestError(text)
    return found(text)


def _init_arguments(address: str | None) -> dict[str, Any]:
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if address is not None:
        return {"address": address, **quiet}
    cpus = (os.cpu_count() or 1) + _SPARE_CPUS
    # "local": without it, Ray joins a cluster that somebody has on this machine
    return {"address": "local", "num_cpus": cpus, "include_dashboard": False, **quiet}


def _start(ray: Any, address: str | None) -> None:
    try:
        if address is None:
            for name, value in _KEEP_MEMORY.items():
                os.environ.setdefault(name, value)
        else:
            _reach(address)
        context = ray.init(**_init_arguments(address))
    except (OSError, RuntimeError, ValueError) as e:  # what Ray says in these is all there is
        where = "embedded" if address is None else f"at {address}"
        raise InterruptedRun(
            f"Ray {where}: {type(e).__name__}: {e}; mend it, or choose another "
            "`execution.address` (none: an embedded one) or `--engine local`"
        ) from e
    folder = getattr(context, "address_info", {}).get("session_dir")  # a ray:// client has none
    if folder:
        _LOG.info("Ray's own logs are in %s/logs", folder)


def _reach(address: str) -> None:
    """Open `[ray://]host:port` once: where nobody listens, Ray itself tries on for ever."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _quiet() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.memory_usage_poll_interval_s = None
    context.execution_options.verbose_progress = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
