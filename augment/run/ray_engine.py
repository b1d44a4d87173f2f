"""Units of work on Ray Data: an actor pool whose actors keep their worker.

Only units and results cross the object store, both small JSON texts; images go straight
from a worker to storage. What Ray would print goes to its own log folder.

Ray facts built in here: `concurrency=` is deprecated (so `ActorPoolStrategy`); an int
batch size is needed with GPUs; actors that take every CPU starve the read stage, so an
embedded Ray is given more logical CPUs than the machine has; a failed unit must come back
as a row, because Ray would retry it or drop its whole block.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from augment.errors import AugmentError, InterruptedRun, RequestError
from augment.places import CLIENT, Fault, read_cluster
from augment.policy import read_policy
from augment.run.capacity import infeasible
from augment.run.engine import Resources, Task, Worker, as_raised, built, call, settle
from augment.spec.execution import Autoscale

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
                self._worker = built(self._task, alone=True)
                settle()
            return call(self._worker, unit), ""
        except AugmentError as e:
            return "", json.dumps([type(e).__name__, str(e), traceback.format_exc()])


class RayEngine:
    """Runs units on a Ray cluster, or on an embedded one where `address` is None.

    Connects at once; `close` disconnects, and ends a Ray that was started here.

    Raises:
        RequestError: the address is none, or one that the operator's policy does not allow.
        InterruptedRun: nobody answers there.
    """

    name = "ray"

    def __init__(self, address: str | None = None, autoscale: Autoscale | None = None) -> None:
        """autoscale: what the cluster may grow by, which Ray does not say."""
        address = allowed_address(address)
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._autoscale = autoscale or Autoscale()
        self._mine = not ray.is_initialized()
        if self._mine:
            _start(ray, address)
        _quiet()

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        if not units:
            return
        if why := self.infeasible(resources):
            raise RequestError(why)
        data = self._ray.data.from_items(
            [{"unit": unit} for unit in units], override_num_blocks=len(units)
        ).map_batches(
            _UnitActor,
            fn_constructor_args=(task,),
            batch_size=1,
            **_actors(resources, len(units)),
        )
        try:
            for row in data.iter_rows():
                if row["error"]:
                    raise as_raised(*json.loads(row["error"]))
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

    def infeasible(self, resources: Resources) -> str | None:
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        return infeasible(resources, nodes, self._autoscale)


def _actors(resources: Resources, units: int) -> dict[str, Any]:
    """The pool of actors in the words of `map_batches`."""
    from ray.data import ActorPoolStrategy

    least = min(resources.workers, units)
    most = max(least, min(resources.most or least, units))
    asked: dict[str, Any] = {
        "compute": ActorPoolStrategy(
            min_size=least, max_size=most, max_tasks_in_flight_per_actor=2
        ),
        "num_cpus": resources.cpus,
        "num_gpus": resources.gpus,
    }
    if resources.memory is not None:
        asked["memory"] = resources.memory
    if resources.accelerator_type is not None:
        asked["accelerator_type"] = resources.accelerator_type
    if resources.labels:
        asked["label_selector"] = dict(resources.labels)
    return asked


def allowed_address(address: str | None) -> str | None:
    """The address as Ray is given it. `auto` is what RAY_ADDRESS says, where it says something:
    Ray would take that unjudged.

    Raises:
        RequestError: it is none, or one that the operator's policy does not allow.
    """
    policy = read_policy()
    if address is None:
        return None
    found, where = policy.cluster(address), "address"
    if found == "auto" and (named := os.environ.get("RAY_ADDRESS")):
        found, where = read_cluster(named), "RAY_ADDRESS in the environment"
        if isinstance(found, str) and found.startswith(CLIENT):
            found = policy.cluster(found)
    if isinstance(found, Fault):
        raise found.error(where)
    return found


def _init_arguments(address: str | None) -> dict[str, Any]:
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if address is not None:
        return {"address": address, **quiet}
    cpus = (os.cpu_count() or 1) + _SPARE_CPUS
    # "local", or Ray joins whatever cluster RAY_ADDRESS or an earlier `ray start` left here
    return {"address": "local", "num_cpus": cpus, "include_dashboard": False, **quiet}


def _start(ray: Any, address: str | None) -> None:
    try:
        if address is None:
            for name, value in _KEEP_MEMORY.items():
                os.environ.setdefault(name, value)
        else:
            _reach(address)
        with _own_signals():
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


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself and leaves with code 15: whoever had it keeps it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
