"""One generator's part of a pool: which indexes are needed, who makes them, what came of them.

A round asks for the lowest indexes that are not yet decided; rejects ask for the next ones,
up to the cap. Work is claimed before it is begun, so that jobs which share a pool and run
at once make every index once; a dead job's claims are taken over.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from augment.errors import StorageError
from augment.filters import build_filters
from augment.intervals import Intervals
from augment.plan import Plan, PoolUnit, considered, first_of, pool_unit_rows
from augment.run.engines.engine import Engine
from augment.run.engines.placing import place
from augment.run.prepare import FrozenInputs, Prepared
from augment.run.scoring.scorers import Scorers, known_scorers
from augment.run.scoring.scoring import score
from augment.run.synthesis.accounts import Synthesis, Want, wants_of
from augment.run.synthesis.cost import Spent
from augment.run.synthesis.holdings import Holdings
from augment.run.synthesis.measuring import BATCHES, Wanted, first_points
from augment.run.synthesis.pool_unit import PoolTask
from augment.run.watch.account import Account
from augment.run.watch.beats import Listening
from augment.run.watch.telling import Telling
from augment.sample import POOL_SCHEMA, Stamp
from augment.seeds import digest
from augment.storage import Folder
from augment.write import (
    Claim,
    Claims,
    Commit,
    Lease,
    alive,
    commit_once,
    ensure_table,
    live_files,
    newest_version,
)

_POLL_S = 0.5
_ROUND_UNITS = 10_000
"""Units of a round at most: each costs the driver some kilobytes while its round lasts."""


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
    despite_limits: bool = False
    """Whether it goes on where the job's limits will be broken."""

    def watch(self) -> None:
        """Raises:
        InterruptedRun: another run took the work over.
        """
        self.lease.check()
        if self.also is not None:
            self.also.check()


