"""The verbs that read a committed data set: `audit` and `trace`. `grammar.py` gives the grammar;
imports are inside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.cli.common import ENGINES, foldable

if TYPE_CHECKING:
    from augment.audit import AuditReport
    from augment.run.auditing import Asked

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
    audit.add_argument("--attribute", metavar="NAME", action="append", dest="attributes",
                     help="also by the values of a property of rows, such as time_of_day; may be "
                     "repeated")  # fmt: skip
    audit.add_argument("--from-log", action="store_true", dest="from_log",
                       help="counts and limits by what commits counted; no row is read "
                       "(seconds, for a billion rows)")  # fmt: skip
    audit.add_argument("--verify", action="store_true", help="also decode and hash every image")
    audit.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet")
    audit.add_argument("--report", metavar="DIR",
                     help="write audit.html, a page to look at, and audit.json")  # fmt: skip
    audit.add_argument("--markdown", action="store_true",
                     help="print the report as Markdown, for a pull request")  # fmt: skip
    audit.add_argument("--github", action="store_true",
                       help="print findings as annotations of GitHub Actions")  # fmt: skip
    audit.add_argument("--junit", metavar="FILE.xml",
                       help="write checks and limits as JUnit tests")  # fmt: skip
    add_judging(audit)
    foldable(audit)
    _reading(audit)
    trace = verb(verbs, "trace", _trace, "the whole ancestry of one row")
    trace.add_argument("dataset", metavar="DATASET")
    trace.add_argument("sample_id", metavar="SAMPLE_ID", help="or its first 6 or more digits")
    _reading(trace)


def add_judging(sub: argparse.ArgumentParser) -> None:
    """How the made part is judged; each of the rest asks for `--quality` too."""
    sub.add_argument("--quality", action="store_true",
                     help="also judge how good, diverse and well labelled the made images are: "
                     "features of every image are extracted and kept (minutes)")  # fmt: skip
    sub.add_argument("--copies", action="store_true",
                     help="with --quality: also look for real images that generated ones "
                     "repeat, changed too")  # fmt: skip
    sub.add_argument("--extractor", metavar="NAME[=URI]", action="append", dest="extractors",
                     help="by which networks (docs/audit.md); may be repeated; default: "
                     "efficientnet_lite0, task, random")  # fmt: skip
    sub.add_argument("--seed", metavar="N", type=int, help="of every draw; default: 0")
    sub.add_argument("--cache", metavar="PLACE",
                     help="where features are kept, or `none`; default: beside the data set, "
                     "or this machine's cache")  # fmt: skip
    sub.add_argument("--engine", choices=ENGINES, help="what extracts; default: auto")


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
    asked = asked_of(arguments)
    _check_output(arguments)
    if arguments.from_log:
        report = audit.audit_log(arguments.dataset, limits=limits, by=arguments.by, **opened)
    else:
        report = audit.audit(
            arguments.dataset,
            limits=limits,
            by=arguments.by,
            deep=arguments.verify,
            attributes=arguments.attributes or (),
            **opened,
        )
    if asked is not None:
        report = with_quality(report, asked, arguments, opened["options"])
    if arguments.sheet:
        audit.contact_sheet(arguments.dataset, arguments.sheet, **opened)
    written = _written(report, arguments, opened["options"])
    if arguments.json:
        streams.tell(report.to_json())
    elif arguments.markdown:
        from augment.audit.report import render_markdown

        streams.hand_over(render_markdown(report.to_json()))
    elif arguments.github:
        from augment.audit.report import render_annotations

        streams.command(*render_annotations(report.to_json()))
    else:
        streams.say(*audit.render(report, everything=arguments.all).split("\n"))
        if arguments.sheet:
            streams.say(f"contact sheet: {arguments.sheet}")
        streams.say(*written)
    return 0 if report.ok else 1


def _check_output(arguments: argparse.Namespace) -> None:
    """Before anything is read.

    Raises:
        RequestError: two kinds of output, a place for one that is none or the data set's own, or
            with --from-log what needs rows.
    """
    from augment.errors import RequestError

    if arguments.from_log:
        for name in ("verify", "quality", "attributes", "sheet", "report"):
            if getattr(arguments, name):
                option = name.removesuffix("s")
                raise RequestError(
                    f"--{option}: got it with --from-log, which reads no row; leave one of them out"
                )
    kinds = [name for name in ("json", "markdown", "github") if getattr(arguments, name)]
    if len(kinds) > 1:
        raise RequestError(f"--{kinds[1]}: got it with --{kinds[0]}; expected one of them")
    for name in ("junit", "sheet"):
        if (file := getattr(arguments, name)) is not None:
            from augment.audit.outside import check_file

            check_file(name, file, arguments.dataset)
    if arguments.report is not None:
        from augment.audit.report import check_folder

        check_folder(arguments.report, arguments.dataset)


def _written(report: AuditReport, arguments: argparse.Namespace, options: Any) -> list[str]:
    """Writes the files that were asked for; what is said of them."""
    said = []
    if arguments.junit is not None:
        from augment.audit.outside import check_file
        from augment.audit.report import render_junit
        from augment.storage import Folder

        above, name = check_file("junit", arguments.junit, arguments.dataset)
        folder = Folder(above, options)
        folder.replace(name, render_junit(report.to_json()).encode())
        said.append(f"junit: {folder.url(name)}")
    if arguments.report is not None:
        from augment.audit.report import write_report

        written = write_report(report, arguments.report, options)
        said += [f"report: {written.page}", f"report: {written.value}"]
    return said


def asked_of(arguments: argparse.Namespace) -> Asked | None:
    """What is judged beside counts; None: nothing.

    Raises:
        RequestError: an option without effect.
    """
    from augment.errors import RequestError

    beside = {"--copies": arguments.copies or None, "--extractor": arguments.extractors,
              "--seed": arguments.seed,
              "--cache": arguments.cache, "--engine": arguments.engine}  # fmt: skip
    if not arguments.quality:
        if given := [name for name, value in beside.items() if value is not None]:
            raise RequestError(f"{given[0]}: got it without --quality; expected both, or neither")
        return None
    if arguments.seed is not None and arguments.seed < 0:
        raise RequestError(f"--seed: got {arguments.seed}; expected a whole number from 0")
    from augment.run.auditing import DEFAULT, Asked

    named = tuple(arguments.extractors or DEFAULT)
    return Asked(extractors=named, seed=arguments.seed or 0, cache=arguments.cache,
                 copies=arguments.copies)  # fmt: skip


def with_quality(
    report: AuditReport, asked: Asked, arguments: argparse.Namespace, options: Any
) -> AuditReport:
    """The report with what the options of `add_judging` ask for."""
    from augment.cli.show.session import reporting
    from augment.run.auditing import measure_quality
    from augment.run.extraction.extracting import engine_for
    from augment.spec.execution import Execution

    with (
        reporting(streams.Stream(sys.stderr), quiet=arguments.json) as reporter,
        engine_for(Execution(), arguments.engine) as engine,
    ):
        return measure_quality(report, asked, engine, options=options, reporter=reporter)


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
