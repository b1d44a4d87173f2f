"""How much of many actors' time the engine keeps busy, and what each unit costs the driver.

    python benchmarks/scale.py --actors 1 2 4 8 16 32 64 --unit-s 4
    python benchmarks/scale.py --actors --driver 1000 4000
    python benchmarks/scale.py --actors --driver --pool
    python benchmarks/scale.py --overlap 8
    python benchmarks/scale.py --resume 10000
    python benchmarks/scale.py --listing 10000 --whole
    python benchmarks/scale.py --results 1000

A simulated cluster: one Ray on this machine that is told of 64 GPUs. A unit does all that a unit
of the pool does but for the network: it marks its try, sleeps as long as a GPU would work,
publishes a small shard and records it. Efficiency is the share of the actors' time that was
spent in such sleep, between the moment when the last actor began its first unit and the one when
the first actor had nothing left to do; `whole` is the same from the first unit to the end. The
bare loop beside it is the same unit on plain Ray actors, one call after the other, with no Ray
Data and no record. The driver's cost is its process's CPU seconds, and the bytes of units and
results that pass it, over so many units that do not sleep. --json adds the figures as one line of
JSON; its `ratios` are `efficiency_N` (augment : bare with N actors) and `driver_cpu` (a unit's cost
with the last number of units : with the first).

--overlap shows how long actors are idle at the ends of rounds (scale_rounds.py), on this machine's
processes and on Ray; ratios `idle_processes` and `idle_ray`, rounds that overlap : one by one.

--resume, --listing and --results start no Ray (scale_pool.py, scale_listing.py): what a driver
reads of a pool of a plan of 10^9 samples before it hands over a unit, what `augment status` and
`pool ls` read of it (with --whole of the whole plan too), and what the results of so many actors
cost a driver. Ratios of --listing are `status_cpu` and `ls_cpu`: CPU seconds with folds : with
records alone. Of the whole plan's pool only the first rounds have records; of the others there are
folds alone, which is all that these read of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import ray
from scale_listing import show_listing
from scale_pool import show_results, show_resume
from scale_rounds import show_rounds

from augment.run.engines.engine import Resources, Worker
from augment.run.engines.process_engine import ProcessEngine
from augment.run.engines.ray_engine import RayEngine
from augment.storage import Folder
from augment.write import Work

SHARD = os.urandom(4096)
Span = tuple[int, float, float]
"""Process, begin and end of a unit's work, in seconds."""


class Sleeps:
    """A unit without a network."""

    def __init__(
        self, folder: str, unit_s: float, records: bool = True, tail_s: float = 0.0
    ) -> None:
        self._tail_s = tail_s
        self._table, self._unit_s, self._records = Folder(folder), unit_s, records
        self._work = Work(self._table.child("_work"))

    def __call__(self, unit: str) -> str:
        begun = time.time()
        attempt = self._work.begin(unit) if self._records else None
        time.sleep(self._tail_s if unit == "unit-tail" else self._unit_s)
        self._table.publish(f"data/{unit}.parquet", SHARD)
        body = {"ranges": [["class", 0, 64]], "entry": {"path": f"data/{unit}.parquet"}}
        if attempt is not None:
            self._work.record(attempt, body)
        return json.dumps({**body, "span": [os.getpid(), begun, time.time()]})


@dataclass(frozen=True)
class SleepTask:
    folder: str
    unit_s: float
    tail_s: float = 0.0
    """Of a unit named `unit-tail`."""

    def worker(self, alone: bool = False) -> Worker:
        return Sleeps(self.folder, self.unit_s, tail_s=self.tail_s)


def names(n: int) -> list[str]:
    return [f"unit-{uuid.uuid4().hex[:20]}" for _ in range(n)]


def spans(results: Iterable[str]) -> list[Span]:
    return [tuple(json.loads(text)["span"]) for text in results]


def with_engine(engine: RayEngine, actors: int, units: int, unit_s: float) -> list[Span]:
    with tempfile.TemporaryDirectory() as folder:
        task = SleepTask(folder, unit_s)
        return spans(engine.run(task, names(units), Resources(actors, 0.01, 1.0)))


def bare(actors: int, units: int, unit_s: float) -> list[Span]:
    """The same units on plain actors, each given its next unit when it is done."""
    with tempfile.TemporaryDirectory() as folder:
        kind = ray.remote(num_cpus=0.01, num_gpus=1)(Sleeps)
        hosts = [kind.remote(folder, unit_s, records=False) for _ in range(actors)]
        waiting, found = names(units), []
        busy = {host.__call__.remote(waiting.pop()): host for host in hosts}
        while busy:
            [done], _ = ray.wait(list(busy), num_returns=1)
            host = busy.pop(done)
            found.append(ray.get(done))
            if waiting:
                busy[host.__call__.remote(waiting.pop())] = host
        for host in hosts:
            ray.kill(host)
        return spans(found)


