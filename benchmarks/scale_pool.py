"""A plan of 10^9 samples and the pool that a run of it left behind: real claims, real records and
real folds, no images. scale.py measures what reading it costs, and what results cost one driver.

1,000 classes of 10^6 images of 512 pixels, 85 to a unit. One sample in 100 was refused by a
filter, one in 10,000 failed; so what a class has of accepted ones is full of gaps. Records are
written as files, but not synced one by one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.generators import describe
from augment.intervals import Intervals
from augment.plan import (
    CensusFacts,
    GeneratorFacts,
    Plan,
    PoolUnit,
    cut_pool_units,
    first_of,
    make_plan,
    pool_unit_rows,
)
from augment.run.engines.engine import Resources, Task
from augment.run.prepare import Prepared
from augment.run.synthesis.filling import Crew, Filling
from augment.run.synthesis.holdings import Holdings
from augment.run.synthesis.rounds import lease_folder
from augment.run.watch.beats import Progress
from augment.run.watch.metrics import Metrics
from augment.run.watch.observed import counted
from augment.run.watch.telling import Observer, Telling
from augment.sample import Stamp
from augment.seeds import canonical_json
from augment.spec import Job
from augment.spec.models import JobSpec
from augment.write import Claim, Claims, Folds, Lease

CLASSES = tuple(f"class-{i:04}" for i in range(1000))
SAMPLES = 10**9
SIDE = 512
ROUND_UNITS = 10_000
WHOLE_UNITS = -(-SAMPLES // pool_unit_rows(SIDE * SIDE * 3))
_GROUP_ROWS = (32 << 20) // (SIDE * SIDE * 3)
_DARK, _FAILED = 100, 10_000


def prepared_in(root: Path) -> tuple[Prepared, Plan]:
    """The job below a folder, and its plan."""
    spec = JobSpec.model_validate(
        {
            "version": 1,
            "name": "scale",
            "seed": 7,
            "sources": {
                "photos": {"format": "imagefolder", "uri": "x", "splits": {"train": "train"}}
            },
            "generators": {"g": {"family": "palette", "classes": list(CLASSES), "size": SIDE}},
            "synthesize": [{"generators": ["g"], "fill": {"to": SAMPLES // len(CLASSES) + 1}}],
            "pool": str(root / "pool"),
            "output": {"uri": str(root / "out")},
        }
    )
    info = describe("g", spec.generators["g"], {})
    prepared = Prepared(Job(spec, "", ""), {"g": info}, "0" * 64)
    facts = GeneratorFacts(
        "g",
        info.identity,
        info.sampling_digest,
        "palette",
        CLASSES,
        400_000,
        prepared.universe("g"),
    )
    census = CensusFacts(CLASSES, {"train": {c: {"photos": 1} for c in CLASSES}}, 60_000.0)
    return prepared, make_plan(prepared.job, census, {"g": facts}, prepared.digest)


class Pool:
    """The pool of the plan, as far as it is filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prepared, self.plan = prepared_in(root)
        self.universe = self.plan.generator("g").universe
        self.rows = pool_unit_rows(SIDE * SIDE * 3)
        self.folder = self.prepared.pool.child(f"_work/{self.universe[:16]}")
        self._claims = Claims(self.folder, "before")
        self._needs = {d.label_name: Intervals([(0, d.n)]) for d in self.plan.draws}

    def claim(self) -> Claim:
        """What a round claims."""
        taken = self._claims.taken()
        free = {c: need - taken.get(c, Intervals()) for c, need in self._needs.items()}
        claim = self._claims.claim(first_of(free, ROUND_UNITS * self.rows), self.rows)
        assert claim is not None
        return claim

    def units(self, claim: Claim) -> Sequence[PoolUnit]:
        return cut_pool_units(self.universe, "g", claim.needs, claim.rows_per_unit)

    def record(self, unit: PoolUnit) -> dict[str, Any]:
        """What a worker records of a unit."""
        made = [p for p in unit.samples() if p[1] % _FAILED != 13]
        groups = [made[i : i + _GROUP_ROWS] for i in range(0, len(made), _GROUP_ROWS)]
        dark = [[p for p in group if p[1] % _DARK == 7] for group in groups]
        entry = {
            "path": f"data/{self.universe[:16]}/{unit.name}-{'0' * 12}.parquet",
            "size": 30_000_000,
            "sha256": canonical_json(unit.name)[-33:-1] * 2,
            "rows": len(made),
            "group_rows": [len(group) for group in groups],
        }
        return {
            "unit": unit.name,
            "attempt": "0" * 32,
            "ranges": [list(r) for r in unit.ranges],
            "stamp": [self.prepared.job_id, "2026-01-01T00:00:00+00:00"],
            "batch_size": 16,
            "batch_limit": None,
            "device": "cuda",
            "channels_last": None,
            "compile": False,
            "entry": entry,
            "groups": [_by_class(group) for group in groups],
            "failed": [[c, i, "nan"] for c, i in unit.samples() if i % _FAILED == 13],
            "verdicts": {
                self.prepared.filters_digest: [
                    {"degenerate.blank": _by_class(points)} if points else {} for points in dark
                ]
            },
            "seconds": {"load": 0.0, "make": 85.0},
            "gpus": 1.0,
        }

    def write(self, unit: PoolUnit) -> None:
        """Its try mark and its record, as a worker leaves them."""
        start = Path(self.folder.uri) / "units" / unit.name
        start.parent.mkdir(parents=True, exist_ok=True)
        start.with_suffix(".try-1").write_text("0" * 32)
        start.with_suffix(".json").write_text(canonical_json(self.record(unit)))

    def fold(self) -> None:
        """Fold the rounds whose records were written."""
        prepared = self.prepared
        judge = (), prepared.filters_digest
        Holdings(prepared.pool, self.universe, "g", judge, prepared.job_id).fold()

    def lengthen(self, rounds: int) -> None:
        """So many rounds more, of which there are folds but no records: a resume reads of them
        what it reads of others. Each says of its indexes what the first round says of its own."""
        folds = Folds(self.folder)
        [(first, summary)] = [found for found in folds.all() if found[0].claim == 0]
        about = {k: v for k, v in first.about.items() if not k.startswith(("records", "bytes_of"))}
        for _ in range(rounds):
            claim = self.claim()
            moved = next(iter(claim.needs.values())).spans[0][0]
            folds.write(claim.number, [], _moved(summary, moved), about | {"claim": claim.digest})


