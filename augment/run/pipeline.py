"""The whole path on one page: asked -> planned -> made -> mixed -> kept -> judged.

    prepare   describe generators, name the request
    freeze    census and plan, once
    fill      generators -> pool            (`augment synthesize` ends here)
    arrange   which rows go into which unit, once
    build     real rows + copies + pool rows -> shards
    gate      limits of those shards, where the job holds its commit back by them
    commit    one transaction
    judge     card and audit

Every stage finds what an earlier run finished and goes on from there; nothing is visible
before the commit, and nothing is lost after it.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, assert_never, overload

from augment.errors import PlanError
from augment.plan import Plan, broken_limits, unknown_classes
from augment.run.clock import Clock, now
from augment.run.engines.engine import Engine
from augment.run.mixing.commit import (
    CellResult,
    commit,
    committed,
    entries_of,
    job_document,
    refuse_foreign_output,
)
from augment.run.mixing.emptied import Emptied, emptied_draws, refusal_of_draws
from augment.run.mixing.holding import Gate, judge_before_commit, refuse_unmeasurable
from augment.run.mixing.judging import judge, settle
from augment.run.mixing.mix import (
    Arrangement,
    Borne,
    Record,
    arrange,
    arranged,
    build,
    finished,
    lacks_scores,
    lost_pool_shards,
    refuse_short_pool,
)
from augment.run.mixing.outcome import Outcome
from augment.run.prepare import Frozen, Prepared, freeze, journal_of, prepare
from augment.run.progress import Reporter
from augment.run.scoring.scorers import refuse_unscorable
from augment.run.synthesis.accounts import Synthesis
from augment.run.synthesis.cost import Estimate, Spent
from augment.run.synthesis.filling import Crew
from augment.run.synthesis.limits import refuse_broken, told_despite
from augment.run.synthesis.rounds import lease_folder
from augment.run.synthesis.synthesize import (
    judge_pool,
    make_again,
    read_estimates,
    synthesize,
    try_again,
)
from augment.run.upkeep.again import Built, build_all
from augment.run.upkeep.changes import OF_RUN, Changes, changes
from augment.run.upkeep.generations import from_provenance, latest
from augment.run.watch.account import Account
from augment.run.watch.telling import Observer, Telling, logged
from augment.spec import Job
from augment.storage import Folder
from augment.write import (
    CommitResult,
    Holder,
    Journal,
    Lease,
    card_is_current,
    holders,
    write_card,
)

_POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class RunResult(Outcome):
    """What a run did. already: an earlier run had committed it, nothing was made now."""

    pool: str
    already: bool
    made_now: int
    """Samples that this run generated; 0 where the pool had them all."""
    estimates: tuple[Estimate, ...]
    """What was measured before samples were made, by this run or an earlier one."""
    spent: Mapping[str, Spent]
    """generator -> what was spent on its samples until the data set was arranged."""
    changes: Changes | None
    """Of the sources since the census; None where this run committed."""

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {
            "pool": self.pool,
            "already": self.already,
            "made_now": self.made_now,
            "costs": [one.to_json() for one in self.estimates],
            "spent": {name: one.to_json() for name, one in self.spent.items()},
            "changes": None if self.changes is None else asdict(self.changes),
        }


Verb = Literal["run", "mix", "synthesize"]
"""run: the whole path. mix: from what the pool holds, no generator is loaded. synthesize: the pool
is filled with what the job's plan draws, and that is all."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How a job is carried out, as its caller says; nothing here decides a row.

    takeover: do not wait for a run that holds the job's lease, stop it instead.
    measure: time a few batches first, so that the cost can be foreseen and compared.
    despite_limits: go on where the plan breaks limits of the job; the operator's hold.
    observers: are told of everything beside the reporter."""

    reporter: Reporter | None = None
    clock: Clock = now
    takeover: bool = False
    measure: bool = False
    despite_limits: bool = False
    observers: Sequence[Observer] = ()


_USUAL = How()


@overload
def carry_out(
    job: Job, engine: Engine, verb: Literal["run", "mix"] = ..., how: How = ...
) -> RunResult: ...


@overload
def carry_out(
    job: Job, engine: Engine, verb: Literal["synthesize"], how: How = ...
) -> Synthesis: ...


def carry_out(
    job: Job, engine: Engine, verb: Verb = "run", how: How = _USUAL
) -> RunResult | Synthesis:
    """Carry a job out, or finish what an earlier run of the same request began.

    Raises:
        RequestError: the request is wrong, or `mix` lacks samples that the plan needs; nothing
            was started.
        GateError: the plan breaks a limit; nothing was started.
        InterruptedRun: it broke half-way, or another run took it over; calling again resumes.
    """
    way = _Way(engine, Telling(how.reporter, how.observers), how)
    with logged():
        match verb:
            case "run" | "mix":
                return _run(job, way, fill=verb == "run")
            case "synthesize":
                return _synthesize(job, way)
            case _:
                assert_never(verb)


@dataclass(frozen=True)
class _Way:
    engine: Engine
    reporter: Telling
    how: How


def _prepared(job: Job, way: _Way) -> Prepared:
    way.how.clock()  # one that is set wrong is told of before anything begins, also on a later try
    with way.reporter.span("prepare"):
        prepared = prepare(job)
    way.reporter.named(prepared.job_id, prepared.job, way.engine.name)
    return prepared


def _frozen(prepared: Prepared, way: _Way) -> Frozen:
    """The plan, which breaks no limit, or may, or has been carried out already."""

    limits, done = prepared.job.spec.limits, functools.cache(lambda: committed(prepared))

    def judge(plan: Plan) -> None:
        if problems := unknown_classes(prepared.job.spec, plan.classes):
            raise PlanError(problems)
        if broken_limits(plan, limits) and done() is None:
            refuse_broken(plan, limits, despite=way.how.despite_limits)

    frozen = freeze(prepared, way.how.clock, way.reporter, judge)
    if (text := told_despite(frozen.plan, limits)) and done() is None:
        way.reporter.note(text)
    way.reporter.planned(frozen.plan)
    return frozen


def _filled(frozen: Frozen, crew: Crew) -> Synthesis:
    """The pool holds what the plan draws; one that draws nothing leaves no trace there."""
    if not frozen.plan.draws:
        return Synthesis()
    with Lease(lease_folder(frozen.prepared.pool), time.time) as lease:
        return synthesize(frozen, replace(crew, lease=lease, also=crew.lease))


def _synthesized(frozen: Frozen, crew: Crew) -> tuple[Synthesis, list[Emptied]]:
    """The filled pool, and cells for which it has nothing. Samples that failed in earlier runs
    are tried again where a cell has nothing else."""
    synthesis, spared = _filled(frozen, crew), frozen.prepared.job.spec.errors.allow_empty_classes
    emptied = emptied_draws(frozen.plan, synthesis, spared)
    classes = {one.label_name for one in emptied}
    failed = any(a.failed for a in synthesis.accounts if a.label_name in classes)
    if synthesis.made_now or not failed:
        return synthesis, emptied
    with Lease(lease_folder(frozen.prepared.pool), time.time) as lease:
        inner = replace(crew, lease=lease, also=crew.lease)
        synthesis = make_again(frozen, try_again(frozen, inner), inner)
    return synthesis, emptied_draws(frozen.plan, synthesis, spared)


def _synthesize(job: Job, way: _Way) -> Synthesis:
    prepared = _prepared(job, way)
    refuse_unscorable(job.spec)
    with _turn(prepared, way, "synthesize") as (frozen, crew, journal):
        synthesis, emptied = _synthesized(frozen, crew)
        short = any(account.shortfall for account in synthesis.accounts)
        failed = short and job.spec.on_shortfall == "fail"
        journal.ends_with(1 if emptied or failed else 0)
        return replace(synthesis, emptied=list(map(str, emptied)))


def _run(job: Job, way: _Way, *, fill: bool) -> RunResult:
    prepared, reporter = _prepared(job, way), way.reporter
    refuse_foreign_output(prepared)
    refuse_unmeasurable(job.spec.limits)
    refuse_unscorable(job.spec)
    if (kept := from_provenance(prepared)) and (done_before := committed(prepared)):
        result = _result(prepared, done_before, 0, kept)
        settle(prepared, result)
        return result
    with _turn(prepared, way, "run" if fill else "mix") as (frozen, crew, journal):
        done = finished(frozen)
        arrangement, made_now = _arranged(frozen, done, crew, fill=fill)
        reporter.accounts(arrangement.accounts)
        known = committed(prepared)
        if known is None:
            restore = functools.partial(_filled, frozen, crew) if fill else _nothing
            built = build_all(frozen, arrangement, done, crew, restore)
        else:
            built = Built(build(frozen, arrangement, done, Borne(), crew))
        crew.lease.check()
        gate = None if known else _judged_before(frozen, arrangement, built, crew)
        crew.lease.check()
        with reporter.span("commit"):
            done_now = (
                known
                or committed(prepared)
                or commit(frozen, arrangement, built.first, built.later, gate)
            )
        reporter.committed(done_now.version)
        if not done_now.already:
            reporter.note(f"committed version {done_now.version}")
        with reporter.span("card"):  # readers find the version before it is judged
            _card(prepared.output, done_now.version)
        figures = latest(frozen, arrangement, built.first)
        with reporter.span("audit"):
            result = _result(prepared, done_now, made_now, figures, arrangement.spent)
            journal.ends_with(settle(prepared, result))
    return result


def _judged_before(
    frozen: Frozen, arrangement: Arrangement, built: Built, crew: Crew
) -> Gate | None:
    """Raises: GateError: the job's limits hold the commit back."""
    job = job_document(frozen, arrangement, built.records)
    return judge_before_commit(frozen.prepared, entries_of(built.records), job, crew)


