"""The command line: one verb a function, the same verbs as `augment.api`.

Exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, 3 it broke half-way and
the same command resumes. `--json` prints one JSON document on standard output; everything for
people goes to standard error then. Imports are inside the verbs: `validate` must answer fast.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from augment import (
    __version__,
    cli_cluster,
    cli_generators,
    cli_plan,
    cli_state,
    streams,
    surroundings,
)
from augment.cli_common import RESUMES, Keeping, Parser, check_all, foldable, unless_lost
from augment.cli_plan import load
from augment.cli_submit import add_despite_limits
from augment.errors import AugmentError, InterruptedRun, Problem, RequestError
from augment.escaping import LONGEST_LINE, cut
from augment.places import is_local
from augment.policy import read_policy
from augment.secrecy import secrets_of_process, struck
from augment.stopping import Terminated, heed_sigterm

if TYPE_CHECKING:
    from augment.run import Engine
    from augment.spec import Job

EXIT_CODES = "exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, " \
    "3 it broke half-way (the same command resumes)"  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. `--help` and `--version` leave by SystemExit, as
    argparse does."""
    given = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    heed_sigterm()
    with streams.begun():
        return _carried_out(given)


def _carried_out(given: Sequence[str]) -> int:
    arguments = argparse.Namespace(kept="", lasting=False)
    try:
        arguments = _parse(given)
        check_all(arguments)
        surroundings.check(os.environ)
        if not arguments.tells_policy:  # `doctor` tells what is wrong with it
            read_policy()
        return unless_lost(arguments.verb(arguments), arguments)
    except AugmentError as e:
        return _report(e, given)
    except KeyboardInterrupt as e:
        what = "stopped by SIGTERM" if isinstance(e, Terminated) else "stopped"
        return _report(InterruptedRun(f"{what}{arguments.kept}"), given)
    except Exception as e:  # Python's own exit code, 1, would say that a limit failed
        if why := surroundings.failed_import(e, os.environ):
            return _report(RequestError(why), given)
        streams.note(*_without_secrets(traceback.format_exc(), given).splitlines())
        text = f"{type(e).__name__}: {e}; no rule foresaw this: please report it with what is above"
        return _report(InterruptedRun(text), given)


def _parse(given: Sequence[str]) -> argparse.Namespace:
    arguments, rest = parser().parse_known_args(given)
    if rest:
        arguments.parser.refuse(rest)
    return arguments


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = Parser(
        "augment",
        description="Extend and balance training sets for vision models; prove what is in them.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"augment {__version__}")
    verbs = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    validate = _job_verb(
        verbs, "validate", _validate, "check a job file, and look at its local sources"
    )
    looked = validate.add_mutually_exclusive_group()
    looked.add_argument("--skip-sources", action="store_true",
                        help="look at no source: the data are on another machine")  # fmt: skip
    looked.add_argument("--check-remote", action="store_true",
                          help="list every source whole, remote ones too, and count")  # fmt: skip
    cli_plan.add_verb(verbs, _job_verb)
    for name, verb, text in (
        ("run", _run, "plan, synthesize, filter, mix, commit, audit"),
        ("synthesize", _synthesize, "fill the pool only"),
        ("mix", _mix, "commit the data set from what the pool holds"),
    ):
        sub = _job_verb(verbs, name, verb, text)
        sub.set_defaults(lasting=True, kept=RESUMES)
        sub.add_argument("--engine", choices=("ray", "local"), help="default: the job's execution")
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
    _audit_verb(verbs)
    trace = _verb(verbs, "trace", _trace, "the whole ancestry of one row")
    trace.add_argument("dataset", metavar="DATASET")
    trace.add_argument("sample_id", metavar="SAMPLE_ID", help="or its first 6 or more digits")
    _reading(trace)
    cli_state.add_verbs(verbs, _verb)
    cli_state.add_pool_actions(_group(verbs, "pool", "generated samples, shared by jobs"), _verb)
    families = _group(verbs, "generators", "families of trained generators")
    cli_generators.add_actions(families, _verb)
    cli_cluster.add_verbs(verbs, _verb, _job_verb)
    cli_cluster.add_jobs(_group(verbs, "jobs", "submissions on a Ray cluster"), _verb)
    schema = _verb(verbs, "schema", _schema, "the published schemas")
    names = ("job", "manifest", "sample", "audit", "policy", "keys")
    schema.add_argument("name", nargs="?", choices=names, help="keys: of a job file, as a page")
    schema.add_argument("--write", metavar="FOLDER", help="write all of them as files")
    return top


def _verb(verbs: Any, name: str, verb: Any, text: str) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text, epilog=EXIT_CODES, allow_abbrev=False
    )
    sub.add_argument("--json", action="store_true", help="print one JSON document")
    sub.set_defaults(verb=verb, parser=sub, tells_policy=False, lasting=False, kept="")
    return sub


