"""The command line: one verb a function, the same verbs as `augment.api`.

Exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, 3 it broke half-way and
the same command resumes. `--json` prints one JSON document on standard output; everything for
people goes to standard error then. Imports are inside the verbs: `validate` must answer fast.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from augment.errors import AugmentError, Problem, RequestError

if TYPE_CHECKING:
    from augment.spec import Job

EXIT_CODES = "exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, " \
    "3 it broke half-way (the same command resumes)"  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = parser().parse_args(argv)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        code: int = arguments.verb(arguments)
        return code
    except AugmentError as e:
        return _report(e, arguments)
    except KeyboardInterrupt:
        print("interrupted: finished units are kept; the same command resumes", file=sys.stderr)
        return 3
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(
        "augment",
        description="Extend and balance training sets for vision models; prove what is in them.",
        epilog=EXIT_CODES,
    )
    verbs = top.add_subparsers(required=True, metavar="COMMAND")
    validate = _job_verb(verbs, "validate", _validate, "check a job file; touches nothing else")
    validate.add_argument("--check-remote", action="store_true", help="also list the sources")
    plan = _job_verb(verbs, "plan", _plan, "census and exact quotas after every rule")
    plan.add_argument("--write", metavar="MANIFEST.parquet", help="one row per sample to be made")
    for name, verb, text in (
        ("run", _run, "plan, synthesize, filter, mix, commit, audit"),
        ("synthesize", _synthesize, "fill the pool only"),
        ("mix", _mix, "commit the data set from what the pool holds"),
    ):
        sub = _job_verb(verbs, name, verb, text)
        sub.add_argument("--engine", choices=("ray", "local"), help="default: the job's execution")
    _audit_verb(verbs)
    trace = verbs.add_parser("trace", help="the whole ancestry of one row")
    trace.add_argument("dataset", metavar="DATASET")
    trace.add_argument("sample_id", metavar="SAMPLE_ID")
    _common(trace, _trace)
    schema = verbs.add_parser("schema", help="the published schemas")
    schema.add_argument("name", nargs="?", choices=("job", "manifest", "sample", "audit"))
    schema.add_argument("--write", metavar="FOLDER", help="write all of them as files")
    schema.set_defaults(verb=_schema, json=False)
    return top


def _job_verb(verbs: Any, name: str, verb: Any, text: str) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = verbs.add_parser(name, help=text, epilog=EXIT_CODES)
    sub.add_argument("job", metavar="JOB", help="job file (YAML or JSON)")
    sub.add_argument("--execution", metavar="FILE", help="how to run: replaces the job's execution")
    sub.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
                     help="one key of execution, for example workers=4")  # fmt: skip
    _common(sub, verb)
    return sub


def _audit_verb(verbs: Any) -> None:
    sub = verbs.add_parser("audit", help="counts and shares from rows and log, against limits")
    sub.add_argument("dataset", metavar="DATASET")
    sub.add_argument("--limits", metavar="FILE", help="limits to judge by, as in a job file")
    sub.add_argument("--by", default="", help="class,split,origin,generator")
    sub.add_argument("--verify", action="store_true", help="also decode and hash every image")
    sub.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet")
    _common(sub, _audit)


def _common(sub: argparse.ArgumentParser, verb: Any) -> None:
    sub.add_argument("--json", action="store_true", help="print one JSON document")
    sub.set_defaults(verb=verb)


def _report(error: AugmentError, arguments: argparse.Namespace) -> int:
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    if arguments.json:
        body = {
            "error": type(error).__name__,
            "exit_code": error.exit_code,
            "text": str(error),
            "problems": [p.__dict__ for p in problems],
        }
        print(json.dumps(body, ensure_ascii=False))
    else:
        head = f"{len(problems)} problems:\n" if len(problems) > 1 else ""
        print(f"augment: {head}{error}", file=sys.stderr)
    return error.exit_code


def _load(arguments: argparse.Namespace) -> Job:
    from augment.spec import load_spec

    return load_spec(arguments.job, execution=arguments.execution, overrides=arguments.overrides)


def _print(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))


def _validate(arguments: argparse.Namespace) -> int:
    job = _load(arguments)
    if arguments.check_remote:
        from augment.sources import take_census

        census = take_census(job, options=job.spec.execution.storage_options)
        found = f"; {census.table.num_rows} real images in {len(census.classes)} classes"
    else:
        found = ""
    if arguments.json:
        _print({"ok": True, "job": job.spec.name})
    else:
        print(f"{arguments.job}: ok{found}")
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from augment import console
    from augment.run import plan_job, prepare
    from augment.run.planning import build_pipelines, pool_stock, write_manifest

    job = _load(arguments)
    prepared = prepare(job)
    build_pipelines(job)
    plan, census = plan_job(prepared)
    stock = pool_stock(prepared, plan)
    if arguments.write:
        write_manifest(plan, arguments.write)
    if arguments.json:
        _print(plan.to_json() | {"pool": stock, "dropped": census.dropped})
    else:
        console.show_plan(plan, job.spec.limits, stock, census.dropped)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from augment.run import run

    return _carry_out(arguments, run)


def _mix(arguments: argparse.Namespace) -> int:
    from augment.run import mix

    return _carry_out(arguments, mix)


def _carry_out(arguments: argparse.Namespace, verb: Any) -> int:
    from augment import console
    from augment.api import open_engine

    job = _load(arguments)
    with (
        console.session(job, quiet=arguments.json) as session,
        open_engine(job, arguments.engine) as engine,
    ):
        result = verb(job, engine, reporter=session.reporter)
    if arguments.json:
        _print(console.result_json(result, session.log))
    else:
        console.show_result(result, session.log)
    return 0 if result.ok else 1


def _synthesize(arguments: argparse.Namespace) -> int:
    from augment import console
    from augment.api import open_engine
    from augment.run import fill_pool

    job = _load(arguments)
    with (
        console.session(job, quiet=arguments.json) as session,
        open_engine(job, arguments.engine) as engine,
    ):
        result = fill_pool(job, engine, reporter=session.reporter)
    if arguments.json:
        _print(console.synthesis_json(result, job.spec.pool, session.log))
    else:
        console.show_synthesis(result, job.spec.pool, session.log)
    short = any(a.shortfall for a in result.accounts)
    return 1 if short and job.spec.on_shortfall == "fail" else 0


def _audit(arguments: argparse.Namespace) -> int:
    from augment import audit
    from augment.spec import load_limits

    limits = load_limits(arguments.limits) if arguments.limits else None
    report = audit.audit(arguments.dataset, limits=limits, by=arguments.by, deep=arguments.verify)
    if arguments.sheet:
        audit.contact_sheet(arguments.dataset, arguments.sheet)
    if arguments.json:
        _print(report.to_json())
    else:
        print(audit.render(report))
        if arguments.sheet:
            print(f"contact sheet: {arguments.sheet}")
    return 0 if report.ok else 1


def _trace(arguments: argparse.Namespace) -> int:
    from augment import audit

    found = audit.trace(arguments.dataset, arguments.sample_id)
    if arguments.json:
        _print(found.to_json())
    else:
        print(audit.render_trace(found))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from augment.schemas import published, write_published

    if arguments.write:
        for path in write_published(arguments.write):
            print(path)
        return 0
    if arguments.name is None:
        raise RequestError(
            "schema: got no name; expected one of job, manifest, sample, audit, "
            "or --write FOLDER for all of them"
        )
    print(published()[arguments.name])
    return 0
