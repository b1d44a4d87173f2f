"""Every verb of the command line; each file beside this one declares and does a group of them."""

from __future__ import annotations

import argparse
from typing import Any

from augment import __version__
from augment.cli import cluster, compare, data_set, generators, plan, run, schema, state, study
from augment.cli.common import Parser

EXIT_CODES = "exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, " \
    "3 it broke half-way (the same command resumes)"  # fmt: skip


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
    run.add_validate(verbs, _job_verb)
    plan.add_verb(verbs, _job_verb)
    run.add_verbs(verbs, _job_verb)
    data_set.add_verbs(verbs, _verb)
    compare.add_verb(verbs, _verb)
    study.add_verb(verbs, _job_verb)
    state.add_verbs(verbs, _verb)
    state.add_pool_actions(_group(verbs, "pool", "generated samples, shared by jobs"), _verb)
    families = _group(verbs, "generators", "families of trained generators")
    generators.add_actions(families, _verb)
    cluster.add_verbs(verbs, _verb, _job_verb)
    cluster.add_jobs(_group(verbs, "jobs", "submissions on a Ray cluster"), _verb)
    schema.add_verb(verbs, _verb)
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


def _group(verbs: Any, name: str, text: str) -> Any:
    """The sub-parsers of a verb that has actions."""
    group = verbs.add_parser(
        name, help=text, description=text, epilog=EXIT_CODES, allow_abbrev=False
    )
    return group.add_subparsers(required=True, metavar="ACTION", parser_class=Parser)