def _job_verb(verbs: Any, name: str, verb: Any, text: str) -> argparse.ArgumentParser:
    sub = _verb(verbs, name, verb, text)
    sub.add_argument("job", metavar="JOB", help="job file (YAML or JSON)")
    sub.add_argument("--execution", metavar="FILE", help="keys laid over the job's execution")
    sub.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
                     help="one key of execution, for example workers=4")  # fmt: skip
    return sub


def _observed(sub: argparse.ArgumentParser) -> None:
    """How a run is observed; two of these are keys of `execution`."""
    sub.add_argument("--metrics-port", metavar="PORT",
                     help="Prometheus metrics on this port (0: any free one)")  # fmt: skip
    sub.add_argument("--log-format", choices=("text", "json"), help="default: the job's execution")
    sub.add_argument("--profile", metavar="FILE.json", help="write a timeline of the run")


def _audit_verb(verbs: Any) -> None:
    sub = _verb(verbs, "audit", _audit, "counts and shares from rows and log, against limits")
    sub.add_argument("dataset", metavar="DATASET")
    sub.add_argument("--limits", metavar="FILE",
                     help="limits, or a job file with some, to judge by in place of those that "
                     "its jobs left with the data set")  # fmt: skip
    sub.add_argument("--by", default="", help="class,split,origin,generator")
    sub.add_argument("--verify", action="store_true", help="also decode and hash every image")
    sub.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet")
    foldable(sub)
    _reading(sub)


def _group(verbs: Any, name: str, text: str) -> Any:
    """The sub-parsers of a verb that has actions."""
    group = verbs.add_parser(
        name, help=text, description=text, epilog=EXIT_CODES, allow_abbrev=False
    )
    return group.add_subparsers(required=True, metavar="ACTION", parser_class=Parser)


def _reading(sub: argparse.ArgumentParser) -> None:
    """How a committed data set is opened."""
    sub.add_argument("--version", metavar="N", type=int, help="default: the newest")
    sub.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                     help="fsspec options by protocol, as in a job's execution")  # fmt: skip


