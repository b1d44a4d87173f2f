"""The whole path on one page: asked -> planned -> made -> mixed -> kept -> judged.

    prepare   describe generators, name the request
    freeze    census and plan, once
    fill      generators -> pool            (`augment synthesize` ends here)
    arrange   which rows go into which unit, once
    build     real rows + copies + pool rows -> shards
    commit    one transaction
    judge     card and audit

Every stage finds what an earlier run finished and goes on from there; nothing is visible
before the commit, and nothing is lost after it.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.audit import AuditReport, audit
from augment.run.commit import (
    CellResult,
    commit,
    committed,
    refuse_foreign_output,
)
from augment.run.engine import Engine
from augment.run.generations import from_provenance, latest
from augment.run.journal import journaled
from augment.run.mixing import (
    Arrangement,
    Record,
    arrange,
    arranged,
    build,
    finished,
    lost_pool_shards,
    refuse_short_pool,
)
from augment.run.prepare import Clock, Frozen, Prepared, freeze, prepare
from augment.run.progress import Reporter, Silent
from augment.run.synthesis import (
    Account,
    Crew,
    Synthesis,
    inspect_pool,
    lease_folder,
    synthesize,
)
from augment.spec import Job
from augment.storage import Folder
from augment.write import CommitResult, Lease, card_is_current, holders, write_card

_POLL_S = 0.5


@dataclass(frozen=True)
class RunResult:
    """What a run did. already: an earlier run had committed it, nothing was made now."""

    job_id: str
    output: str
    pool: str
    version: int
    already: bool
    made_now: int
    """Samples that this run generated; 0 where the pool had them all."""
    cells: tuple[CellResult, ...]
    accounts: tuple[Account, ...]
    audit: AuditReport
    on_shortfall: str

    @property
    def shortfall(self) -> int:
        return sum(a.shortfall for a in self.accounts)

    @property
    def ok(self) -> bool:
        """Every limit holds, and no shortfall that the job calls a failure."""
        return self.audit.ok and not (self.shortfall and self.on_shortfall == "fail")


def run(
    job: Job,
    engine: Engine,
    *,
    reporter: Reporter | None = None,
    clock: Clock | None = None,
) -> RunResult:
    """Carry a job out, or finish what an earlier run of the same request began.

    Raises:
        RequestError: the request is wrong; nothing was started.
        InterruptedRun: it broke half-way; calling again resumes.
    """
    return _run(job, engine, reporter or Silent(), clock or now, fill=True)


def mix(
    job: Job,
    engine: Engine,
    *,
    reporter: Reporter | None = None,
    clock: Clock | None = None,
) -> RunResult:
    """As `run`, from what the pool holds: no generator is loaded.

    Raises:
        RequestError: the pool lacks samples that the plan needs. Others: see `run`.
    """
    return _run(job, engine, reporter or Silent(), clock or now, fill=False)


def fill_pool(
    job: Job,
    engine: Engine,
    *,
    reporter: Reporter | None = None,
    clock: Clock | None = None,
) -> Synthesis:
    """The first half: fill the pool with what the job's plan draws.

    Raises: see `run`.
    """
    reporter, clock = reporter or Silent(), clock or now
    prepared = prepare(job)
    frozen = freeze(prepared, clock)
    with journaled(prepared, "synthesize", reporter) as told:
        return _filled(frozen, engine, told)


def _filled(frozen: Frozen, engine: Engine, reporter: Reporter) -> Synthesis:
    """The pool holds what the plan draws; one that draws nothing leaves no trace there."""
    if not frozen.plan.draws:
        return Synthesis()
    with Lease(lease_folder(frozen.prepared.pool), time.time) as lease:
        return synthesize(frozen, Crew(engine, lease, reporter, frozen.stamp))


def _run(job: Job, engine: Engine, reporter: Reporter, clock: Clock, *, fill: bool) -> RunResult:
    prepared = prepare(job)
    refuse_foreign_output(prepared)
    if (kept := from_provenance(prepared)) and (done_before := committed(prepared)):
        _card(prepared.output, done_before.version)
        return _result(prepared, done_before, 0, kept)
    frozen = freeze(prepared, clock)
    with (
        Lease(prepared.work.folder, time.time) as own,
        journaled(prepared, "run" if fill else "mix", reporter) as reporter,
    ):
        _wait_for_turn(prepared.work.folder, own, reporter)
        done = finished(frozen)
        arrangement, made_now = _arranged(frozen, done, engine, reporter, fill=fill)
        records = build(frozen, arrangement, done, engine, reporter)
        result = committed(prepared) or commit(frozen, arrangement, records)
        if not result.already:
            reporter.note(f"committed version {result.version}")
        _card(prepared.output, result.version)
        figures = latest(frozen, arrangement, records)
    return _result(prepared, result, made_now, figures)


def _result(
    prepared: Prepared,
    result: CommitResult,
    made_now: int,
    figures: tuple[tuple[CellResult, ...], tuple[Account, ...]],
) -> RunResult:
    cells, accounts = figures
    return RunResult(
        job_id=prepared.job_id,
        output=prepared.output.uri,
        pool=prepared.pool.uri,
        version=result.version,
        already=result.already,
        made_now=made_now,
        cells=cells,
        accounts=accounts,
        audit=_judge(prepared),
        on_shortfall=prepared.job.spec.on_shortfall,
    )


def _arranged(
    frozen: Frozen, done: Mapping[str, Record], engine: Engine, reporter: Reporter, *, fill: bool
) -> tuple[Arrangement, int]:
    """The frozen arrangement, and how many samples were generated to get it, or to have
    again what it draws from."""
    known = arranged(frozen)
    if known is not None and not (fill and lost_pool_shards(frozen, known, done)):
        return known, 0
    if not fill:
        synthesis = inspect_pool(frozen.prepared, frozen.plan)
        refuse_short_pool(frozen, synthesis)
        return arrange(frozen, synthesis), 0
    synthesis = _filled(frozen, engine, reporter)
    return arrange(frozen, synthesis), synthesis.made_now


def _judge(prepared: Prepared) -> AuditReport:
    return audit(prepared.output.uri, limits=prepared.job.spec.limits, options=prepared.options)


def _card(output: Folder, version: int) -> None:
    if not card_is_current(output, version):
        write_card(output)


def _wait_for_turn(folder: Folder, own: Lease, reporter: Reporter) -> None:
    """A second driver of the same request waits for the first: nothing is made twice."""
    told = False
    while (first := _first(holders(folder), own)) is not None:
        if not told:
            reporter.note(f"{first} runs this job already; waiting for it to end")
            told = True
        time.sleep(_POLL_S)


def _first(found: Sequence[Any], own: Lease) -> Any | None:
    return found[0] if found and found[0].id != own.id else None


def now() -> dt.datetime:
    """The time in UTC; `SOURCE_DATE_EPOCH` (seconds) stands in for it where it is set, as
    reproducible-builds.org specifies."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    return dt.datetime.fromtimestamp(float(fixed), dt.UTC) if fixed else dt.datetime.now(dt.UTC)