class Filling:
    """One generator's part of the pool, for one job."""

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        generator: str,
        inputs: FrozenInputs | None = None,
        scorers: Scorers | None = None,
    ) -> None:
        """inputs: what generators are fed; only needed to make samples. scorers: of filters that
        need more than the image; None: as the job has frozen them."""
        self._scorers = known_scorers(prepared) if scorers is None else scorers
        self._prepared, self.generator, self._inputs = prepared, generator, inputs
        self._pool = prepared.pool
        self._universe_id = plan.generator(generator).universe
        self._wants = wants_of(prepared, plan, generator)
        self._made_now = 0
        self._told = False  # that this job waits for another

    def fill(self, crew: Crew) -> None:
        """Rounds until nothing is needed any more, then commit."""
        claims = self._held.claims.under(crew.lease.id)
        self.score(crew)
        self._tell(crew.reporter)
        self._held.fold()
        while needs := self._lacking():
            claims.claim(self._next(needs, claims), self._rows_per_unit())
            mine, theirs = self._pending(claims, needs, crew.lease)
            if mine:
                self._make(mine, crew)
                self._held.fold()
            elif theirs:
                self._await(theirs, crew.reporter)
                self.score(crew)
            else:
                raise StorageError(
                    f"{self._held.work.folder.uri}: indexes of class {sorted(needs)[0]!r} are "
                    "claimed and recorded, but the records do not hold them; this universe's _work "
                    "folder was changed by hand: restore it, or use another pool"
                )
        self._tell(crew.reporter)
        self._commit()

    def _next(self, needs: Mapping[str, Intervals], claims: Claims) -> dict[str, Intervals]:
        """What nobody has claimed, of one round's size: the driver holds no more units at once."""
        taken = claims.taken()
        free = {c: need - taken.get(c, Intervals()) for c, need in needs.items()}
        return first_of(free, _ROUND_UNITS * self._rows_per_unit())

    def again(self, lease: Lease) -> list[PoolUnit]:
        """Claims are made for each try apart, so that of two jobs one tries an index; those of
        a dead job are taken over."""
        needs = self._failed()
        if not needs:
            return []
        number = self._held.universe.tried_again + 1
        claims = Claims(self._held.work.folder.child(f"again-{number}"), lease.id)
        claims.claim(needs, self._rows_per_unit())
        return [
            unit
            for claim in claims.all()
            if not self._held_by_another(claim.owner, lease)
            for unit in self._units(claim, needs, number)
            if not self._held.holds(unit.name)
        ]

    def fill_again(self, units: Sequence[PoolUnit], crew: Crew) -> None:
        """Make those that are not made yet."""
        if missing := [unit for unit in units if not self._held.holds(unit.name)]:
            self._make(missing, crew, mended=True)
        if units:
            self._commit()

    def _failed(self) -> dict[str, Intervals]:
        """Indexes that failed, of classes that are short of samples."""
        found: dict[str, Intervals] = {}
        for label, want in self._wants.items():
            accepted = self._held.universe.accepted(label)
            short = len(want.within(accepted)) < want.quota
            if want.exact:
                short = bool(want.exact - accepted)
            failed = self._held.universe.failed(label)
            mine = failed & (want.exact or Intervals([(0, want.cap)]))
            if short and mine:
                found[label] = mine
        return found

    def read_records(self) -> None:
        """See what the pool holds; whether its shards are there as well is looked at when
        nothing else is needed."""
        prepared = self._prepared
        judge = build_filters(prepared.job.spec.filters), prepared.filters_digest
        self._held = Holdings(
            self._pool, self._universe_id, self.generator, judge, prepared.job_id, self._scorers
        )
        self._lacking()

    def score(self, crew: Crew) -> None:
        """Have scored what the pool holds and the job cannot judge yet; it can then."""
        if waiting := self._held.unscored():
            workers = self._prepared.job.spec.execution.workers
            score(self._scorers, waiting, crew.engine, crew.reporter, workers=workers,
                  watch=crew.watch)  # fmt: skip
            self._held.scored()

    def _lacking(self) -> dict[str, Intervals]:
        """As `needs`, with what is found lost where nothing else is."""
        needs = self.needs()
        return needs if needs or not self._held.look() else self.needs()

    def _await(self, units: Sequence[PoolUnit], reporter: Telling) -> None:
        """Another job that is alive makes these: look again in a moment."""
        if not self._told:
            reporter.note(f"waiting for samples of {self.generator} that another job makes")
            self._told = True
        time.sleep(_POLL_S)
        for unit in units:
            if (record := self._held.work.get(unit.name)) is not None:
                self._held.take(record)

    def _tell(self, telling: Telling) -> None:
        """Tell what became of every class up to now, and which shards there are."""
        telling.pooled(self.generator, self._held.untold())
        accepted = self._held.universe.accepted
        telling.accounts(
            [
                self._account(label, want, want.within(accepted(label)))
                for label, want in sorted(self._wants.items())
            ]
        )

    @property
    def spent(self) -> Spent:
        """What this job's runs spent on what the pool holds."""
        return self._held.spent

    def report(self, result: Synthesis) -> None:
        result.held.append(self._held.groups)
        result.made_now += self._made_now
        result.spent[self.generator] = self.spent
        for label, want in sorted(self._wants.items()):
            accepted = want.within(self._held.universe.accepted(label))
            result.accepted[self.generator, label] = accepted
            result.accounts.append(self._account(label, want, accepted))

    def _account(self, label: str, want: Want, accepted: Intervals) -> Account:
        universe = self._held.universe
        decided = universe.decided(label)
        if want.exact:
            looked, selected = want.exact & decided, len(want.exact & accepted)
        else:
            attempted, selected = considered(want.quota, want.cap, decided, accepted)
            looked = Intervals([(0, attempted)]) & decided
        rejected = {
            reason: len(found & looked) for reason, found in universe.rejected(label).items()
        }
        return Account(
            generator=self.generator,
            label_name=label,
            target=want.quota,
            cap=want.cap,
            attempted=len(looked),
            accepted=len(accepted & looked),
            rejected={reason: n for reason, n in rejected.items() if n},
            failed=len(universe.failed(label) & looked),
            selected=selected,
        )

    def needs(self) -> dict[str, Intervals]:
        """Indexes to make now, by class, as far as it is known what the pool holds."""
        universe = self._held.universe
        found = {
            label: want.needs(universe.decided(label), universe.accepted(label))
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
            if self._held.folded(claim):
                continue
            if wanted := [u for u in self._units(claim, needs) if not self._held.holds(u.name)]:
                (theirs if self._held_by_another(claim.owner, lease) else mine).extend(wanted)
        return mine, theirs

    def _units(
        self, claim: Claim, needs: Mapping[str, Intervals], again: int = 0
    ) -> Iterator[PoolUnit]:
        if not any(claim.needs.get(label, Intervals()) & need for label, need in needs.items()):
            return
        for unit in self._held.units(claim, again):
            if any(needs.get(c, Intervals()) & Intervals([(a, b)]) for c, a, b in unit.ranges):
                yield unit

    def _held_by_another(self, owner: str, lease: Lease) -> bool:
        return owner != lease.id and alive(lease_folder(self._pool), owner)

    def _make(self, units: Sequence[PoolUnit], crew: Crew, *, mended: bool = False) -> None:
        crew.reporter.begin(crew.engine)
        resources, _ = place(self._prepared.job.spec.execution.of(self.generator), crew.engine)
        task = self._task(crew.engine, crew.stamp, crew.lease.id)
        task = replace(task, mended=mended)
        crew.reporter.stage(f"synthesize {self.generator}", len(units))
        texts = [json.dumps(unit.to_json()) for unit in units]
        observed = crew.reporter.task(task, "synthesize", self.generator, len(units))
        results = crew.engine.run(observed, texts, resources)
        with Listening(self._prepared.work.folder, crew.lease.id, crew.reporter) as listening:
            for done, result in enumerate(results, start=1):
                crew.watch()
                record = crew.reporter.unit("synthesize", self.generator, result)
                listening.finished(record["unit"])
                rows = sum(stop - start for _, start, stop in record["ranges"])
                self._made_now += rows if record["made"] else 0  # else another job was faster
                self._held.take(record)
                crew.reporter.advance(done, rows)
                if crew.reporter.due():
                    self._tell(crew.reporter)
        self.score(crew)

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
        accepted = {c: self._held.universe.accepted(c) for c in self._wants}
        missing = sum(
            max(0, want.quota - len(want.within(accepted[c]))) for c, want in self._wants.items()
        )
        return Wanted(task, missing, first_points(lacking, BATCHES * task.placement.batch_size))

    def _commit(self) -> None:
        """Make the universe's shards visible in the pool's table."""
        there = newest_version(self._pool) is not None
        live = {file.path for file in live_files(self._pool)} if there else set()
        if entries := self._held.entries(live):
            table = ensure_table(self._pool, POOL_SCHEMA)
            new = digest([entry.path for entry in entries])
            commit_once(self._pool, table, Commit(new, 1, entries), lambda _: None)


def lease_folder(pool: Folder) -> Folder:
    """Where the jobs that fill a pool keep their leases."""
    return pool.child("_work")