def _report(error: AugmentError, given: Sequence[str]) -> int:
    """Every error that ends a command passes here, and nothing secret passes with it."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    lines = _without_secrets(str(error), given).split("\n")
    if "--json" in given:
        told = [{k: _without_secrets(v, given) for k, v in p.__dict__.items()} for p in problems]
        body = {
            "error": type(error).__name__,
            "exit_code": error.exit_code,
            "text": "\n".join(cut(line, LONGEST_LINE) for line in lines),
            "problems": told,
        }
        streams.tell(body)
    else:
        first, *rest = [f"{len(problems)} problems:", *lines] if len(problems) > 1 else lines
        streams.note(f"augment: {first}", *rest)
    return error.exit_code


def _without_secrets(text: str, given: Sequence[str]) -> str:
    return struck(text, secrets_of_process(os.environ, given))


def _validate(arguments: argparse.Namespace) -> int:
    skipped = arguments.skip_sources
    job = (load if skipped else _looked_at)(arguments)
    sources = job.spec.sources.items()
    unseen = [name for name, source in sources if skipped or not is_local(source.uri)]
    found, text = dict[str, Any](), ""
    if arguments.check_remote:
        from augment.sources import take_census

        census = take_census(job, options=job.spec.execution.storage_options)
        found = {"real": census.table.num_rows, "classes": list(census.classes)}
        found["left_out"] = [one.to_json() for one in census.left_out]
        text = f"; {found['real']} real images in {len(census.classes)} classes"
    elif unseen:
        found = {"not_looked_at": unseen}
        why = "" if skipped else " (remote; --check-remote lists them)"
        text = f"; not looked at: {', '.join(unseen)}{why}"
    if arguments.json:
        streams.tell({"ok": True, "job": job.spec.name, **found})
    else:
        streams.say(f"{arguments.job}: ok{text}")
    return 0


def _looked_at(arguments: argparse.Namespace) -> Job:
    from augment.api import validate

    return validate(arguments.job, execution=arguments.execution, overrides=arguments.overrides)


def _run(arguments: argparse.Namespace) -> int:
    from augment.run import run

    return _carry_out(arguments, run)


def _mix(arguments: argparse.Namespace) -> int:
    from augment.run import mix

    return _carry_out(arguments, mix)


def _carry_out(arguments: argparse.Namespace, verb: Any) -> int:
    from augment import console_run

    with _opened_run(arguments) as (job, engine, log, told):
        measure = {"measure": True} if getattr(arguments, "measure", False) else {}
        asked = {"takeover": arguments.takeover, "despite_limits": arguments.despite_limits}
        result = verb(job, engine, **asked, **measure, **told)
    if arguments.json:
        streams.tell(result.to_json() | {"log": log})
    else:
        console_run.show_result(result, log, everything=arguments.all)
    return 0 if result.ok else 1


@contextlib.contextmanager
def _opened_run(
    arguments: argparse.Namespace,
) -> Iterator[tuple[Job, Engine, str, dict[str, Any]]]:
    """The job, its engine, its log, and who is told of the run: reporter and observers."""
    from augment import console
    from augment.api import open_engine
    from augment.run import observing

    job = load(arguments)
    with (
        console.session(job, quiet=arguments.json) as session,
        observing(job, profile=arguments.profile, reporter=session.reporter) as observers,
        open_engine(job, arguments.engine) as engine,
    ):
        told = {"reporter": Keeping(session.reporter, arguments), "observers": observers}
        yield job, engine, session.log, told


def _synthesize(arguments: argparse.Namespace) -> int:
    from augment import console_run
    from augment.run import fill_pool

    with _opened_run(arguments) as (job, engine, log, told):
        asked = {"takeover": arguments.takeover, "despite_limits": arguments.despite_limits}
        result = fill_pool(job, engine, measure=arguments.measure, **asked, **told)
    if arguments.json:
        streams.tell(console_run.synthesis_json(result, job.spec.pool, log))
    else:
        console_run.show_synthesis(result, job.spec.pool, log, everything=arguments.all)
    short = any(a.shortfall for a in result.accounts)
    return 1 if result.emptied or (short and job.spec.on_shortfall == "fail") else 0


def _audit(arguments: argparse.Namespace) -> int:
    from augment import audit
    from augment.spec import load_limits

    limits = load_limits(arguments.limits) if arguments.limits else None
    opened = _opened(arguments)
    report = audit.audit(
        arguments.dataset, limits=limits, by=arguments.by, deep=arguments.verify, **opened
    )
    if arguments.sheet:
        audit.contact_sheet(arguments.dataset, arguments.sheet, **opened)
    if arguments.json:
        streams.tell(report.to_json())
    else:
        streams.say(*audit.render(report, everything=arguments.all).split("\n"))
        if arguments.sheet:
            streams.say(f"contact sheet: {arguments.sheet}")
    return 0 if report.ok else 1


def _trace(arguments: argparse.Namespace) -> int:
    from augment import audit

    found = audit.trace(arguments.dataset, arguments.sample_id, **_opened(arguments))
    if arguments.json:
        streams.tell(found.to_json())
    else:
        streams.say(*audit.render_trace(found).split("\n"))
    return 0


def _opened(arguments: argparse.Namespace) -> dict[str, Any]:
    """Which version of a data set is read, and through which storage options."""
    from augment.spec import load_storage_options

    options = load_storage_options(arguments.options) if arguments.options else None
    return {"version": arguments.version, "options": options}


def _schema(arguments: argparse.Namespace) -> int:
    from augment.schemas import published, write_published

    arguments.lasting = bool(arguments.write)
    if arguments.write:
        paths = [str(path) for path in write_published(arguments.write)]
        if arguments.json:
            streams.tell({"written": paths})
        else:
            streams.say(*paths)
        return 0
    if arguments.name is None:
        raise RequestError(
            "schema: got no name; expected one of job, manifest, sample, audit, policy, keys, "
            "or --write FOLDER for all of them"
        )
    if arguments.name == "keys":
        from augment.spec.reference import reference

        streams.hand_over(reference())
        return 0
    streams.hand_over(published()[arguments.name])
    return 0