def _moved(summary: pa.Table, by: int) -> pa.Table:
    for name in ("start", "stop"):
        at = summary.schema.get_field_index(name)
        summary = summary.set_column(at, name, pc.add(summary.column(name), by))
    return summary


def _by_class(points: Sequence[tuple[str, int]]) -> dict[str, list[list[int]]]:
    found: dict[str, list[int]] = {}
    for label, index in points:
        found.setdefault(label, []).append(index)
    return {label: Intervals.of(some).to_json() for label, some in sorted(found.items())}


# ---- reading it ----------------------------------------------------------------------


class StoppedError(Exception):
    """The first unit was handed over."""


@dataclass
class Handing:
    """An engine that gives back what `results` makes of the units."""

    results: Callable[[Task, Sequence[str]], Iterator[str]]
    name: str = "simulated"
    opening: str = ""

    def open(self, tell: Callable[[float], None] = lambda _: None) -> None: ...

    def run(self, task: Task, units: Sequence[str], _: Resources) -> Iterator[str]:
        return self.results(task, units)

    def cpus(self) -> int:
        return 1000

    def gpus(self) -> float:
        return 1000.0

    def infeasible(self, _: Resources) -> str | None:
        return None


def drive(pool: Pool, engine: Handing, observers: Sequence[Observer] = ()) -> dict[str, float]:
    """Seconds until the pool is read, and until the first unit is handed over."""
    begun = time.monotonic()
    filling = Filling(pool.prepared, pool.plan, "g")
    filling.read_records()
    read = time.monotonic() - begun
    stamp = Stamp(pool.prepared.job_id, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    lease = Lease(lease_folder(pool.prepared.pool), time.time)
    with contextlib.suppress(StoppedError), lease:
        filling.fill(Crew(engine, lease, Telling(None, observers), stamp))
    return {"read_s": read, "whole_s": time.monotonic() - begun}


def resume(root: Path, *, whole: bool) -> dict[str, float]:
    """What reading the pool takes; whole: and all else until the first unit is handed over. Run
    it in a process of its own."""
    pool = Pool(root)
    before, cpu = _peak_mib(), time.process_time()
    out: dict[str, float] = {}

    def first(_: Task, units: Sequence[str]) -> Iterator[str]:
        raise StoppedError

    if whole:
        out = drive(pool, Handing(first))
    else:
        begun = time.monotonic()
        Filling(pool.prepared, pool.plan, "g").read_records()
        out["read_s"] = time.monotonic() - begun
    cpu = time.process_time() - cpu
    return {**out, "cpu_s": cpu, "before_mib": before, "peak_mib": _peak_mib()}


def _peak_mib() -> float:
    """Of this process alone: what `getrusage` says begins with its parent's."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one]
    return int(line.split()[1]) / 1024


# ---- results -------------------------------------------------------------------------


def results(root: Path, actors: int, unit_s: float, seconds: float) -> dict[str, float]:
    """Cores that the driver's process takes for what so many actors send it, over `seconds`:
    records are taken in, counted, told to the metrics, and each actor's word is read. The engine
    itself is not in it. Run it in a process of its own."""
    pool = Pool(root)
    words = pool.prepared.work.folder
    taken = {"units": 0.0, "cpu_s": 0.0, "wall_s": 0.0, "peak_mib": 0.0}

    def sent(task: Task, units: Sequence[str]) -> Iterator[str]:
        run = task.task.run  # type: ignore[attr-defined]  # of an observed PoolTask
        ready = [_result(pool, text, at % actors) for at, text in enumerate(units[:2000])]
        for at in range(actors):
            said = Progress(run, f"unit-{at}", "synthesize g", 40, 85, time.time(), f"host:{at}")
            words.tell(f"beats/{run}.{at:012x}.json", json.dumps(asdict(said)).encode())
        begun, cpu = time.monotonic(), time.process_time()
        for at, result in enumerate(ready):
            time.sleep(max(0.0, begun + at * unit_s / actors - time.monotonic()))
            if time.monotonic() > begun + seconds:
                break
            yield result
            taken["units"] = at + 1
        taken["cpu_s"] = time.process_time() - cpu
        taken["wall_s"] = time.monotonic() - begun
        raise StoppedError

    drive(pool, Handing(sent), [Metrics()])
    taken["peak_mib"] = _peak_mib()
    return taken


def _result(pool: Pool, unit: str, actor: int) -> str:
    """What an observed worker sends."""
    record = pool.record(PoolUnit.from_json(json.loads(unit)))
    batches = counted([1.3] * 64)
    observed = {"unit": record["unit"], "actor": f"host:{actor}", "begun": 0.0, "ended": 85.0}
    observed |= {"device": "cuda", "batches": batches}
    return json.dumps({**record, "made": True, "observed": observed})


# ---- the figures ---------------------------------------------------------------------


def show_resume(units: int) -> dict[str, float]:
    """Print what reading so many units costs with folds and without, and what all of the plan's
    units cost with folds; the ratio of the first two."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder))
        for _ in range(max(1, units // ROUND_UNITS)):
            for unit in pool.units(pool.claim())[:units]:
                pool.write(unit)
        without = _apart(folder, "read")
        print(f"{units} units without folds: {_told(without)}", flush=True)
        pool.fold()
        folded = _apart(folder, "read")
        print(f"{units} units with folds: {_told(folded)}", flush=True)
        pool.lengthen(WHOLE_UNITS // ROUND_UNITS - units // ROUND_UNITS)
        for unit in pool.units(pool.claim())[: ROUND_UNITS // 2]:
            pool.write(unit)
        whole = _apart(folder, "resume")
        print(f"{WHOLE_UNITS} units with folds, {ROUND_UNITS // 2} of them without, until the "
              f"first unit is handed over: {_told(whole)}", flush=True)  # fmt: skip
        whole["wanted"] = without["read_s"] / units * WHOLE_UNITS
        print(f"{WHOLE_UNITS} units without folds, extrapolated: {whole['wanted']:.0f} s")
    return {"folds": folded["read_s"] / without["read_s"]}


def show_results(actors: int, unit_s: float = 85.0, seconds: float = 60.0) -> dict[str, float]:
    """Print what share of a core the results of so many actors take."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder))
        for unit in pool.units(pool.claim()):
            pool.write(unit)
        pool.fold()
        pool.lengthen(50)
        found = _apart(folder, "results", str(actors), str(unit_s), str(seconds))
    share = found["cpu_s"] / found["wall_s"]
    print(f"{actors} actors with units of {unit_s:g} s: {found['units']:.0f} results in "
          f"{found['wall_s']:.0f} s, {share:.3f} of a core, "
          f"{1000 * found['cpu_s'] / found['units']:.1f} ms each, peak {found['peak_mib']:.0f} MiB",
          flush=True)  # fmt: skip
    return {"results": share}


def _told(found: Mapping[str, float]) -> str:
    whole = f", {found['whole_s']:.1f} s in all" if "whole_s" in found else ""
    return (
        f"read in {found['read_s']:.2f} s{whole}, {found['cpu_s']:.1f} CPU s, peak "
        f"{found['peak_mib']:.0f} MiB ({found['before_mib']:.0f} before)"
    )


def _apart(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main(root: str, what: str, *more: str) -> None:
    if what == "results":
        print(json.dumps(results(Path(root), int(more[0]), float(more[1]), float(more[2]))))
    else:
        print(json.dumps(resume(Path(root), whole=what == "resume")))


if __name__ == "__main__":
    main(*sys.argv[1:])
