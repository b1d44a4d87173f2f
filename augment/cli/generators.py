"""The actions of `augment generators`: which families there are, what a checkpoint is, making
a folder of it that a job can name, and whether a class keeps the contract. `grammar.py` gives the
grammar; imports are inside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augment import streams
from augment.errors import RequestError

if TYPE_CHECKING:
    from augment.generators.catalog import Family
    from augment.generators.contract import Answer
    from augment.generators.importing import Bounds, Choice
    from augment.generators.installed import Missing

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one action, with `--json`."""
_MOST_GIB, _MOST_S = 1 << 20, 10_000_000


def add_actions(actions: Any, verb: Verb) -> None:
    """The actions, as sub-parsers of `augment generators`."""
    verb(actions, "list", _list, "the families that a job can name, and what is installed")
    inspect = verb(actions, "inspect", _inspect, "what a checkpoint is; executes nothing of it")
    _checkpoint(inspect)
    convert = verb(actions, "import", _import, "make a folder of a checkpoint that a job can name")
    _checkpoint(convert)
    convert.set_defaults(lasting=True)
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
    parser.add_argument(
        "--key", metavar="NAME", help="the entry of a file that is the network: ema"
    )
    parser.add_argument("--prefix", metavar="NAME", help="the sub-module that is the network: G.")
    parser.add_argument("--inputs", metavar="ROLE=NAME,...",
                        help="of an ONNX graph: z=, class=, image=, as in a job")  # fmt: skip
    parser.add_argument("--output", metavar="NAME", help="of an ONNX graph: its image")
    parser.add_argument("--layout", choices=("NCHW", "NHWC"), help="of an ONNX graph's image")
    parser.add_argument("--class-as", choices=("index", "onehot"), help="of an ONNX graph's class")
    parser.add_argument("--storage-options", metavar="FILE|JSON", dest="options",
                        help="as in a job's execution")  # fmt: skip
    parser.add_argument("--memory", metavar="GIB", type=float, help="default: 4 + 6 x its size")
    parser.add_argument("--cpu-seconds", metavar="N", type=int, default=1800)


def _bounds(arguments: argparse.Namespace) -> Bounds:
    from augment.generators.importing import Bounds

    memory, seconds = arguments.memory, arguments.cpu_seconds
    if memory is not None and not 0 < memory <= _MOST_GIB:
        raise RequestError(f"--memory: got {memory:g}; expected more than 0, at most {_MOST_GIB}")
    if not 1 <= seconds <= _MOST_S:
        raise RequestError(f"--cpu-seconds: got {seconds}; expected 1 to {_MOST_S}")
    return Bounds(memory=memory, cpu_seconds=seconds)


def _choice(arguments: argparse.Namespace) -> Choice:
    from augment.generators.importing import Choice

    told = {key: getattr(arguments, key) for key in ("output", "layout", "class_as")}
    told["inputs"] = _roles(arguments.inputs) if arguments.inputs is not None else None
    given = {key: value for key, value in told.items() if value is not None}
    return Choice(arguments.variant, arguments.key, arguments.prefix, given)


def _roles(text: str) -> dict[str, str]:
    """`z=latent,class=label` as a job has it."""
    found = {}
    for part in text.split(","):
        role, sign, name = part.partition("=")
        if not sign or role not in ("z", "class", "image") or role in found or not name:
            raise RequestError(
                f"--inputs: got {text!r:.80}; expected the graph's inputs by role, each once: "
                "z=NAME,class=NAME,image=NAME"
            )
        found[role] = name
    return found


