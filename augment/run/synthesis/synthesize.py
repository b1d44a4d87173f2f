"""Filling the pool with what a plan draws: generator after generator, once it is known that all
of them can start, and at what cost.

filling.py has one generator's part, accounts.py what came of it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from augment.errors import GateError
from augment.plan import Plan, PoolUnit
from augment.run.engines.engine import Engine
from augment.run.engines.placing import refuse_infeasible
from augment.run.prepare import Frozen, FrozenInputs, Prepared
from augment.run.scoring.scorers import scorers_of
from augment.run.synthesis.accounts import Synthesis
from augment.run.synthesis.cost import ESTIMATES, Estimate, Spent, kept_estimates, over_budget
from augment.run.synthesis.filling import Crew, Filling
from augment.run.synthesis.limits import gpu_hours
from augment.run.synthesis.measuring import Wanted, measure
from augment.sample import Stamp


def synthesize(frozen: Frozen, crew: Crew) -> Synthesis:
    """Make what the plan draws and the pool lacks, generator after generator.

    Raises:
        RequestError: the engine can never start the actors that one of them needs.
        GateError: the job may not spend what they are measured to need.
        StorageError, CheckpointError, UnitFailed, InterruptedRun: see the worker.
    """
    result = Synthesis()
    scorers = scorers_of(frozen, crew.reporter)
    fillings = [
        Filling(frozen.prepared, frozen.plan, generator, frozen.inputs, scorers)
        for generator in _generators(frozen.plan)
    ]
    for filling in fillings:
        filling.read_records()
        filling.score(crew)
    lacking = [filling for filling in fillings if filling.needs()]
    names = [filling.generator for filling in lacking]
    if lacking:
        crew.reporter.begin(crew.engine)
    refuse_infeasible(frozen.prepared.job.spec.execution, names, crew.engine)
    _measure(frozen, crew, lacking, {f.generator: f.spent for f in fillings})
    for filling in fillings:
        with crew.reporter.span("synthesize", filling.generator):
            filling.fill(crew)
        filling.report(result)
    return result


def _measure(
    frozen: Frozen, crew: Crew, lacking: Sequence[Filling], spent: Mapping[str, Spent]
) -> None:
    """Time a few batches where somebody wants to know, and refuse what costs too much."""
    prepared = frozen.prepared
    limit = gpu_hours(prepared.job.spec.limits, despite=crew.despite_limits)
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
        filling = Filling(prepared, plan, generator, inputs)
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
        filling = Filling(frozen.prepared, frozen.plan, generator, frozen.inputs)
        filling.read_records()
        filling.score(crew)
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
        filling = Filling(frozen.prepared, frozen.plan, generator, frozen.inputs)
        filling.read_records()
        filling.score(crew)
        filling.fill_again(units.get(generator, ()), crew)
        filling.report(result)
    return result


def judge_pool(frozen: Frozen, crew: Crew) -> Synthesis:
    """What the pool already holds for a job, once what filters need to judge it is computed; no
    generator is loaded."""
    result = Synthesis()
    scorers = scorers_of(frozen, crew.reporter)
    for generator in _generators(frozen.plan):
        filling = Filling(frozen.prepared, frozen.plan, generator, scorers=scorers)
        filling.read_records()
        filling.score(crew)
        filling.report(result)
    return result


def inspect_pool(prepared: Prepared, plan: Plan) -> Synthesis:
    """What the pool already holds for a job, as far as it can be judged; makes nothing."""
    result = Synthesis()
    for generator in _generators(plan):
        filling = Filling(prepared, plan, generator)
        filling.read_records()
        filling.report(result)
    return result


def _generators(plan: Plan) -> list[str]:
    return sorted({draw.generator for draw in plan.draws})


def keep_estimates(prepared: Prepared, found: Sequence[Estimate]) -> None:
    """Leave what was measured beside the plan, for whoever compares it with what was spent: the
    first estimate of each generator stays, for a resume only measures what is left."""
    document = {one.generator: one.to_json() for one in [*found, *read_estimates(prepared)]}
    prepared.work.folder.replace(ESTIMATES, json.dumps(document).encode())


def read_estimates(prepared: Prepared) -> list[Estimate]:
    """What the runs of a job measured; nothing where none did."""
    return kept_estimates(prepared.work)
