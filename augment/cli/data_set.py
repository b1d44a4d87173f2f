"""The verbs that read a committed data set: `audit` and `trace`. `grammar.py` gives the grammar;
imports are inside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from augment import streams
from augment.cli.common import foldable

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb, with `--json`."""


def add_verbs(verbs: Any, verb: Verb) -> None:
    """The verbs, as sub-parsers of `augment`."""
    audit = verb(verbs, "audit", _audit, "counts and shares from rows and log, against limits")
    audit.add_argument("dataset", metavar="DATASET")
    audit.add_argument("--limits", metavar="FILE",
                     help="limits, or a job file with some, to judge by in place of those that "
                     "its jobs left with the data set")  # fmt: skip
    audit.add_argument("--by", default="", help="class,split,origin,generator")
    audit.add_argument("--verify", action="store_true", help="also decode and hash every image")
    audit.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet")
    foldable(audit)
    _reading(audit)
    trace = verb(verbs, "trace", _trace, "the whole ancestry of one row")
    trace.add_argument("dataset", metavar="DATASET")
    trace.add_argument("sample_id", metavar="SAMPLE_ID", help="or its first 6 or more digits")
    _reading(trace)


def _reading(sub: argparse.ArgumentParser) -> None:
    """How a committed data set is opened."""
    sub.add_argument("--version", metavar="N", type=int, help="default: the newest")
    sub.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                     help="fsspec options by protocol, as in a job's execution")  # fmt: skip


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
