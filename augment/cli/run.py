"""The verbs that carry a job out: `validate`, `run`, `synthesize`, `mix`. `grammar.py` gives the
grammar; imports are inside.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from augment import streams
from augment.cli.common import ENGINES, RESUMES, Keeping, foldable, load
from augment.cli.submit import add_despite_limits

if TYPE_CHECKING:
    from augment.looking import Unseen
    from augment.run import Engine, How
    from augment.spec import Job

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb that is given a job."""


def add_validate(verbs: Any, job_verb: Verb) -> None:
    """`validate`, as a sub-parser of `augment`."""
    validate = job_verb(
        verbs, "validate", _validate, "check a job file, and look at its local sources"
    )
    looked = validate.add_mutually_exclusive_group()
    looked.add_argument("--skip-sources", action="store_true",
                        help="look at no source, no checkpoint: they are elsewhere")  # fmt: skip
    looked.add_argument("--check-remote", action="store_true",
                          help="list every source whole, remote ones too, and count; "
                               "look for the buckets of output and pool")  # fmt: skip


def add_verbs(verbs: Any, job_verb: Verb) -> None:
    """The verbs that make something, as sub-parsers of `augment`."""
    for name, verb, text in (
        ("run", _run, "plan, synthesize, filter, mix, commit, audit"),
        ("synthesize", _synthesize, "fill the pool only"),
        ("mix", _mix, "commit the data set from what the pool holds"),
    ):
        sub = job_verb(verbs, name, verb, text)
        sub.set_defaults(lasting=True, kept=RESUMES)
        sub.add_argument("--engine", choices=ENGINES, help="default: the job's execution")
        sub.add_argument(
            "--takeover",
            action="store_true",
            help="stop a run of this job that hangs, and go on from what it left",
        )
        add_despite_limits(sub)
        foldable(sub)
        if name != "mix":
            sub.add_argument(
                "--measure",
                action="store_true",
                help="time a few batches first; the end compares with what was spent",
            )
        _observed(sub)


def _observed(sub: argparse.ArgumentParser) -> None:
    """How a run is observed; two of these are keys of `execution`."""
    sub.add_argument("--metrics-port", metavar="PORT",
                     help="Prometheus metrics on this port (0: any free one)")  # fmt: skip
    sub.add_argument("--log-format", choices=("text", "json"), help="default: the job's execution")
    sub.add_argument("--profile", metavar="FILE.json", help="write a timeline of the run")


def _validate(arguments: argparse.Namespace) -> int:
    job, unseen = _unlooked(arguments) if arguments.skip_sources else _looked_at(arguments)
    found, text = dict[str, Any](), ""
    if arguments.check_remote:
        from augment.sources import take_census
        from augment.storage import Folder

        options = job.spec.execution.storage_options
        for uri in (job.spec.output.uri, *([job.spec.pool] if job.spec.synthesize else [])):
            Folder(uri, options).require_bucket()
        census = take_census(job, options=options)
        found = {"real": census.table.num_rows, "classes": list(census.classes)}
        found["left_out"] = [one.to_json() for one in census.left_out]
        text = f"; {found['real']} real images in {len(census.classes)} classes"
        unseen = [one for one in unseen if one.place not in job.spec.sources]
    if unseen:
        found["not_looked_at"] = [one.place for one in unseen]
        text += f"; not looked at: {_told(unseen)}"
    if arguments.json:
        streams.tell({"ok": True, "job": job.spec.name, **found})
    else:
        streams.say(f"{arguments.job}: ok{text}")
    return 0


def _told(unseen: Iterable[Unseen]) -> str:
    """Places by the reason that they share."""
    by_why: dict[str, list[str]] = {}
    for one in unseen:
        by_why.setdefault(one.why, []).append(one.place)
    return ", ".join(", ".join(some) + (f" ({why})" if why else "") for why, some in by_why.items())


def _unlooked(arguments: argparse.Namespace) -> tuple[Job, list[Unseen]]:
    """With `--skip-sources`: nothing beside the job file is opened."""
    from augment.looking import Unseen

    job = load(arguments)
    return job, [Unseen(name, "") for name in job.spec.sources]


def _looked_at(arguments: argparse.Namespace) -> tuple[Job, list[Unseen]]:
    from augment.looking import validated

    job, unseen = validated(
        arguments.job, execution=arguments.execution, overrides=arguments.overrides
    )
    return job, list(unseen)


def _run(arguments: argparse.Namespace) -> int:
    return _to_data_set(arguments, "run")


def _mix(arguments: argparse.Namespace) -> int:
    return _to_data_set(arguments, "mix")


def _to_data_set(arguments: argparse.Namespace, verb: Literal["run", "mix"]) -> int:
    from augment.cli.show.run import show_result
    from augment.run import carry_out

    with _opened_run(arguments) as (job, engine, log, how):
        result = carry_out(job, engine, verb, how)
    if arguments.json:
        streams.tell(result.to_json() | {"log": log})
    else:
        show_result(result, log, everything=arguments.all)
    return 0 if result.ok else 1


@contextlib.contextmanager
def _opened_run(arguments: argparse.Namespace) -> Iterator[tuple[Job, Engine, str, How]]:
    """The job, its engine, its log, and how it is carried out."""
    from augment.api import open_engine
    from augment.cli.show import session as terminal
    from augment.run import How
    from augment.run.watch.observing import observing

    job = load(arguments)
    with (
        terminal.session(job, quiet=arguments.json) as session,
        observing(job, profile=arguments.profile, reporter=session.reporter) as observers,
        open_engine(job, arguments.engine) as engine,
    ):
        how = How(
            reporter=Keeping(session.reporter, arguments),
            takeover=arguments.takeover,
            measure=getattr(arguments, "measure", False),
            despite_limits=arguments.despite_limits,
            observers=observers,
        )
        yield job, engine, session.log, how


def _synthesize(arguments: argparse.Namespace) -> int:
    from augment.cli.show.run import show_synthesis, synthesis_json
    from augment.run import carry_out

    with _opened_run(arguments) as (job, engine, log, how):
        result = carry_out(job, engine, "synthesize", how)
    if arguments.json:
        streams.tell(synthesis_json(result, job.spec.pool, log))
    else:
        show_synthesis(result, job.spec.pool, log, everything=arguments.all)
    short = any(a.shortfall for a in result.accounts)
    return 1 if result.emptied or (short and job.spec.on_shortfall == "fail") else 0
