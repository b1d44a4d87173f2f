"""The actions of `augment generators`: which families there are, and whether a class keeps
the contract. `augment.cli` gives the grammar and the exit codes; imports are inside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.generators.contract import Answer

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one action, with `--json`."""


def add_actions(actions: Any, verb: Verb) -> None:
    """The actions, as sub-parsers of `augment generators`."""
    verb(actions, "list", _list, "the families that a job can name")
    check = verb(actions, "check", _check, "ask a class the contract's questions; runs its code")
    check.add_argument("class_path", metavar="PACKAGE.MODULE:CLASS")
    check.add_argument("--init", metavar="JSON", default="{}", help="its constructor's arguments")


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
    ok = all(answer.ok for answer in answers)
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


def _show(answers: list[Answer]) -> None:
    for answer in answers:
        found = f": {answer.detail}" if answer.detail else ""
        print(f"{'pass' if answer.ok else 'FAIL'}  {answer.name}{found}")
    failed = sum(not answer.ok for answer in answers)
    print(f"{len(answers) - failed} of {len(answers)} questions passed")


def _init(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object ({error})") from None
    if not isinstance(found, dict):
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object of arguments")
    return found
