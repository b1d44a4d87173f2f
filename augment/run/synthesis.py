"""Filling the pool: which indexes are needed, who makes them, what came of them.

A round asks for the lowest indexes that are not yet decided; rejects ask for the next ones,
up to the cap. Work is claimed before it is begun, so that jobs which share a pool and run
at once make every index once; a dead job's claims are taken over.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from augment.errors import GateError, StorageError
from augment.filters import build_filters
from augment.intervals import Intervals
from augment.mix import PoolGroup
from augment.plan import Plan, PoolUnit, considered, cut_pool_units, next_needs, pool_unit_rows
from augment.run.cost import Estimate, Spent, over_budget
from augment.run.engine import Engine
from augment.run.measuring import BATCHES, Wanted, first_points, measure
from augment.run.placing import place, refuse_infeasible
from augment.run.pool_unit import PoolTask, filters_digest, universe_work
from augment.run.prepare import Frozen, FrozenInputs, Prepared
from augment.run.telling import Telling
from augment.run.verdicts import Universe
from augment.sample import POOL_SCHEMA, Stamp
from augment.seeds import digest
from augment.storage import Folder
from augment.write import (
    Claim,
    Claims,
    Commit,
    Lease,
    ShardEntry,
    alive,
    commit_once,
    ensure_table,
    live_files,
    newest_version,
)

_POLL_S = 0.5


@dataclass(frozen=True)
class Account:
    """What became of one cell (generator x class): attempted = accepted + rejected + failed
    over the indexes that were looked at, target = selected + shortfall."""

    generator: str
    label_name: str
    target: int
    cap: int
    """Indexes that may be looked at."""
    attempted: int
    accepted: int
    rejected: Mapping[str, int]
    failed: int
    selected: int

    @property
    def shortfall(self) -> int:
        return self.target - self.selected


@dataclass
class Synthesis:
    """What the pool holds for a job once it is filled."""

    accepted: dict[tuple[str, str], Intervals] = field(default_factory=dict)
    groups: list[PoolGroup] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    made_now: int = 0
    """Samples that this run generated; 0 where the pool had them all."""
    spent: dict[str, Spent] = field(default_factory=dict)
    """generator -> what this job's runs spent on its samples."""


@dataclass(frozen=True)
class Want:
    """What a job wants of one class of a universe."""

    quota: int
    cap: int
    exact: Intervals

    def within(self, accepted: Intervals) -> Intervals:
        """Those of `accepted` that may be selected: another job may have made more."""
        return accepted if self.exact else accepted & Intervals([(0, self.cap)])

    def needs(self, decided: Intervals, accepted: Intervals) -> Intervals:
        if self.exact:
            return self.exact - decided
        return next_needs(self.quota, self.cap, decided, accepted)


@dataclass(frozen=True)
class Crew:
    """Who works: an engine, under a lease (and perhaps another), telling a reporter; and the
    stamp of what it makes."""

    engine: Engine
    lease: Lease
    reporter: Telling
    stamp: Stamp
    also: Lease | None = None
    measure: bool = False
    """Whether a few batches are timed before all are made."""

    def watch(self) -> None:
        """Raises:
        InterruptedRun: another run took the work over.
        """
        self.lease.check()
        if self.also is not None:
            self.also.check()


def synthesize(frozen: Frozen, crew: Crew) -> Synthesis:
    """Make what the plan draws and the pool lacks, generator after generator.

    Raises:
        RequestError: the engine can never start the actors that one of them needs.
        GateError: the job may not spend what they are measured to need.
        StorageError, CheckpointError, UnitFailed, InterruptedRun: see the worker.
    """
    result = Synthesis()
    fillings = [
        _Filling(frozen.prepared, frozen.plan, generator, frozen.inputs)
        for generator in _generators(frozen.plan)
    ]
    for filling in fillings:
        filling.read_records()
    lacking = [filling for filling in fillings if filling.needs()]
    names = [filling.generator for filling in lacking]
    refuse_infeasible(frozen.prepared.job.spec.execution, names, crew.engine)
    _measure(frozen, crew, lacking, {f.generator: f.spent for f in fillings})
    for filling in fillings:
        with crew.reporter.span("synthesize", filling.generator):
            filling.fill(crew)
        filling.report(result)
    return result


def _measure(
    frozen: Frozen, crew: Crew, lacking: Sequence[_Filling], spent: Mapping[str, Spent]
) -> None:
    """Time a few batches where somebody wants to know, and refuse what costs too much."""
    prepared = frozen.prepared
    limit = prepared.job.spec.limits.gpu_hours
    if not lacking or not (crew.measure or limit is not None):
        return
    crew.reporter.note("measuring " + ", ".join(f.generator for f in lacking))
    with crew.reporter.span("measure"):
        found = measure([f.wanted(crew.engine, crew.stamp) for f in lacking], crew.engine)
    keep_estimates(prepared, found)
    if why := over_budget(found, spent, limit):
        raise GateError(why)


