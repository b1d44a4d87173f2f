"""The verb `compare`: two data sets, versions or kept reports side by side. Imports are inside."""

from __future__ import annotations

import argparse
from typing import Any

from augment import streams
from augment.cli.common import foldable
from augment.cli.data_set import Verb, add_judging, asked_of, with_quality


def add_verb(verbs: Any, verb: Verb) -> None:
    """The verb, as a sub-parser of `augment`."""
    sub = verb(verbs, "compare", _compare, "what changed between two data sets or versions")
    sub.add_argument("before", metavar="BEFORE", help="a data set, or audit.json of one")
    sub.add_argument("after", metavar="AFTER", nargs="?",
                     help="another; may be left out beside --versions")  # fmt: skip
    sub.add_argument("--versions", metavar=("N", "M"), nargs=2, type=int,
                     help="of BEFORE and AFTER; default: the newest")  # fmt: skip
    sub.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                     help="fsspec options by protocol, as in a job's execution")  # fmt: skip
    add_judging(sub)
    foldable(sub)


def _compare(arguments: argparse.Namespace) -> int:
    from augment.audit.compare import compared, render_comparison
    from augment.errors import RequestError

    if arguments.after is None and arguments.versions is None:
        raise RequestError("AFTER: got none; expected a data set, or --versions of BEFORE")
    places = (arguments.before, arguments.after or arguments.before)
    asked_of(arguments)  # before anything is read
    versions = arguments.versions or (None, None)
    before, after = (
        _report(place, version, arguments) for place, version in zip(places, versions, strict=True)
    )
    found = compared(before, after)
    if arguments.json:
        streams.tell(found.to_json())
    else:
        streams.say(*render_comparison(found, everything=arguments.all).split("\n"))
    return 0


def _report(place: str, version: int | None, arguments: argparse.Namespace) -> dict[str, Any]:
    """Of a kept report, or of an audit that is made now.

    Raises:
        RequestError: a version of a report, which is of one; see `read_report` and `audit`.
    """
    from augment import audit
    from augment.audit.compare import read_report
    from augment.errors import RequestError
    from augment.spec import load_storage_options

    options = load_storage_options(arguments.options) if arguments.options else None
    if place.endswith(".json"):
        if version is not None:
            raise RequestError(f"--versions: got {version} for {place}, which is a report of one")
        return read_report(place, options)
    asked = asked_of(arguments)
    report = audit.audit(place, version=version, options=options)
    if asked is not None:
        report = with_quality(report, asked, arguments, options)
    return report.to_json()