def _options(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    from augment.spec import load_storage_options

    return load_storage_options(arguments.options) if arguments.options else {}


def _inspect(arguments: argparse.Namespace) -> int:
    """Exit code 2 where it cannot be hosted, so that a script can ask."""
    from augment.generators.importing import inspect

    report = inspect(
        arguments.source,
        choice=_choice(arguments),
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
        license=arguments.license,
        options=_options(arguments),
        choice=_choice(arguments),
    )
    report = import_checkpoint(request, _bounds(arguments))
    _tell(arguments, {**report, "out": arguments.out})
    if not arguments.json:
        streams.say(_next_step(report, arguments.out))
    return 0


def _tell(arguments: argparse.Namespace, report: dict[str, Any]) -> None:
    if arguments.json:
        streams.tell(report)
        return
    for key, value in report.items():
        if value in (None, [], {}, ""):
            continue
        lines = [f"{k}: {v}" for k, v in value.items()] if isinstance(value, dict) else value
        if not isinstance(lines, list):
            streams.say(f"{key + ':':<14}{lines}")
        else:
            streams.say(f"{key}:")
            for line in lines:
                streams.say(f"  {line}")


def _next_step(report: dict[str, Any], out: str) -> str:
    """What a job must say of it."""
    words = [f"family: {report['family']}", f"checkpoint: {out}"]
    if report.get("takes") == "classes":
        words.append("classes: [...]")
    elif report.get("takes") == "class_index":
        words.append("class_index: {name: index, ...}")
    elif not report.get("takes_image") and not report.get("named"):
        count = report.get("classes")
        words.append("class_index: {name: index, ...}" if count != 0 else "label: <class>")
    words += [f"{key}: {_flow(value)}" for key, value in (report.get("words") or {}).items()]
    return f"in a job:     generators: {{name: {{{', '.join(words)}}}}}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
    return str(value)


def _list(arguments: argparse.Namespace) -> int:
    from augment.generators.catalog import FAMILIES
    from augment.generators.installed import missing
    from augment.policy import read_policy

    lacks = {extra: missing(extra) for family in FAMILIES for extra in _extras(family)}
    allowed = read_policy().rules.allow_code
    if arguments.json:
        streams.tell([_family_json(family, lacks, allowed) for family in FAMILIES])
        return 0
    for family in FAMILIES:
        streams.say(family.name)
        for what in ("loads", "takes", "conditions"):
            streams.say(f"  {what + ':':<12}{getattr(family, what)}")
        streams.say(f"  {'installed:':<12}{_installed(family, lacks, allowed)}")
    return 0


Lacks = Mapping[str, "tuple[Missing, ...] | None"]
"""What is not installed of each extra; None where nobody knows."""


def _extras(family: Family) -> list[str]:
    """All that a family may need."""
    return [*([family.extra] if family.extra else []), *(extra for _, extra in family.parts)]


def _family_json(family: Family, lacks: Lacks, allowed: Sequence[str]) -> dict[str, Any]:
    """installed: whether all of its extras are there; null where nobody knows."""
    found = [lacks[extra] for extra in _extras(family)]
    missing = [one for some in found for one in some or ()]
    about = {
        "installed": None if None in found else not missing,
        "missing": [one._asdict() for one in missing],
    }
    classes = {"allowed": list(allowed)} if family.name == "custom" else {}
    return family._asdict() | about | classes


def _installed(family: Family, lacks: Lacks, allowed: Sequence[str]) -> str:
    if family.name == "custom":
        return f"the policy allows {', '.join(allowed)}" if allowed else "the policy allows none"
    whole = _state(family.extra, lacks) if family.extra else "yes"
    parts = [f"for {what}: {_state(extra, lacks)}" for what, extra in family.parts]
    return "; ".join([whole, *parts])


def _state(extra: str, lacks: Lacks) -> str:
    install = f"augment-vision[{extra}]"
    missing = lacks[extra]
    if missing is None:
        return f"not known; needs {install}"
    if missing:
        packages = [f"{m.wanted} (here: {m.found or 'none'})" for m in missing]
        return f"no, there is no {', '.join(packages)}: pip install '{install}'"
    return f"yes, with {install}"


def _check(arguments: argparse.Namespace) -> int:
    """A person who names a class here runs their own code, so no policy is asked; whether a
    job could use it is said beside the answers."""
    from augment.generators.contract import questions, sample_requests
    from augment.generators.families.custom import constructed, spec_of
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
        streams.tell(about | {"allowed": allowed, "policy": policy.path})
    else:
        _show(answers)
        word = "lists it" if allowed else "does not list it, so no job may use it here"
        streams.say(f"policy: {policy.path} {word}")
    return 0 if ok else 1


_SIGNS = {True: "pass", False: "FAIL", None: "--  "}


def _show(answers: list[Answer]) -> None:
    for answer in answers:
        found = f": {answer.detail}" if answer.detail else ""
        streams.say(f"{_SIGNS[answer.ok]}  {answer.name}{found}")
    judged = [answer for answer in answers if answer.ok is not None]
    passed, rest = sum(answer.ok is True for answer in judged), len(answers) - len(judged)
    streams.say(
        f"{passed} of {len(judged)} questions passed" + (f", {rest} not judged" if rest else "")
    )


def _init(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object ({error})") from None
    if not isinstance(found, dict):
        raise RequestError(f"--init: got {text!r:.80}; expected a JSON object of arguments")
    return found
