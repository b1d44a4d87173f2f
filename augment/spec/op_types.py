"""Types of the parameters of operations, from the packaged table: what a value is judged by, and
what is taken in words.

Judged by pydantic, as the library does it, so that a value passes here where it passes there.
Knows no operation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from augment.spec.op_rules import VALUES


def _refuse(value: Any) -> Any:
    raise ValueError("nothing that a file can say")


_PLAIN: Mapping[str, Any] = {
    "int": int, "float": float, "bool": bool, "str": str, "none": None, "any": Any,
    "other": Annotated[Any, BeforeValidator(_refuse)],
}  # fmt: skip
_BOUNDS = ("ge", "gt", "le", "lt")


def accepted(tree: Any, value: Any) -> tuple[bool, Any]:
    """Whether the library takes `value` for a parameter of type `tree`, and what it makes of it.
    tree: see `augment.transforms.ops_table.type_of`."""
    try:
        made = _adapter(json.dumps(tree)).validate_python(value)
    except Exception:  # as the library does it: what a check stumbles over is refused
        return False, None
    return _finite(made), made


def _finite(value: Any) -> bool:
    """Whether no text such as "nan" became a number that is none."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = list(value.values())
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True


@cache
def _adapter(tree: str) -> TypeAdapter[Any]:
    return TypeAdapter(_built(json.loads(tree)))


def _built(tree: Any) -> Any:
    """A type of pydantic."""
    match tree:
        case str():
            return _PLAIN[tree]
        case {"choice": values}:
            return Literal[tuple(values)]
        case {"union": members}:
            return Union[tuple(_built(t) for t in members)]  # noqa: UP007 - made at run time
        case {"tuple": members}:
            return tuple[tuple(_built(t) for t in members)]  # type: ignore[misc]
        case {"each": inner, "as": "tuple"}:
            return tuple[_built(inner), ...]  # type: ignore[misc]
        case {"each": inner, "as": "list"}:
            return list[_built(inner)]  # type: ignore[misc]
        case {"each": inner}:
            return Sequence[_built(inner)]  # type: ignore[misc]
        case {"keys": keys, "values": values}:
            return dict[_built(keys), _built(values)]  # type: ignore[misc]
        case {"of": inner, "checks": checks}:
            markers = tuple(_marker(*check) for check in checks)
            return Annotated[(_built(inner), *markers)]
    raise ValueError(f"{tree!r} is no type of the table")


def _marker(name: str, *numbers: Any) -> Any:
    if name in _BOUNDS:
        return Field(**{name: numbers[0]})
    check: Callable[..., Any] = VALUES[name]
    return AfterValidator((lambda value: check(value, *numbers)) if numbers else check)


# ---- in words --------------------------------------------------------------------------


def words(tree: Any, names: Mapping[Any, str] | None = None) -> str:
    """What a parameter takes: `a number from 0 to 1`. names: of its choices, if they have any."""
    match tree:
        case {"choice": values}:
            return _choices(values, names or {})
        case {"union": members}:
            return _members([m for m in members if m not in ("none", "other")])
        case {"tuple": members}:
            return f"a list of {len(members)} {_plural(members[0])}"
        case {"each": inner}:
            return f"a list of {_plural(inner)}"
        case {"values": inner}:
            return f"a mapping to {_plural(inner)}"
        case {"of": inner, "checks": checks}:
            return words(inner, names) + _conditions(inner, checks)
    return _WORDS.get(tree, "nothing")


_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text",
          "none": "nothing", "any": "anything"}  # fmt: skip


def _choices(values: Sequence[Any], names: Mapping[Any, str]) -> str:
    shown = [f"{v} ({names[v]})" if v in names else str(v) for v in sorted(values, key=str)
             if v is not None]  # fmt: skip
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def _members(members: Sequence[Any]) -> str:
    if not members:
        return "nothing"
    return " or ".join(dict.fromkeys(words(m) for m in members))


def _plural(tree: Any) -> str:
    match tree:
        case "int":
            return "whole numbers"
        case "float":
            return "numbers"
        case "str":
            return "texts"
        case {"tuple": members}:
            return f"lists of {len(members)} {_plural(members[0])}"
        case {"union": members}:
            return " or ".join(dict.fromkeys(_plural(m) for m in members if m != "none"))
    return "values"


def _conditions(inner: Any, checks: Sequence[Sequence[Any]]) -> str:
    """What must hold beside the type: `, each from 0 to 1, the first not above the second`."""
    single = inner in ("int", "float")
    found = dict[str, None]()
    limits = {name: numbers[0] for name, *numbers in checks if name in _BOUNDS}
    if limits:
        found[_range(limits)] = None
    for name, *numbers in checks:
        if name == "bounds":
            low, high, with_low, with_high = numbers
            ends = {"ge" if with_low else "gt": low}
            if high is not None:
                ends["le" if with_high else "lt"] = high
            found[f"each {_range(ends)}"] = None
        elif text := _SAID.get(name):
            found[text] = None
    if not found:
        return ""
    return (" " if single and limits else ", ") + ", ".join(found)


_SAID = {
    "nondecreasing": "the first not above the second",
    "process_non_negative_range": "none below 0",
    "Blur.process_blur": "odd, 3 or more",
    "UnsharpMask._process_blur": "odd, 3 or more",
    "AdvancedBlur._check_beta_limit": "with 1 between them",
    "GridDistortion._check_limits": "within -1 and 1",
    "PiecewiseAffine._process_range": "2 or more",
    "Posterize._validate_num_bits": "each from 1 to 7",
    "ShiftScaleRotate._check_scale_limit": "none below -1",
}


def _range(ends: Mapping[str, float]) -> str:
    """`from 0 to 1`, `above 0`."""
    said = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    return " ".join(f"{word} {_number(ends[key])}" for key, word in said.items() if key in ends)


def _number(value: float) -> str:
    return f"{value:g}"