def wanted(
    prepared: Prepared,
    plan: Plan,
    engine: Engine,
    inputs: FrozenInputs,
    table: bytes,
) -> list[Wanted]:
    """What `augment plan --measure` measures: every generator whose samples the pool lacks.
    inputs, table: what generators are fed, and the list of it."""
    found = []
    for generator in _generators(plan):
        filling = _Filling(prepared, plan, generator, inputs)
        filling.read_records()
        if filling.needs():
            stamp = Stamp(prepared.job_id, dt.datetime.fromtimestamp(0, dt.UTC))  # marks nothing
            one = filling.wanted(engine, stamp)
            found.append(replace(one, inputs=table if one.task.fed else b""))
    return found


def try_again(frozen: Frozen, crew: Crew) -> dict[str, list[PoolUnit]]:
    """generator -> units that hold the failed indexes of classes that are short, claimed for
    this try; what another living job tries is left to it. Makes nothing."""
    found: dict[str, list[PoolUnit]] = {}
    for generator in _generators(frozen.plan):
        filling = _Filling(frozen.prepared, frozen.plan, generator, frozen.inputs)
        filling.read_records()
        if units := filling.again(crew.lease):
            found[generator] = units
    return found


def make_again(frozen: Frozen, units: Mapping[str, Sequence[PoolUnit]], crew: Crew) -> Synthesis:
    """Make the units of `try_again`; what the pool holds then, of all generators.

    Raises:
        StorageError, CheckpointError, UnitFailed, InterruptedRun: see the worker.
    """
    result = Synthesis()
    for generator in _generators(frozen.plan):
        filling = _Filling(frozen.prepared, frozen.plan, generator, frozen.inputs)
        filling.read_records()
        filling.fill_again(units.get(generator, ()), crew)
        filling.report(result)
    return result


def inspect_pool(prepared: Prepared, plan: Plan) -> Synthesis:
    """What the pool already holds for a job; makes nothing."""
    result = Synthesis()
    for generator in _generators(plan):
        filling = _Filling(prepared, plan, generator)
        filling.read_records()
        filling.report(result)
    return result


def _generators(plan: Plan) -> list[str]:
    return sorted({draw.generator for draw in plan.draws})


