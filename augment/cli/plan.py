"""The verb `plan`, and how the job that a verb is given is loaded. `grammar.py` gives the grammar
and the exit codes; imports are inside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.cli.common import ENGINES, foldable, load
from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.run import Prepared
    from augment.run.prepare import Planned
    from augment.run.synthesis.cost import Estimate
    from augment.spec import Job

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb that is given a job."""


def add_verb(verbs: Any, job_verb: Verb) -> None:
    """The verb, as a sub-parser of `augment`."""
    plan = job_verb(verbs, "plan", _plan, "census and exact quotas after every rule")
    plan.add_argument("--measure", action="store_true",
                      help="time a few batches of each generator: its cost")  # fmt: skip
    plan.add_argument("--engine", choices=ENGINES, help="where --measure runs them")
    plan.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster that measures")
    foldable(plan)
    plan.add_argument("--write", metavar="MANIFEST.parquet", help="one row per sample to be made")


def _plan(arguments: argparse.Namespace) -> int:
    from augment.cli.show.plan import show_broken, show_copies, show_draws, show_plan
    from augment.cli.show.run import cost_lines
    from augment.plan import broken_limits, open_draws
    from augment.run import plan_job
    from augment.run.planning import (
        build_pipelines,
        formats_without_reader,
        idle_copies,
        pool_stock,
        procedural,
        unjudged,
        unknown_training,
        untaken_inputs,
        write_manifest,
    )
    from augment.run.prepare import prepare
    from augment.run.synthesis.cost import over_budget

    _check_effects(arguments)
    job = load(arguments)
    prepared = prepare(job)
    chances = build_pipelines(job)
    planned = plan_job(prepared)
    plan, census = planned.plan, planned.census
    stock = pool_stock(prepared, plan)
    found = [
        *procedural(prepared),
        *unknown_training(prepared),
        *open_draws(job.spec, census.draws),
        *unjudged(prepared),
        *untaken_inputs(prepared),
    ]
    found += formats_without_reader(census)
    idle = idle_copies(job, plan, chances)
    if arguments.write:
        write_manifest(plan, arguments.write, planned.inputs)
    costs = _measured(arguments, job, prepared, planned) if arguments.measure else []
    broken = broken_limits(plan, job.spec.limits)
    if why := over_budget(costs, {}, job.spec.limits.gpu_hours):
        broken.append(why)
    if arguments.json:
        more: dict[str, Any] = {
            "pool": stock,
            "left_out": [one.to_json() for one in census.left_out],
        }
        more["idle_copies"] = [asdict(one) for one in idle]
        more["draws"] = {
            "split_seed": job.spec.split_seed,
            "split_digests": dict(census.draws),
            "equal_images": {name: asdict(told) for name, told in census.equal.items()},
        }
        more["costs"] = [one.to_json() for one in costs]
        streams.tell(plan.to_json() | more | {"findings": found, "broken_limits": broken})
    else:
        everything = arguments.all
        show_plan(plan, found, stock, census.left_out, everything=everything)
        show_copies(idle, everything=everything)
        show_draws(census, job.spec.split_seed, everything=everything)
        streams.say(*cost_lines(costs, everything=everything))
        show_broken(broken, everything=everything)
    return 1 if broken else 0


def _measured(
    arguments: argparse.Namespace, job: Job, prepared: Prepared, planned: Planned
) -> list[Estimate]:
    from augment.api import open_engine
    from augment.cli.show import session as terminal
    from augment.run.planning import measure_plan

    with terminal.session(job, quiet=arguments.json), open_engine(job, arguments.engine) as engine:
        return measure_plan(prepared, planned, engine)


def _check_effects(arguments: argparse.Namespace) -> None:
    for name in ("engine", "address"):
        given = getattr(arguments, name)
        if given is not None and not arguments.measure:
            raise RequestError(
                f"plan: --{name} {given} has no effect, a plan starts no engine; expected it "
                "together with --measure"
            )
    if arguments.address is not None:
        arguments.overrides.append(f"address={json.dumps(arguments.address)}")