def efficiency(found: list[Span], unit_s: float) -> tuple[float, float]:
    """(steady, whole): see the module."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for pid, begun, ended in found:
        first[pid] = min(begun, first.get(pid, begun))
        last[pid] = max(ended, last.get(pid, ended))
    actors = len(first)
    begin, end = max(first.values()), min(last.values())
    inside = sum(max(0.0, min(e, end) - max(b, begin)) for _, b, e in found)
    span = max(last.values()) - min(first.values())
    work = sum(min(1.0, unit_s / (e - b)) * max(0.0, min(e, end) - max(b, begin))
               for _, b, e in found)  # fmt: skip
    assert inside > 0, "an actor had nothing left to do before another began: give more units"
    return work / (actors * (end - begin)), len(found) * unit_s / (actors * span)


def measure(engine: RayEngine, actors: int, unit_s: float, rounds: int, each: int) -> float:
    """Augment's steady efficiency : the bare loop's."""
    peers: dict[str, Callable[[], list[Span]]] = {
        "bare": lambda: bare(actors, actors * each, unit_s),
        "augment": lambda: with_engine(engine, actors, actors * each, unit_s),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for number in range(rounds):
        for name in [*peers][:: 1 if number % 2 else -1]:
            found[name].append(efficiency(peers[name](), unit_s))
    steady = {name: statistics.median(s for s, _ in rows) for name, rows in found.items()}
    whole = {name: statistics.median(w for _, w in rows) for name, rows in found.items()}
    ratio = statistics.median(
        a[0] / b[0] for a, b in zip(found["augment"], found["bare"], strict=True)
    )
    shown = [f"{name} {steady[name]:.3f} (whole {whole[name]:.3f})" for name in peers]
    print(f"{actors:4} actors: {', '.join(shown)}, ratio {ratio:.3f}", flush=True)
    return ratio


def driver(engine: RayEngine, units: int) -> float:
    """What units that do nothing cost the driver; CPU seconds of each."""
    cpu, wall = time.process_time(), time.monotonic()
    some = names(units)
    with tempfile.TemporaryDirectory() as folder:
        results = list(engine.run(SleepTask(folder, 0.0), some, Resources(4, 0.01, 1.0)))
        stored = sum(len(json.dumps(r)) for _, r in Work(Folder(folder).child("_work")).records())
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    passed = sum(map(len, some)) + sum(map(len, results))
    print(f"{units} units: {1000 * cpu / units:.2f} driver CPU s, {passed / units:.0f} kB through "
          f"the driver, {stored / units:.0f} kB of records, {1000 * wall / units:.1f} s, each per "
          "1,000 units", flush=True)  # fmt: skip
    return cpu / units


def pool(engine: RayEngine, units: int = 60, unit_s: float = 1.0, tail_s: float = 40.0) -> None:
    """How many GPUs a pool of 1 to 8 actors holds, second by second, when its last unit takes
    much longer than all others."""
    held: list[tuple[float, float]] = []
    stop = threading.Event()
    begun = time.monotonic()

    def look() -> None:
        total = ray.cluster_resources()["GPU"]
        while not stop.wait(1.0):
            free = ray.available_resources().get("GPU", 0.0)
            held.append((time.monotonic() - begun, total - free))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    with tempfile.TemporaryDirectory() as folder:
        some = [*names(units), "unit-tail"]
        task = SleepTask(folder, unit_s, tail_s)
        list(engine.run(task, some, Resources(1, 0.01, 1.0, most=8)))
    busy = time.monotonic() - begun
    time.sleep(5)
    stop.set()
    watcher.join()
    changes = [(t, n) for (t, n), (_, before) in zip(held, [(0.0, -1.0), *held], strict=False)
               if n != before]  # fmt: skip
    told = ", ".join(f"{t:.0f} s: {n:.0f}" for t, n in changes)
    print(f"pool of 1 to 8 actors, {units} units of {unit_s:g} s and one of {tail_s:g} s, "
          f"{busy:.0f} s: GPUs held {told}", flush=True)  # fmt: skip


def overlap(ray_engine: RayEngine, actors: int, unit_s: float, each: int) -> dict[str, float]:
    """Idle shares at the ends of rounds."""
    with ProcessEngine(cpus=actors) as engine:
        found = show_rounds(engine, actors, unit_s, each, Resources(actors, 1.0))
    return found | show_rounds(ray_engine, actors, unit_s, each, Resources(actors, 0.01, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actors", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--unit-s", type=float, default=4.0)
    parser.add_argument("--units", type=int, default=6, help="for each actor")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--driver", type=int, nargs="*", default=[1000, 4000], help="units")
    parser.add_argument("--pool", action="store_true", help="how a pool grows and shrinks")
    parser.add_argument("--overlap", type=int, help="actors at the ends of rounds")
    parser.add_argument("--resume", type=int, help="units with a record")
    parser.add_argument("--listing", type=int, help="units with a record")
    parser.add_argument("--whole", action="store_true", help="list the whole plan's pool too")
    parser.add_argument("--results", type=int, help="actors whose results one driver takes")
    parser.add_argument("--json", action="store_true", help="add the figures as one line of JSON")
    arguments = parser.parse_args()
    if arguments.resume or arguments.listing or arguments.results:
        found = show_resume(arguments.resume) if arguments.resume else {}
        found |= show_listing(arguments.listing, arguments.whole) if arguments.listing else {}
        found |= show_results(arguments.results) if arguments.results else {}
        if arguments.json:
            print(json.dumps({"ratios": found}))
        return
    if arguments.overlap:
        arguments.actors, arguments.driver = [arguments.overlap], []
    most = max(arguments.actors, default=4)
    ray.init(
        "local", num_cpus=4, num_gpus=max(8, most), include_dashboard=False,
        logging_level="ERROR", log_to_driver=False,
    )  # fmt: skip
    engine = RayEngine()
    shape = arguments.unit_s, arguments.rounds, arguments.units
    if arguments.overlap:
        ratios = overlap(engine, arguments.overlap, arguments.unit_s, arguments.units)
        if arguments.json:
            print(json.dumps({"ratios": ratios}))
        return
    ratios = {f"efficiency_{n}": measure(engine, n, *shape) for n in arguments.actors}
    costs = [driver(engine, units) for units in arguments.driver]
    if len(costs) > 1:
        ratios["driver_cpu"] = costs[-1] / costs[0]
    if arguments.pool:
        pool(engine)
    ray.shutdown()
    if arguments.json:
        print(json.dumps({"driver_cpu_s_a_unit": costs, "ratios": ratios}))


if __name__ == "__main__":
    main()
