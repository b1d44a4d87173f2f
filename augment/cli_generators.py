"""The actions of `augment generators`: which families there are, what a checkpoint is, making
a folder of it that a job can name, and whether a class keeps the contract. `augment.cli`
gives the grammar and the exit codes; imports are inside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.generators.contract import Answer
    from augment.generators.importing import Bounds

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one action, with `--json`."""


def add_actions(actions: Any, verb: Verb) -> None:
    """The actions, as sub-parsers of `augment generators`."""
    verb(actions, "list", _list, "the families that a job can name")
    inspect = verb(actions, "inspect", _inspect, "what a checkpoint is; executes nothing of it")
    _checkpoint(inspect)
    convert = verb(actions, "import", _import, "make a folder of a checkpoint that a job can name")
    _checkpoint(convert)
    convert.add_argument("--out", metavar="DIR", required=True, help="the folder to make")
    convert.add_argument("--classes", metavar="FILE", help="one class name a line, by index")
    convert.add_argument("--license", metavar="SPDX", help="of what it makes")
    check = verb(actions, "check", _check, "ask a class the contract's questions; runs its code")
    check.add_argument("class_path", metavar="PACKAGE.MODULE:CLASS")
    check.add_argument("--init", metavar="JSON", default="{}", help="its constructor's arguments")


def _checkpoint(parser: argparse.ArgumentParser) -> None:
    """What is read, and how much the process that reads it may use."""
    parser.add_argument("source", metavar="FILE|DIR|URI")
    parser.add_argument("--variant", metavar="NAME", help="of a folder's weights: fp16")
    parser.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                        help="as in a job's execution")  # fmt: skip
    parser.add_argument("--memory", metavar="GIB", type=float, help="default: 4 + 6 x its size")
    parser.add_argument("--cpu-seconds", metavar="N", type=int, default=1800)


def _bounds(arguments: argparse.Namespace) -> Bounds:
    from augment.generators.importing import Bounds

    return Bounds(memory=arguments.memory, cpu_seconds=arguments.cpu_seconds)


def _options(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    from augment.spec import load_storage_options

    return load_storage_options(arguments.options) if arguments.options else {}


def _inspect(arguments: argparse.Namespace) -> int:
    """Exit code 2 where it cannot be hosted, so that a script can ask."""
    from augment.generators.importing import inspect

    report = inspect(
        arguments.source,
        variant=arguments.variant,
        options=_options(arguments),
        bounds=_bounds(arguments),
    )
    _tell(arguments, report)
    return 2 if "refused" in report else 0


def _import(arguments: argparse.Namespace) -> int:
    from augment.generators.importing import ImportRequest, import_checkpoint
    from augment.spec import read_classes
    from augment.spec.models import Classes

    classes = read_classes(Classes(file=arguments.classes)) if arguments.classes else None
    request = ImportRequest(
        source=arguments.source,
        out=arguments.out,
        classes=classes,
        variant=arguments.variant,
        license=arguments.license,
        options=_options(arguments),
    )
    report = import_checkpoint(request, _bounds(arguments))
    _tell(arguments, {**report, "out": arguments.out})
    if not arguments.json:
        print(_next_step(report, arguments.out))
    return 0


def _tell(arguments: argparse.Namespace, report: dict[str, Any]) -> None:
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
        return
    for key, value in report.items():
        if value in (None, [], {}, ""):
            continue
        lines = [f"{k}: {v}" for k, v in value.items()] if isinstance(value, dict) else value
        if not isinstance(lines, list):
            print(f"{key + ':':<14}{lines}")
        else:
            print(f"{key}:")
            for line in lines:
                print(f"  {line}")


def _next_step(report: dict[str, Any], out: str) -> str:
    """What a job must say of it."""
    words = [f"family: {report['family']}", f"checkpoint: {out}"]
    if not report.get("takes_image") and not report.get("pipeline") and not report.get("named"):
        count = report.get("classes")
        words.append("class_index: {name: index, ...}" if count else "label: <class>")
    return f"in a job:     generators: {{name: {{{', '.join(words)}}}}}"


def _list(arguments: argparse.Namespace) -> int:
    from augment.generators.catalog import FAMILIES

    if arguments.json:
        print(json.dumps([family._asdict() for family in FAMILIES], ensure_ascii=False))
        return 0
    for family in FAMILIES:
        extra = f" (needs augment[{family.extra}])" if family.extra else ""
        print(f"{family.name}{extra}")
        for what in ("loads", "takes", "conditions"):
            print(f"  {what + ':':<12}{getattr(family, what)}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """A person who names a class here runs their own code, so no policy is asked; whether a
    job could use it is said beside the answers."""
    from augment.generators.contract import questions, sample_requests
    from augment.generators.custom import constructed, spec_of
    from augment.policy import read_policy

    policy = read_policy()
    spec = spec_of(arguments.class_path, _init(arguments.init))
    host = constructed("check", spec)
    answers = list(questions(lambda: constructed("check", spec), sample_requests(host.info)))
    ok = all(answer.ok is not False for answer in answers)
    allowed = arguments.class_path in policy.rules.allow_code
    if arguments.json:
        found = [answer._asdict() for answer in answers]
        about = {"class_path": arguments.class_path, "ok": ok, "questions": found}
        print(json.dumps(about | {"allowed": allowed, "policy": policy.path}, ensure_ascii=False))
    else:
        _show(answers)
        word = "lists it" if allowed else "does not list it, so no job may use it here"
        print(f"policy: {policy.path} {word}")
    return 0 if ok else 1


_SIGNS = {True: "pass", False: "FAIL", None: "--  "}


def _show(answers: list[Answer]) -> None:
    for answer in answers:
        found = f": {answer.detail}" if answer.detail else ""
        print(f"{_SIGNS[answer.ok]}  {answer.name}{found}")
    judged = [answer for answer in answers if answer.ok is not None]
    passed, rest = sum(answer.ok is True for answer in judged), len(answers) - len(judged)
    print(f"{passed} of {len(judged)} questions passed" + (f", {rest} not judged" if rest else ""))


def _init(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object ({error})") from None
    if not isinstance(found, dict):
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object of arguments")
    return found