class _Filling:
    """One generator's part of the pool, for one job."""

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        generator: str,
        inputs: FrozenInputs | None = None,
    ) -> None:
        """inputs: what generators are fed; only needed to make samples."""
        self._prepared, self.generator, self._inputs = prepared, generator, inputs
        self._pool = prepared.pool
        self._universe_id = plan.generator(generator).universe
        self._work = universe_work(self._pool, self._universe_id)
        self._filters = build_filters(prepared.job.spec.filters)
        self._digest = filters_digest(prepared)
        self._universe = Universe(generator)
        self._wants = _wants(prepared, plan, generator)
        self._made_now = 0
        self._shards_told = 0
        self.spent = Spent()
        self._told = False  # that this job waits for another

    def fill(self, crew: Crew) -> None:
        """Rounds until nothing is needed any more, then commit."""
        claims = Claims(self._work.folder, crew.lease.id)
        self._tell(crew.reporter)
        while needs := self.needs():
            claims.claim(needs, self._rows_per_unit())
            mine, theirs = self._pending(claims, needs, crew.lease)
            if mine:
                self._make(mine, crew)
            elif theirs:
                self._await(theirs, crew.reporter)
            else:
                raise StorageError(
                    f"{self._work.folder.uri}: indexes of class {sorted(needs)[0]!r} are claimed "
                    "and recorded, but the records do not hold them; this universe's _work "
                    "folder was changed by hand: restore it, or use another pool"
                )
        self._tell(crew.reporter)
        self._commit()

    def again(self, lease: Lease) -> list[PoolUnit]:
        """Claims are made for each try apart, so that of two jobs one tries an index; those of
        a dead job are taken over."""
        needs = self._failed()
        if not needs:
            return []
        number = self._universe.tried_again + 1
        claims = Claims(self._work.folder.child(f"again-{number}"), lease.id)
        claims.claim(needs, self._rows_per_unit())
        return [
            unit
            for claim in claims.all()
            if not self._held_by_another(claim.owner, lease)
            for unit in self._units(claim, needs, number)
            if unit.name not in self._universe.units
        ]

    def fill_again(self, units: Sequence[PoolUnit], crew: Crew) -> None:
        """Make those that are not made yet."""
        if missing := [unit for unit in units if unit.name not in self._universe.units]:
            self._make(missing, crew, mended=True)
        if units:
            self._commit()

    def _failed(self) -> dict[str, Intervals]:
        """Indexes that failed, of classes that are short of samples."""
        found: dict[str, Intervals] = {}
        for label, want in self._wants.items():
            short = len(want.within(self._universe.accepted(label))) < want.quota
            if want.exact:
                short = bool(want.exact - self._universe.accepted(label))
            mine = self._universe.failed.get(label, Intervals()) & (
                want.exact or Intervals([(0, want.cap)])
            )
            if short and mine:
                found[label] = mine
        return found

    def read_records(self) -> None:
        records = list(self._work.records())  # before the listing: a shard is there first
        data = f"data/{self._universe_id[:16]}"
        there = {f"{data}/{info.path}": info.size for info in self._pool.child(data).files()}
        for _, record in records:
            entry = record["entry"]
            if entry is None or there.get(entry["path"]) == entry["size"]:
                self._take(record)

    def _await(self, units: Sequence[PoolUnit], reporter: Telling) -> None:
        """Another job that is alive makes these: look again in a moment."""
        if not self._told:
            reporter.note(f"waiting for samples of {self.generator} that another job makes")
            self._told = True
        time.sleep(_POLL_S)
        for unit in units:
            if (record := self._work.get(unit.name)) is not None:
                self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        own = record["stamp"][0] == self._prepared.job_id
        if own and record["unit"] not in self._universe.units:
            self.spent = self.spent.plus(record)
        self._universe.add(record, self._pool, self._filters, self._digest)

    def _tell(self, telling: Telling) -> None:
        """Tell what became of every class up to now, and which shards there are."""
        told, self._shards_told = self._shards_told, len(self._universe.shards)
        telling.pooled(self.generator, list(self._universe.shards.values())[told:])
        telling.accounts(
            [
                self._account(label, want, want.within(self._universe.accepted(label)))
                for label, want in sorted(self._wants.items())
            ]
        )

    def report(self, result: Synthesis) -> None:
        result.groups += self._universe.groups
        result.made_now += self._made_now
        result.spent[self.generator] = self.spent
        for label, want in sorted(self._wants.items()):
            accepted = want.within(self._universe.accepted(label))
            result.accepted[self.generator, label] = accepted
            result.accounts.append(self._account(label, want, accepted))

    def _account(self, label: str, want: Want, accepted: Intervals) -> Account:
        decided = self._universe.decided(label)
        if want.exact:
            looked, selected = want.exact & decided, len(want.exact & accepted)
        else:
            attempted, selected = considered(want.quota, want.cap, decided, accepted)
            looked = Intervals([(0, attempted)]) & decided
        rejected = {
            reason: len(by_class.get(label, Intervals()) & looked)
            for reason, by_class in sorted(self._universe.rejected.items())
        }
        return Account(
            generator=self.generator,
            label_name=label,
            target=want.quota,
            cap=want.cap,
            attempted=len(looked),
            accepted=len(accepted & looked),
            rejected={reason: n for reason, n in rejected.items() if n},
            failed=len(self._universe.failed.get(label, Intervals()) & looked),
            selected=selected,
        )

    def needs(self) -> dict[str, Intervals]:
        """Indexes to make now, by class, as far as it is known what the pool holds."""
        found = {
            label: want.needs(self._universe.decided(label), self._universe.accepted(label))
            for label, want in self._wants.items()
        }
        return {label: need for label, need in found.items() if need}

    def _rows_per_unit(self) -> int:
        info = self._prepared.infos[self.generator]
        return pool_unit_rows(info.height * info.width * info.channels)

    def _pending(
        self, claims: Claims, needs: Mapping[str, Intervals], lease: Lease
    ) -> tuple[list[PoolUnit], list[PoolUnit]]:
        """Claimed units that hold needed indexes and are not made: mine (or a dead job's),
        and those that a living job makes."""
        mine: list[PoolUnit] = []
        theirs: list[PoolUnit] = []
        for claim in claims.all():
            wanted = [u for u in self._units(claim, needs) if u.name not in self._universe.units]
            if wanted:
                (theirs if self._held_by_another(claim.owner, lease) else mine).extend(wanted)
        return mine, theirs

    def _units(
        self, claim: Claim, needs: Mapping[str, Intervals], again: int = 0
    ) -> Iterator[PoolUnit]:
        if not any(claim.needs.get(label, Intervals()) & need for label, need in needs.items()):
            return
        for unit in cut_pool_units(
            self._universe_id, self.generator, claim.needs, claim.rows_per_unit, again
        ):
            if any(needs.get(c, Intervals()) & Intervals([(a, b)]) for c, a, b in unit.ranges):
                yield unit

    def _held_by_another(self, owner: str, lease: Lease) -> bool:
        return owner != lease.id and alive(lease_folder(self._pool), owner)

    def _make(self, units: Sequence[PoolUnit], crew: Crew, *, mended: bool = False) -> None:
        resources, _ = place(self._prepared.job.spec.execution.of(self.generator), crew.engine)
        task = self._task(crew.engine, crew.stamp, crew.lease.id)
        task = replace(task, mended=mended)
        crew.reporter.stage(f"synthesize {self.generator}", len(units))
        texts = [json.dumps(unit.to_json()) for unit in units]
        observed = crew.reporter.task(task, "synthesize", self.generator, len(units))
        for done, result in enumerate(crew.engine.run(observed, texts, resources), start=1):
            crew.watch()
            record = crew.reporter.unit("synthesize", self.generator, result)
            rows = sum(stop - start for _, start, stop in record["ranges"])
            self._made_now += rows if record["made"] else 0  # else another job was faster
            self._take(record)
            crew.reporter.advance(done, rows)
            if crew.reporter.due():
                self._tell(crew.reporter)

    def _task(self, engine: Engine, stamp: Stamp, run: str) -> PoolTask:
        execution = self._prepared.job.spec.execution.of(self.generator)
        resources, placement = place(execution, engine)
        return PoolTask(
            self._prepared,
            self.generator,
            self._universe_id,
            stamp,
            placement,
            self._inputs.file if self._inputs else "",
            self._inputs.lists.get(self.generator) if self._inputs else None,
            run=run,
            gpus=resources.gpus,
        )

    def wanted(self, engine: Engine, stamp: Stamp) -> Wanted:
        """What to measure before the rest is made."""
        task = self._task(engine, stamp, "")
        caps = {label: want.cap for label, want in self._wants.items()}
        lacking = {label: caps[label] for label in self.needs()}
        accepted = {c: self._universe.accepted(c) for c in self._wants}
        missing = sum(
            max(0, want.quota - len(want.within(accepted[c]))) for c, want in self._wants.items()
        )
        return Wanted(task, missing, first_points(lacking, BATCHES * task.placement.batch_size))

    def _commit(self) -> None:
        """Make the universe's shards visible in the pool's table."""
        there = newest_version(self._pool) is not None
        live = {file.path for file in live_files(self._pool)} if there else set()
        new = sorted(path for path in self._universe.shards if path not in live)
        if new:
            entries = [ShardEntry.from_json(self._universe.shards[path]) for path in new]
            table = ensure_table(self._pool, POOL_SCHEMA)
            commit_once(self._pool, table, Commit(digest(new), 1, entries), lambda _: None)


