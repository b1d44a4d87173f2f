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
import importlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from augment.errors import AugmentError, InterruptedRun, RequestError
from augment.importable import RAY_SETTINGS, refuse_unimportable
from augment.places import CLIENT, Fault, read_cluster
from augment.policy import read_policy
from augment.run.engines import ray_embedded
from augment.run.engines.capacity import SPARE_CPUS, infeasible
from augment.run.engines.ending import Ending
from augment.run.engines.engine import (
    More,
    Resources,
    Task,
    Worker,
    as_raised,
    built,
    call,
    settle,
)
from augment.run.engines.ray_embedded import Embedded, Tell
from augment.run.engines.ray_feed import feeding
from augment.run.engines.ray_reach import WAY_S, refuse_another, refuse_unreachable
from augment.run.engines.suspects import Watch
from augment.spec.execution import Autoscale

_LOG = logging.getLogger("augment.ray")


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

    Connects when it is opened, or first used; `close` disconnects, and ends a Ray that was
    started here.
    """

    name = "ray"

    def __init__(self, address: str | None = None, autoscale: Autoscale | None = None) -> None:
        """autoscale: what the cluster may grow by, which Ray does not say.

        Raises:
            RequestError: the address is none, or one that the operator's policy does not allow.
        """
        self._address = allowed_address(address)
        self._autoscale = autoscale or Autoscale()
        self._connected: Any = None
        self._embedded: Embedded | None = None
        self._mine = False

    @property
    def opening(self) -> str:
        """See `Engine.opening`."""
        if self._connected is not None:
            return ""
        return "starting Ray" if self._address is None else f"connecting to Ray at {self._address}"

    def open(self, tell: Tell = lambda seconds: None) -> None:
        """Connect, unless that is done. tell: is told every second for how long it has been
        going on.

        Raises:
            InterruptedRun: Ray does not start, or cannot be reached.
            RequestError: the address is not that of a Ray of this version, or not of the one
                that this process is connected to, or a setting of Ray in the environment is
                nonsense.
        """
        if self._connected is not None:
            return
        refuse_unimportable("ray", RAY_SETTINGS)
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_DATA_USAGE_DISABLED", "1")  # it would tell what ran, by an actor
        self._mine = not _is_connected()
        if self._mine and self._address is not None:
            way_s = ray_embedded.lengthened(WAY_S, os.environ)
            refuse_unreachable(self._address, tell, way_s=way_s)
        elif self._mine:
            _trust()
        elif self._address is not None:
            refuse_another(self._address, sys.modules["ray"].get_runtime_context().gcs_address)
        try:
            import ray
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise RequestError(
                "engine ray: Ray is not installed; install augment-vision anew, which brings it, "
                "or use `--engine processes`"
            ) from error
        if self._mine:
            self._begin(ray, tell)
        self._connected = ray
        _quiet()

    def _begin(self, ray: Any, tell: Tell) -> None:
        if self._address is None:
            env = ray_embedded.environment(os.environ)
            self._embedded = ray_embedded.start((os.cpu_count() or 1) + SPARE_CPUS, tell, env)
            _LOG.info("Ray's own logs are in %s; they stay if this fails", self._embedded.logs)
        try:
            _connect(ray, self._embedded.address if self._embedded else str(self._address))
        except BaseException:
            self.close(keep_logs=True)
            raise

    @property
    def _ray(self) -> Any:
        self.open()
        return self._connected

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        if not units:
            return
        if why := self.infeasible(resources):
            raise RequestError(why)
        data = self._ray.data.from_items(
            [{"unit": unit} for unit in units], override_num_blocks=len(units)
        )
        with self._as_interrupted():
            for row in _mapped(data, task, resources, len(units)).iter_rows():
                yield _result(row["error"], row["result"])

    def stream(
        self, task: Task, units: Sequence[str], more: More, resources: Resources
    ) -> Iterator[str]:
        """See `Streams.stream`. Actors stay from the first unit to the last."""
        if not units:
            return
        if why := self.infeasible(resources):
            raise RequestError(why)
        with self._as_interrupted(), feeding(self._ray, units) as feed:
            left = len(units)
            data = _mapped(feed.data(), task, resources, left)
            # a batch that is fetched ahead would hold the last result back
            for batch in data.iter_batches(batch_size=None, prefetch_batches=0):
                for error, result in zip(batch["error"], batch["result"], strict=True):
                    yield _result(str(error), str(result))
                    new = None if feed.closed else more()
                    left += len(new or ()) - 1
                    feed.give(new or ())
                    if new is None or not left:
                        feed.close()
            if left:
                raise InterruptedRun(
                    f"Ray: {left} units were not carried out, for the process that handed them "
                    "over has died; finished units are kept: run the same command again"
                )

    @contextlib.contextmanager
    def _as_interrupted(self) -> Iterator[None]:
        try:
            yield
        except self._ray.exceptions.RayError as e:
            raise InterruptedRun(
                f"Ray: {type(e).__name__}: {e}; finished units are kept: run the same command again"
            ) from e

    def cpus(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) - self._spare())

    def gpus(self) -> float:
        return float(self._ray.cluster_resources().get("GPU", 0.0))

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(keep_logs=kind is not None and issubclass(kind, Exception))

    def close(self, *, keep_logs: bool = False) -> None:
        """keep_logs: those of an embedded Ray, because somebody may want to read them."""
        if self._mine and self._connected is not None:
            self._connected.shutdown()
        if self._embedded is not None:
            self._embedded.close(keep_logs=keep_logs)
        self._connected = self._embedded = None

    def _spare(self) -> int:
        return SPARE_CPUS if self._mine else 1

    def infeasible(self, resources: Resources) -> str | None:
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        return infeasible(resources, nodes, self._autoscale)


def _mapped(data: Any, task: Task, resources: Resources, units: int) -> Any:
    """The data set of results of the units in another. units: how many there are at first."""
    arguments = {"fn_constructor_args": (task,), "batch_size": 1}
    return data.map_batches(_UnitActor, **arguments, **_actors(resources, units))


def _result(error: str, result: str) -> str:
    """Raises: AugmentError, the one that came in place of the result."""
    if error:
        raise as_raised(*json.loads(error))
    return result


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


def _is_connected() -> bool:
    """Whether somebody in this process has connected to a Ray already: then it is used."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _trust() -> None:
    """This process and the Ray that it starts know one another by a token that nobody else has,
    unless somebody has settled that. Ray reads both variables when it is imported."""
    env = ray_embedded.environment(os.environ)
    new = {name: env[name] for name in ray_embedded.TRUST if name in env.keys() - os.environ.keys()}
    os.environ |= new
    if new and "ray" in sys.modules:
        inner: Any = importlib.import_module("ray._raylet")
        inner.Config.initialize("")
        inner.AuthenticationTokenLoader.instance().reset_cache()