def _result(
    prepared: Prepared,
    result: CommitResult,
    made_now: int,
    figures: tuple[tuple[CellResult, ...], tuple[Account, ...]],
    spent: Mapping[str, Spent] = MappingProxyType({}),
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
        audit=judge(prepared),
        on_shortfall=prepared.job.spec.on_shortfall,
        estimates=tuple(read_estimates(prepared)),
        spent=spent,
        changes=changes(prepared.job, prepared.work, OF_RUN) if result.already else None,
    )


def _arranged(
    frozen: Frozen, done: Mapping[str, Record], crew: Crew, *, fill: bool
) -> tuple[Arrangement, int]:
    """The frozen arrangement, and how many samples were generated to get it, or to have
    again what it draws from."""
    known = arranged(frozen)
    if known is not None and not (fill and lost_pool_shards(frozen, known, done)):
        if lacks_scores(frozen, known, done):
            judge_pool(frozen, crew)
        return known, 0
    if fill:
        synthesis, emptied = _synthesized(frozen, crew)
    else:
        synthesis = judge_pool(frozen, crew)
        refuse_short_pool(frozen, synthesis)
        spared = frozen.prepared.job.spec.errors.allow_empty_classes
        emptied = emptied_draws(frozen.plan, synthesis, spared)
    if emptied and known is None:
        raise refusal_of_draws(emptied)
    with crew.reporter.span("arrange"):
        return arrange(frozen, synthesis), synthesis.made_now