def lease_folder(pool: Folder) -> Folder:
    """Where the jobs that fill a pool keep their leases."""
    return pool.child("_work")


def _wants(prepared: Prepared, plan: Plan, generator: str) -> dict[str, Want]:
    attempts = prepared.job.spec.max_attempts_per_sample
    quota: dict[str, int] = {}
    exact: dict[str, Intervals] = {}
    for draw in plan.draws:
        if draw.generator == generator:
            quota[draw.label_name] = quota.get(draw.label_name, 0) + draw.n
            if draw.exact is not None:
                exact[draw.label_name] = exact.get(draw.label_name, Intervals()) | draw.exact
    capacity = plan.generator(generator).capacity
    caps = {label: attempts * n for label, n in quota.items()}
    if capacity is not None:  # an image gives no more samples than the job allows
        caps = {label: min(cap, capacity[label]) for label, cap in caps.items()}
    return {
        label: Want(n, caps[label], exact.get(label, Intervals())) for label, n in quota.items()
    }


def keep_estimates(prepared: Prepared, found: Sequence[Estimate]) -> None:
    """Leave what was measured beside the plan, for whoever compares it with what was spent: the
    first estimate of each generator stays, for a resume only measures what is left."""
    document = {one.generator: one.to_json() for one in [*found, *read_estimates(prepared)]}
    prepared.work.folder.replace("estimate.json", json.dumps(document).encode())


def read_estimates(prepared: Prepared) -> list[Estimate]:
    """What the runs of a job measured; nothing where none did."""
    try:
        document = json.loads(prepared.work.folder.read("estimate.json"))
    except FileNotFoundError:
        return []
    return [Estimate.from_json(one) for one in document.values()]


def account_to_json(account: Account) -> dict[str, Any]:
    return asdict(account)


def account_from_json(raw: Mapping[str, Any]) -> Account:
    return Account(**raw)