def _connect(ray: Any, address: str) -> None:
    """Raises:
    InterruptedRun: Ray says no, or nothing.
    """
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    given = quiet if "://" in address else {**quiet, "job_config": _job_config()}
    way_out = "run the same command again, or use `--engine local`"
    ending = Ending(alone=False)
    limit_s = ray_embedded.wait_of(os.environ)  # it has just been seen to run
    late = InterruptedRun(f"Ray at {address} let nobody in within {limit_s:.0f} s; {way_out}")
    try:
        watch = Watch(limit_s, lambda stage, rows: ending.end(late))
        with ending.told(), watch, watch.over("load", tuple), _own_signals():
            ray.init(address=address, **given)
    except AugmentError:
        raise
    except Exception as e:  # Ray raises plain ones too; what it says in them is all there is
        raise InterruptedRun(f"Ray at {address}: {type(e).__name__}: {e}; {way_out}") from e


def _job_config() -> Any:
    """Workers search where Python itself does. Ray would put the folder in which its driver
    stands before everything else, unless that folder travels to them."""
    from ray.job_config import JobConfig

    class Elsewhere(JobConfig):  # type: ignore[misc]  # ray has no types
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return Elsewhere()


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


def _quiet() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.memory_usage_poll_interval_s = None
    context.execution_options.verbose_progress = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
