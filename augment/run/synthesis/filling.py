"""One generator's part of a pool: which indexes are needed, who makes them, what came of them.

A round asks for the lowest indexes that are not yet decided; rejects ask for the next ones,
up to the cap. Work is claimed before it is begun, so that jobs which share a pool and run
at once make every index once; a dead job's claims are taken over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from augment.errors import StorageError
from augment.filters import build_filters
from augment.intervals import Intervals
from augment.plan import POOL_UNIT_BYTES, Plan, PoolUnit, considered, pool_unit_rows
from augment.run.engines.engine import Engine, Streams
from augment.run.engines.placing import place
from augment.run.prepare import FrozenInputs, Prepared
from augment.run.scoring.scorers import Scorers, known_scorers
from augment.run.scoring.scoring import score
from augment.run.synthesis.accounts import Synthesis, Want, wants_of
from augment.run.synthesis.cost import Spent
from augment.run.synthesis.holdings import Holdings
from augment.run.synthesis.measuring import BATCHES, Wanted, first_points
from augment.run.synthesis.pool_unit import PoolTask
from augment.run.synthesis.rounds import (
    ROUND_UNITS,
    Following,
    Rounds,
    Unit,
    handed,
    held_by_another,
    holding,
)
from augment.run.watch.account import Account
from augment.run.watch.beats import Listening
from augment.run.watch.telling import Telling
from augment.sample import POOL_SCHEMA, Stamp
from augment.seeds import digest
from augment.write import (
    Claims,
    Commit,
    Lease,
    commit_once,
    ensure_table,
    live_files,
    newest_version,
)

_POLL_S = 0.5


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
    round_units: int = ROUND_UNITS
    """Units of a round at most."""
    unit_bytes: int = POOL_UNIT_BYTES
    """What the images of a unit take, decoded, at most."""

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
        size = self._rows_per_unit(crew.unit_bytes), crew.round_units
        rounds = Rounds(self._held, self._wants, self._pool, crew.lease, *size)
        self.score(crew)
        self._tell(crew.reporter)
        self._held.fold()
        while needs := self._lacking():
            mine, theirs = rounds.begin(needs)
            if mine:
                self._make(mine, crew, rounds)
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
            if not held_by_another(self._pool, claim, lease)
            for unit in holding(self._held.units(claim, number), claim.needs, needs)
            if not self._held.holds(unit.name)
        ]

    def fill_again(self, units: Sequence[PoolUnit], crew: Crew) -> None:
        """Make those that are not made yet."""
        if missing := [unit for unit in units if not self._held.holds(unit.name)]:
            self._make(list(handed(missing)), crew)
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

    def _await(self, units: Sequence[Unit], reporter: Telling) -> None:
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

    def _rows_per_unit(self, unit_bytes: int = POOL_UNIT_BYTES) -> int:
        info = self._prepared.infos[self.generator]
        return pool_unit_rows(info.height * info.width * info.channels, unit_bytes)

    def _make(self, units: Sequence[Unit], crew: Crew, rounds: Rounds | None = None) -> None:
        """rounds: what follows while these are made. Without them, it is failed samples that are
        made again."""
        telling, engine = crew.reporter, crew.engine
        telling.begin(engine)
        resources, _ = place(self._prepared.job.spec.execution.of(self.generator), engine)
        task = self._task(engine, crew.stamp, crew.lease.id)
        task = replace(task, mended=rounds is None)
        given = Following(rounds, lambda left: self._tell_left(left, telling))
        observed = telling.task(task, "synthesize", self.generator, len(units))
        telling.stage(f"synthesize {self.generator}", len(units))
        texts = given.begin(units)
        follows = rounds is not None and not self._scorers and rounds.follow()
        if isinstance(engine, Streams) and follows:  # where there are scorers, a round is scored
            results = engine.stream(observed, texts, given.more, resources)
        else:
            results = engine.run(observed, texts, resources)
        with Listening(self._prepared.work.folder, crew.lease.id, telling) as listening:
            for result in results:
                crew.watch()
                record = telling.unit("synthesize", self.generator, result)
                listening.finished(record["unit"])
                rows = sum(stop - start for _, start, stop in record["ranges"])
                self._made_now += rows if record["made"] else 0  # else another job was faster
                self._held.take(record)
                whole = given.back(record["unit"])
                telling.advance(given.told, rows)
                if telling.due():
                    self._tell(telling)
                if whole and given.left:
                    self._held.fold()  # a round has ended, and the next one is being made
        self.score(crew)

    def _tell_left(self, left: int, telling: Telling) -> None:
        """Another round was handed over: so many units are left."""
        telling.queued("synthesize", self.generator, left)
        telling.stage(f"synthesize {self.generator}", left)

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
