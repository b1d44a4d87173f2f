"""A committed data set gets the rows that failed: `augment retry OUTPUT`.

Failed are rows that were quarantined, and samples of the pool that failed and left cells
short. What can be made now is added by one more transaction of the same request, its next
generation; rows that are there stay as they are. A retry that is killed goes on where it was
(attempts.py); one that heals nothing adds no version.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from augment.errors import InterruptedRun, RequestError
from augment.plan import PoolUnit
from augment.run.clock import now
from augment.run.engines.engine import Engine
from augment.run.mixing.commit import (
    cell_results,
    check_counts,
    check_unique,
    job_document,
)
from augment.run.mixing.holding import gate_in_job, judge_before_commit
from augment.run.mixing.judging import judge, settle
from augment.run.mixing.mix import Arrangement, arranged
from augment.run.mixing.outcome import Outcome
from augment.run.mixing.retry_plan import (
    Outstanding,
    again_units,
    fresh_units,
    outstanding,
    rows_per_unit,
    taken_of,
)
from augment.run.mixing.retry_unit import RetryUnit
from augment.run.prepare import Frozen, Prepared, freeze, journal_of, prepare
from augment.run.progress import Reporter
from augment.run.synthesis.accounts import Synthesis
from augment.run.synthesis.filling import Crew
from augment.run.synthesis.rounds import lease_folder
from augment.run.synthesis.synthesize import make_again, synthesize, try_again
from augment.run.upkeep.attempts import Attempt, Attempts
from augment.run.upkeep.generations import CLEANED, History, history
from augment.run.upkeep.retry_build import build_units
from augment.run.watch.account import Account, account_from_json, account_to_json
from augment.run.watch.telling import Telling, logged
from augment.sample import QUARANTINE_SCHEMA
from augment.spec import Job
from augment.write import (
    Commit,
    Lease,
    LiveFile,
    Record,
    ShardEntry,
    card_is_current,
    commit_once,
    counts_table,
    ensure_table,
    holders,
    live_files,
    newest_version,
    open_table,
    read_gate,
    read_job,
    write_card,
    write_counts,
    write_gate,
    write_job,
    write_quarantine,
)

_POOL, _UNITS = "pool.json", "units.json"


@dataclass(frozen=True, kw_only=True)
class RetryResult(Outcome):
    """What a retry did. tried: rows and pool samples that had failed. healed: of these, rows
    that were added. failing: rows that are still left out. committed: whether this retry made
    the newest version."""

    generation: int
    tried: int
    healed: int
    failing: int
    committed: bool

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {
            "generation": self.generation,
            "tried": self.tried,
            "healed": self.healed,
            "failing": self.failing,
            "committed": self.committed,
        }


def retry(
    job: Job, engine: Engine, *, reporter: Reporter | None = None, despite_limits: bool = False
) -> RetryResult:
    """Make the failed rows of a committed job again. despite_limits: add them although limits that
    the job left with the table hold its commits back (`gate: before_commit`).

    Raises:
        GateError: they do; nothing was added, and what was made is kept.
        RequestError: the job is not committed, somebody works on it, or SOURCE_DATE_EPOCH, which
            workers read too, is nonsense.
        InterruptedRun: it broke half-way; calling again resumes.
    """
    now()
    with logged():
        return _retried(prepare(job), engine, Telling(reporter), despite_limits)


def _retried(
    prepared: Prepared, engine: Engine, told: Telling, despite_limits: bool
) -> RetryResult:
    told.named(prepared.job_id, prepared.job, engine.name)
    committed_generation(prepared)  # leave no trace where there is nothing to retry
    _refuse_cleaned(prepared)
    with (
        Lease(prepared.work.folder, time.time) as lease,
        journal_of(prepared, "retry", told) as journal,
    ):
        journal.keep()
        _refuse_company(prepared, lease)
        generation = committed_generation(prepared)
        doing = _Retry(prepared, generation, engine, told, lease, despite_limits)
        result = doing.carry_out()
        journal.ends_with(settle(prepared, result))
        return result


def committed_generation(prepared: Prepared) -> int:
    """The newest generation of this request that is committed.

    Raises:
        RequestError: there is none.
    """
    table = open_table(prepared.output)
    generation = None if table is None else table.transaction_version(prepared.digest)
    if not generation:
        raise RequestError(
            f"{prepared.output.uri}: job {prepared.job_id} is not committed there, so there is "
            "nothing to retry: `augment run` with its job file finishes it, and tries what is "
            "missing on the way"
        )
    return generation


class _Retry:
    """One retry of one job, under its lease."""

    def __init__(
        self,
        prepared: Prepared,
        generation: int,
        engine: Engine,
        reporter: Telling,
        lease: Lease,
        despite_limits: bool = False,
    ) -> None:
        self._lease, self._despite_limits = lease, despite_limits
        self._prepared, self._generation = prepared, generation
        self._engine, self._reporter = engine, reporter
        self._frozen: Frozen = freeze(prepared, _no_clock)
        self._arrangement = _arrangement(self._frozen)
        self._attempt: Attempt = Attempts(prepared.work).current()

    def carry_out(self) -> RetryResult:
        """Freeze what is tried, make it, commit it, close the attempt."""
        before = history(self._prepared, self._arrangement, self._before())
        found = outstanding(self._arrangement, before.first, before.later)
        document = self._attempt.document(_UNITS)
        if document is None:
            synthesis = self._pool(before.accounts)
            document = self._frozen_units(found, before, synthesis)
        units = [RetryUnit.from_json(unit) for unit in document["units"]]
        pool = sum(unit.rows for some in self._pool_units().values() for unit in some)
        tried = len(found.rows) + pool
        healed = self._build_and_commit(units, document) if units else 0
        if units or pool:
            self._attempt.close(committed=healed > 0)
        return self._result(tried, healed)

    def _before(self) -> int:
        """The generation that this attempt goes out from, also where it has committed."""
        document = self._attempt.document(_UNITS)
        return self._generation if document is None else document["generation"] - 1

    # ---- the pool --------------------------------------------------------------------

    def _pool(self, accounts: Sequence[Account]) -> Synthesis | None:
        """What the pool holds once failed samples were tried again; None where no cell is short
        of samples that failed."""
        if not any(a.shortfall and a.failed for a in accounts):
            return None
        with Lease(lease_folder(self._prepared.pool), time.time) as lease:
            crew = self._crew(lease)
            if not self._pool_units() and (failed := try_again(self._frozen, crew)):
                listed = {name: [u.to_json() for u in some] for name, some in failed.items()}
                self._attempt.freeze(_POOL, {"units": listed})
            found = make_again(self._frozen, self._pool_units(), crew)
            self._tell_lost(accounts, found.accounts)
            return found

    def _tell_lost(self, before: Sequence[Account], now: Sequence[Account]) -> None:
        """A pool that forgot what failed cannot be asked for it again."""
        looked = {(a.generator, a.label_name): a.attempted for a in now}
        lost = sorted(
            {a.generator for a in before if looked[a.generator, a.label_name] < a.attempted}
        )
        if lost:
            self._reporter.note(
                f"{self._prepared.pool.uri} does not hold all records of {', '.join(lost)} any "
                "more: samples that failed there are not known; `augment synthesize` fills it anew"
            )

    def _pool_units(self) -> dict[str, list[PoolUnit]]:
        """generator -> what this attempt makes again, once it is frozen."""
        document = self._attempt.document(_POOL) or {"units": {}}
        return {
            name: list(map(PoolUnit.from_json, some)) for name, some in document["units"].items()
        }

    # ---- the data set ----------------------------------------------------------------

    def _frozen_units(
        self, found: Outstanding, before: History, synthesis: Synthesis | None
    ) -> dict[str, Any]:
        """What this attempt makes; frozen, unless it is nothing."""
        plan, number = self._frozen.plan, self._attempt.number
        rows = min((rows_per_unit(plan, split) for split in plan.units), default=1)
        units = again_units(found, number, rows)
        accounts: Sequence[Account] = before.accounts
        if synthesis is not None:
            taken = taken_of(self._arrangement, [unit for _, unit in before.later])
            first = {split: sum(u.split == split for u in units) for split in plan.units}
            fresh = fresh_units(self._frozen, synthesis, taken, number, first)
            units += fresh
            accounts = synthesis.accounts if fresh else accounts
        document = {
            "generation": self._generation + 1,
            "units": [unit.to_json() for unit in units],
            "accounts": [account_to_json(a) for a in accounts],
        }
        return self._attempt.freeze(_UNITS, document) if units else document

    def _build_and_commit(self, units: Sequence[RetryUnit], document: Mapping[str, Any]) -> int:
        """Rows that were added."""
        work, crew = self._attempt.work, self._own_crew()
        records = build_units(self._frozen, work, units, crew, self._restore_pool)
        entries = [ShardEntry.from_json(r["entry"]) for r in records if r["entry"] is not None]
        healed = sum(entry.rows for entry in entries)
        if not healed:
            return 0
        generation: int = document["generation"]
        if self._generation < generation:
            self._lease.check()
            self._check(entries, records, document)
            self._judge(entries)
            self._lease.check()
            self._commit(generation, entries, records)
            self._generation = generation
            self._reporter.note(f"committed generation {generation}: {healed} rows")
        self._keep_provenance()
        return healed

    def _restore_pool(self) -> None:
        """Pool shards that are gone are made again."""
        with Lease(lease_folder(self._prepared.pool), time.time) as lease:
            crew = self._crew(lease)
            synthesize(self._frozen, crew)
            make_again(self._frozen, self._pool_units(), crew)

    def _crew(self, lease: Lease) -> Crew:
        return Crew(self._engine, lease, self._reporter, self._frozen.stamp, also=self._lease)

    def _own_crew(self) -> Crew:
        despite = self._despite_limits
        stamp = self._frozen.stamp
        return Crew(self._engine, self._lease, self._reporter, stamp, despite_limits=despite)

    def _check(
        self,
        entries: Sequence[ShardEntry],
        records: Sequence[Record],
        document: Mapping[str, Any],
    ) -> None:
        """Counts of all generations together are the planned ones, and ids are unique."""
        before = history(self._prepared, self._arrangement, self._generation)
        accounts = tuple(account_from_json(a) for a in document["accounts"])
        arrangement = Arrangement(self._arrangement.units, accounts)
        results = cell_results(self._frozen, [*before.records, *records])
        check_counts(self._frozen, arrangement, results)
        check_unique(self._prepared.output, [*live_files(self._prepared.output), *entries])

    def _judge(self, entries: Sequence[ShardEntry]) -> None:
        """By the limits that the job left with the table, of the version as it would be."""
        output, job_id = self._prepared.output, self._prepared.job_id
        files: list[LiveFile | ShardEntry] = [*live_files(output), *entries]
        job = read_job(output, job_id) or {}
        gate = judge_before_commit(self._prepared, files, job, self._own_crew())
        if gate is not None:
            write_gate(output, job_id, gate.document)

    def _commit(
        self, generation: int, entries: Sequence[ShardEntry], records: Sequence[Record]
    ) -> None:
        prepared = self._prepared
        table = ensure_table(prepared.output, self._frozen.schema, self._frozen.plan.classes)
        cubes = [(r["entry"]["path"], r["cube"]) for r in records if r["entry"] is not None]
        write_counts(prepared.output, prepared.job_id, counts_table(cubes))
        about = {"job_id": prepared.job_id, "request": prepared.digest}
        commit_once(
            prepared.output, table, Commit(prepared.digest, generation, entries, about), _anything
        )

    def _keep_provenance(self) -> None:
        """What was left out and what became of every cell, of all generations together; made
        again from the records where a retry died before it."""
        prepared = self._prepared
        now = history(prepared, self._arrangement, self._generation)
        left = outstanding(self._arrangement, now.first, now.later)
        table = pa.Table.from_pylist(list(left.rows.values()), schema=QUARANTINE_SCHEMA)
        write_quarantine(prepared.output, prepared.job_id, [table])
        arrangement = Arrangement(self._arrangement.units, now.accounts)
        document = job_document(self._frozen, arrangement, now.records)
        told: dict[str, Any] = {"generation": self._generation}
        known = read_job(prepared.output, prepared.job_id) or {}
        if "limits" in known:  # a retry is not where they change
            told["limits"] = known["limits"]
        if "gate" in known:
            judged = read_gate(prepared.output, prepared.job_id)
            told["gate"] = known["gate"] if judged is None else gate_in_job(judged)
        write_job(prepared.output, prepared.job_id, document | told, again=True)

    def _result(self, tried: int, healed: int) -> RetryResult:
        prepared = self._prepared
        version = newest_version(prepared.output)
        assert version is not None  # it is committed
        if not card_is_current(prepared.output, version):
            version = write_card(prepared.output)
        now = history(prepared, self._arrangement, self._generation)
        left = outstanding(self._arrangement, now.first, now.later)
        return RetryResult(
            job_id=prepared.job_id,
            output=prepared.output.uri,
            version=version,
            generation=self._generation,
            tried=tried,
            healed=healed,
            failing=len(left.rows),
            committed=healed > 0,
            cells=tuple(cell_results(self._frozen, now.records)),
            accounts=now.accounts,
            audit=judge(prepared),
            on_shortfall=prepared.job.spec.on_shortfall,
        )


def _arrangement(frozen: Frozen) -> Arrangement:
    found = arranged(frozen)
    if found is None:
        raise RequestError(
            f"{frozen.prepared.work.folder.url('plan/units.json')}: not there, so that it cannot "
            "be told which rows failed; restore the work folder, or make another data set"
        )
    return found


def _refuse_cleaned(prepared: Prepared) -> None:
    gone = prepared.work.frozen("plan.json") is None or not prepared.work.folder.exists("units")
    if gone or prepared.work.frozen(CLEANED) is not None:
        raise RequestError(
            f"{prepared.work.folder.uri}: the records of job {prepared.job_id} were removed "
            "(`augment clean` does so after --keep-days), so that it cannot be told which rows "
            "failed; make another data set with an own output.uri: the pool is used again"
        )


def _refuse_company(prepared: Prepared, own: Lease) -> None:
    others = [h for h in holders(prepared.work.folder) if h.id != own.id]
    if others:
        raise RequestError(
            f"{prepared.output.uri}: {others[0]} works on job {prepared.job_id}; "
            "retry when it has ended (`augment status` shows it)"
        )


def _no_clock() -> Any:
    raise InterruptedRun("the plan of a committed job is gone; its work folder was changed by hand")


def _anything(_: Any) -> None:
    """The request has rows here already."""
