"""What an operation of albumentations would refuse of its parameters' values, and the way out.

By the packaged table: `validate` says it, with its line, so that `plan` and `run` need not.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from augment.spec.op_together import RESULTS, TOGETHER, Together, idle, too_large
from augment.spec.op_types import accepted, words
from augment.spec.op_work import too_much
from augment.spec.problems import nearest, shown

_LONGEST = 200


class Wrong(NamedTuple):
    """One thing that is wrong. parameter: `noise_params.ranges`; "" for all of them together."""

    parameter: str
    found: str
    expected: str
    hint: str = ""


@functools.cache
def table() -> dict[str, Any]:
    """See `augment.transforms.ops_table.ops_table`."""
    text = (FilePath(__file__).parent / "albumentations_ops.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def wrong_values(op: str, params: Mapping[str, Any]) -> Iterator[Wrong]:
    """What is wrong with the values of `op`, a known operation, whose parameters are known.

    params: as a file says them. Values that are right each by themselves are judged together.
    """
    facts = table()["ops"][op]
    values, refused = _read(op, params)
    for name in params:
        if name in refused:
            yield _wrong(name, facts["params"][name]["type"], params[name])
    if not refused:
        for wrong in _together(op, facts["rules"], values):
            given = params.get(wrong.parameter, values.get(wrong.parameter))
            yield wrong if wrong.found else wrong._replace(found=shown(given))


def wrong_work(op: str, params: Mapping[str, Any]) -> Iterator[Wrong]:
    """Which values of `op` the library would take, though they fill the memory or never end."""
    values, refused = _read(op, params)
    for parameter, expected in too_much(values) if not refused else ():
        yield Wrong(parameter, shown(params.get(parameter, values[parameter])), expected)


def changes_nothing(op: str, params: Mapping[str, Any]) -> bool:
    """Whether `op`, a known operation whose parameters are right, leaves every image as it is."""
    values, refused = _read(op, params)
    return not refused and idle(op, values)


def _read(op: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values of all parameters as the library would have them, and names of those that it
    would refuse."""
    values: dict[str, Any] = {}
    refused = []
    for name, about in table()["ops"][op]["params"].items():
        fits, values[name] = accepted(about["type"], params.get(name, about.get("default")))
        if not fits:
            refused.append(name)
    return values, refused


def wrong_composition(op: str, params: Mapping[str, Any], count: int | None) -> Iterator[Wrong]:
    """What is wrong with the values of a composition's own parameters, `p` apart. count: of its
    inner operations, where they can be counted. The library looks at next to nothing here."""
    if op == "OneOrOther" and count not in (None, 2):
        yield Wrong("transforms", f"{count} operations", "two")
    if "replace" in params and not isinstance(params["replace"], bool):
        yield Wrong("replace", shown(params["replace"]), "true or false")
    n = params.get("n", 1)
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        yield Wrong("n", shown(n), "a whole number from 1")
    elif count is not None and n > count and not params.get("replace", False):
        found = f"{n}, more than its {count} operations"
        yield Wrong("n", found, f"at most {count}, or replace: true")
    channels = params.get("channels", [0])
    numbers = channels if isinstance(channels, list) else []
    if not numbers or any(type(c) is not int or c not in range(3) for c in numbers):
        yield Wrong("channels", shown(channels), "a list of 0 (red), 1 (green) and 2 (blue)")
    elif len(set(numbers)) < len(numbers):
        yield Wrong("channels", shown(channels), "each channel once")


def _together(op: str, rules: list[str], values: dict[str, Any]) -> Iterator[Wrong]:
    checks = [TOGETHER[name] for name in rules]
    for check in [*checks, *([RESULTS[op]] if op in RESULTS else []), too_large]:
        try:
            check(values)
        except Together as error:
            yield Wrong(error.parameter, error.found[:_LONGEST], error.expected)


# ---- one value -----------------------------------------------------------------------


def _wrong(name: str, tree: Any, given: Any) -> Wrong:
    names = _constants(name)
    meant = _meant(tree, given, names)
    hint = "" if meant is None else f"Write {json.dumps(meant)}"
    if not hint and isinstance(given, str):
        hint = nearest(given, [c for c in _choices(tree) if isinstance(c, str)])
    return Wrong(name, shown(given), words(tree, {n: t.lower() for t, n in names.items()}), hint)


def _constants(parameter: str) -> dict[str, int]:
    """OpenCV's names, without what they all begin with, of the numbers that a parameter takes."""
    begin = "BORDER_" if parameter == "border_mode" else "INTER_"
    if not (parameter == "border_mode" or "interpolation" in parameter):
        return {}
    found = table()["constants"].items()
    return {name.removeprefix(begin): n for name, n in found if name.startswith(begin)}


def _choices(tree: Any) -> list[Any]:
    match tree:
        case {"choice": values}:
            return list(values)
        case {"union": members}:
            return [c for m in members for c in _choices(m)]
        case {"of": inner}:
            return _choices(inner)
    return []


def _meant(tree: Any, given: Any, names: Mapping[str, int]) -> Any:
    """What was meant, where it is plain and is taken; None where it is not."""
    for meant in _guesses(given, names):
        if accepted(tree, meant)[0]:
            return meant
    return None


def _guesses(given: Any, names: Mapping[str, int]) -> Iterator[Any]:
    if isinstance(given, str) and len(given) <= _LONGEST:
        bare = given.strip().rpartition(".")[2].upper()
        for name, number in names.items():
            if bare in (name, f"INTER_{name}", f"BORDER_{name}"):
                yield number
        try:
            read = json.loads(json.dumps(ast.literal_eval(given.strip()), default=str))
        except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
            return
        yield read
    elif isinstance(given, int | float):
        yield [given, given]
    elif isinstance(given, list):
        yield given[::-1]
        if len(given) == 1:
            yield given[0]
            yield given * 2
