"""Verbs about what stands already: `status`, `retry`, `clean`, `pool ls`, `pool gc`.

They are given an output or a pool, not a job file. `grammar.py` gives the grammar and the exit
codes; imports are inside. Whatever removes is a dry run until `--yes` is said.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.cli.common import ENGINES, RESUMES, Keeping, foldable, laid_over

if TYPE_CHECKING:
    from augment.run.upkeep.litter import Cleaning

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb, with `--json`."""


def add_verbs(verbs: Any, verb: Verb) -> None:
    """The verbs that are given an output."""
    status = verb(verbs, "status", _status, "what every job under an output has done so far")
    status.add_argument("output", metavar="OUTPUT", help="or, with --address, a submission's id")
    status.add_argument("--address", metavar="URL", help="ask a cluster: http://HEAD:8265")
    status.add_argument("--token", metavar="TOKEN", help="of the cluster; default: RAY_AUTH_TOKEN")
    foldable(status)
    _options_of(status)
    retry = verb(verbs, "retry", _retry, "make the failed rows of a committed data set again")
    retry.set_defaults(lasting=True, kept=RESUMES)
    retry.add_argument("output", metavar="OUTPUT")
    retry.add_argument("--job", metavar="NAME", help="which job, where there are several")
    retry.add_argument("--job-file", metavar="JOB", help="default: its text as the output keeps it")
    retry.add_argument("--engine", choices=ENGINES, help="default: the job's execution")
    retry.add_argument("--execution", metavar="FILE", help="keys laid over the job's execution")
    retry.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
                       help="one key of execution, for example workers=4")  # fmt: skip
    retry.add_argument("--despite-limits", action="store_true",
                       help="add them although the job's limits hold them back")  # fmt: skip
    foldable(retry)
    _options_of(retry)
    clean = verb(verbs, "clean", _clean, "remove what no version and no unfinished job needs")
    clean.add_argument("output", metavar="OUTPUT")
    clean.add_argument("--keep-days", metavar="N", type=float, default=None,
                       help="keep work records of committed jobs that long (30)")  # fmt: skip
    _removing(clean)
    foldable(clean)
    _options_of(clean)


def add_pool_actions(actions: Any, verb: Verb) -> None:
    """The actions, as sub-parsers of `augment pool`."""
    listing = verb(actions, "ls", _pool_ls, "what a pool holds, and who uses it")
    listing.add_argument("pool", metavar="POOL")
    foldable(listing)
    _options_of(listing)
    collect = verb(actions, "gc", _pool_gc, "remove what no record and no version names")
    collect.add_argument("pool", metavar="POOL")
    collect.add_argument("--universe", metavar="ID", action="append", default=[],
                         help="also remove this universe as a whole; may be repeated")  # fmt: skip
    collect.add_argument("--unused-days", metavar="N", type=float,
                         help="also remove universes that nobody used for so long")  # fmt: skip
    _removing(collect)
    foldable(collect)
    _options_of(collect)


def _removing(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--dry-run", action="store_true", help="only say what would go (default)")
    which.add_argument("--yes", action="store_true", help="remove it")


def _options_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                        help="fsspec options by protocol, as in a job's execution")  # fmt: skip


def _options(arguments: argparse.Namespace) -> dict[str, dict[str, Any]] | None:
    from augment.spec import load_storage_options

    return load_storage_options(arguments.options) if arguments.options else None


def _status(arguments: argparse.Namespace) -> int:
    from augment.cli import cluster
    from augment.cli.show.state import show_status
    from augment.run.upkeep.status import status

    if arguments.address:
        submission, token = arguments.output, arguments.token
        return cluster.show_submission(submission, arguments.address, token, as_json=arguments.json)
    found = status(arguments.output, _options(arguments))
    if arguments.json:
        streams.tell(found.to_json())
    else:
        show_status(found, everything=arguments.all)
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    from augment.api import open_engine
    from augment.cli.show import session as terminal
    from augment.cli.show.run import show_retry
    from augment.run.upkeep.kept import Laid, job_to_retry
    from augment.run.upkeep.retry import retry
    from augment.storage import Folder

    output = Folder(arguments.output, _options(arguments))
    laid = Laid(arguments.job_file, arguments.execution, laid_over(arguments))
    kept = job_to_retry(output, arguments.job, laid)
    with (
        terminal.session(kept.job, quiet=arguments.json) as session,
        open_engine(kept.job, arguments.engine) as engine,
    ):
        if kept.elsewhere is not None:
            session.reporter.note(
                f"the job names {kept.elsewhere} as its output; what is retried is {output.uri}, "
                "as given"
            )
        told = Keeping(session.reporter, arguments)
        result = retry(kept.job, engine, reporter=told, despite_limits=arguments.despite_limits)
    if arguments.json:
        more = {"log": session.log, "elsewhere": kept.elsewhere}
        streams.tell(result.to_json() | more)
    else:
        show_retry(result, session.log, everything=arguments.all)
    return 0 if result.ok else 1


def _clean(arguments: argparse.Namespace) -> int:
    from augment.run.upkeep.clean import KEEP_DAYS, clean

    arguments.lasting = arguments.yes
    keep = KEEP_DAYS if arguments.keep_days is None else arguments.keep_days
    found = clean(arguments.output, yes=arguments.yes, keep_days=keep, options=_options(arguments))
    return _tell(arguments, found)


def _pool_ls(arguments: argparse.Namespace) -> int:
    from augment.cli.show.state import show_pool
    from augment.run.upkeep.pool import pool_status

    found = pool_status(arguments.pool, _options(arguments))
    if arguments.json:
        streams.tell(found.to_json())
    else:
        show_pool(found, everything=arguments.all)
    return 0


def _pool_gc(arguments: argparse.Namespace) -> int:
    from augment.run.upkeep.pool import gc

    arguments.lasting = arguments.yes
    found = gc(
        arguments.pool,
        yes=arguments.yes,
        universes=arguments.universe,
        unused_days=arguments.unused_days,
        options=_options(arguments),
    )
    return _tell(arguments, found)


def _tell(arguments: argparse.Namespace, found: Cleaning) -> int:
    from augment.cli.show.state import show_cleaning

    if arguments.json:
        streams.tell(found.to_json())
    else:
        show_cleaning(found, everything=arguments.all)
    return 0
