"""The verb `study`: whether a committed data set helps a classifier. `grammar.py` gives the
grammar; imports are inside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.cli.common import ENGINES, RESUMES, Keeping, foldable, load

if TYPE_CHECKING:
    from augment.study import Asked

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb that is given a job."""


def add_verb(verbs: Any, job_verb: Verb) -> None:
    """`study`, as a sub-parser of `augment`."""
    sub = job_verb(
        verbs, "study", _study,
        "train classifiers on the job's output, with and without what was made: does it help?",
    )  # fmt: skip
    sub.set_defaults(kept=RESUMES, lasting=True)
    sub.add_argument("--shares", metavar="S,S", help="of synthetic images in a batch; default: "
                     "0.25,0.5,0.75")  # fmt: skip
    sub.add_argument("--draws", metavar="N", type=int, help="of what is left out of train; "
                     "default: 3")  # fmt: skip
    sub.add_argument("--seeds", metavar="N", type=int, help="trainings of each arm in a draw; "
                     "default: 5")  # fmt: skip
    sub.add_argument("--steps", metavar="N", type=int, help="batches of 64 images of every "
                     "training; default: 300")  # fmt: skip
    sub.add_argument("--seed", metavar="N", type=int, help="of everything random; default: 0")
    sub.add_argument("--network", metavar="NAME", help="small, or torchvision: and a classifier, "
                     "for example torchvision:resnet18; default: small")  # fmt: skip
    sub.add_argument("--size", metavar="PX", type=int, help="side of its input; default: by the "
                     "images, 224 with --weights")  # fmt: skip
    sub.add_argument("--weights", metavar="URI", help="of the network's trained weights: all arms "
                     "also from there")  # fmt: skip
    sub.add_argument("--each-generator", action="store_true",
                     help="also arms of each generator alone")  # fmt: skip
    sub.add_argument("--validation", metavar="SPLIT", help="that choices are made by; default: "
                     "one that is called so, else what each draw leaves out of train")  # fmt: skip
    sub.add_argument("--test", metavar="SPLIT", help="default: test, or the only other split")
    sub.add_argument("--clean", action="store_true", help="leave common corruptions of the test "
                     "images out")  # fmt: skip
    sub.add_argument("--rates", metavar="X,X", help="times the usual learning rate: all are "
                     "trained, validation chooses one for each arm; default: 1")  # fmt: skip
    sub.add_argument("--audit", metavar="FILE", help="audit.json of the same version: did its "
                     "measures predict the gains?")  # fmt: skip
    sub.add_argument("--report", metavar="DIR", help="write study.html, a page to look at, and "
                     "study.json")  # fmt: skip
    sub.add_argument("--version", metavar="N", type=int, help="of the output; default: the newest")
    sub.add_argument("--workers", metavar="N", type=int, help="trainings at once; default: one a "
                     "CPU")  # fmt: skip
    sub.add_argument("--engine", choices=ENGINES, help="default: the job's execution")
    foldable(sub)


def _study(arguments: argparse.Namespace) -> int:
    from augment.api import open_engine
    from augment.audit.table import open_data_set
    from augment.cli.show import session as terminal
    from augment.run.studying import How, check_report, study, write_report
    from augment.study.render import render

    asked, job = _asked(arguments), load(arguments)
    output, options = job.spec.output.uri, job.spec.execution.storage_options
    open_data_set(output, arguments.version, options)  # before a log is written beside it
    if arguments.report is not None:
        check_report(arguments.report, output)
    with (
        terminal.session(job, quiet=arguments.json) as session,
        open_engine(job, arguments.engine) as engine,
    ):
        how = How(
            version=arguments.version,
            audit=arguments.audit,
            workers=arguments.workers,
            reporter=Keeping(session.reporter, arguments),
            job=job,
        )
        found = study(output, asked, engine, how, options)
    written = () if arguments.report is None else write_report(found, arguments.report, options)
    if arguments.json:
        streams.tell(found.to_json())
    else:
        streams.say(*render(found, everything=arguments.all).split("\n"))
        streams.say(*(f"report: {one}" for one in written))
    return 0


def _asked(arguments: argparse.Namespace) -> Asked:
    """Raises: RequestError where a value is none."""
    from augment.errors import RequestError
    from augment.study import Asked

    given: dict[str, Any] = {
        name: value
        for name in ("draws", "seeds", "steps", "seed", "network", "size", "weights", "validation",
                     "test")
        if (value := getattr(arguments, name)) is not None
    }  # fmt: skip
    for name, example in (("shares", "0.25,0.5"), ("rates", "0.5,1,2")):
        if (text := getattr(arguments, name)) is not None:
            try:
                given[name] = tuple(float(one) for one in text.split(","))
            except ValueError:
                raise RequestError(
                    f"--{name}: got {text!r}; expected numbers, as {example}"
                ) from None
    if arguments.workers is not None and arguments.workers < 1:
        raise RequestError(f"--workers: got {arguments.workers}; expected at least 1")
    return Asked(each_generator=arguments.each_generator, corrupted=not arguments.clean, **given)