def _nothing() -> None:
    """A pool that is not filled here is not restored: who draws from it says what is gone."""


def _card(output: Folder, version: int) -> None:
    if not card_is_current(output, version):
        write_card(output)


@contextlib.contextmanager
def _turn(prepared: Prepared, way: _Way, verb: str) -> Iterator[tuple[Frozen, Crew, Journal]]:
    """The plan; then under the job's lease, once nobody holds an older one: nothing is made
    twice."""
    with journal_of(prepared, verb, way.reporter) as journal:
        frozen = _frozen(prepared, way)
        with Lease(prepared.work.folder, time.time) as own:
            journal.keep()
            if way.how.takeover:
                _take_over(prepared, own, way.reporter)
            _wait_for_turn(prepared.work.folder, own, way.reporter)
            crew = Crew(
                way.engine,
                own,
                way.reporter,
                frozen.stamp,
                measure=way.how.measure,
                despite_limits=way.how.despite_limits,
            )
            yield frozen, crew, journal


def _wait_for_turn(folder: Folder, own: Lease, reporter: Reporter) -> None:
    told = False
    while (first := _first(holders(folder), own)) is not None:
        if not told:
            reporter.note(
                f"{first} runs this job already, since {first.since_when()}; waiting for it to end "
                "(if it hangs, --takeover goes on without it)"
            )
            told = True
        time.sleep(_POLL_S)
        own.check()


def _take_over(prepared: Prepared, own: Lease, reporter: Reporter) -> None:
    """Whoever holds an older lease of the job loses it, and what its process holds of the
    pool."""
    pool = lease_folder(prepared.pool)
    in_pool = holders(pool) if prepared.job.spec.synthesize else []
    while (first := _first(holders(prepared.work.folder), own)) is not None:
        own.take_over(prepared.work.folder, first)
        for holder in in_pool:
            if holder.is_process_of(first):
                own.take_over(pool, holder)
        reporter.note(f"took over from {first}, which ran this job since {first.since_when()}")


def _first(found: Sequence[Holder], own: Lease) -> Holder | None:
    """Who is before `own`: nobody is where it has been lost itself."""
    return found[0] if found and found[0].id != own.id else None
