"""What pydantic found, in words a person can act on, one problem per place.

Knows the models only as types: it walks them to name the valid keys.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from augment.places import SHORTEST_KEY
from augment.spec.asked import MISSING, Asked, inside
from augment.spec.problems import nearest, one_of, shown
from augment.spec.text import Path

_PATTERNS = {
    "^[0-9a-f]{64}$": "64 hex digits",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": (
        "a name of at most 64 letters, digits, '.', '_' and '-' that starts with a letter or digit"
    ),
}
_PLAIN_EXPECTATIONS = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of at most 18 digits",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_unicode": "Unicode text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "invalid_key": "text as a key",
    "union_tag_not_found": "a value: this key is required",
    "missing": "a value: this key is required",
}
_BOUNDS = {
    "greater_than_equal": ("a number >= {}", "ge"),
    "greater_than": ("a number > {}", "gt"),
    "less_than_equal": ("a number <= {}", "le"),
    "less_than": ("a number < {}", "lt"),
    "string_too_short": ("text of at least {} character", "min_length"),
    "string_too_long": ("text of at most {} characters", "max_length"),
    "too_short": ("at least {} entry", "min_length"),
}


def add_validation_errors(
    asked: Asked, errors: Sequence[Mapping[str, Any]], model: type[BaseModel], prefix: Path = ()
) -> None:
    """Note every pydantic error of validating the value at `prefix` as `model`."""
    data = asked.get(*prefix)
    located = [(prefix + _path(data, e), _in_branch(data, e), e) for e in errors]
    above = {path[:n] for path, _, _ in located for n in range(len(path))}
    by_path: dict[Path, list[Mapping[str, Any]]] = {}
    for path, branch, error in located:
        if branch and path in above:
            continue  # another branch of the union fits better: its own error is deeper
        by_path.setdefault(path, []).append(error)
    for path, here in by_path.items():
        kind = here[0]["type"]
        if not asked.crowded(path, f"{kind} {path[-1]}" if kind == "missing" else kind):
            _add(asked, path, here, model, prefix)


def _path(data: Any, error: Mapping[str, Any]) -> Path:
    """Where the error stands in what was written: its `loc` without pydantic's own tags."""
    found: list[str | int] = []
    loc = error["loc"]
    for n, step in enumerate(loc):
        deeper = inside(data, step)
        if deeper is not MISSING:
            data = deeper
        elif error["type"] != "missing" or n < len(loc) - 1:
            continue
        found.append(step)
    if error["type"].startswith("union_tag"):
        found.append(error["ctx"]["discriminator"].strip("'"))
    return tuple(found)


def _in_branch(data: Any, error: Mapping[str, Any]) -> bool:
    """Whether the last step of `loc` names a branch of a union, not a key."""
    loc, path = error["loc"], _path(data, error)
    return bool(loc) and loc[-1] != "[key]" and (not path or path[-1] != loc[-1])


def _add(
    asked: Asked,
    path: Path,
    errors: list[Mapping[str, Any]],
    model: type[BaseModel],
    prefix: Path,
) -> None:
    first = errors[0]
    if first["type"] == "extra_forbidden":
        _add_unknown_key(asked, path, _keys(model, first["loc"][:-1]))
        return
    errors = [e for e in errors if e["type"] in ("too_short", "too_long")] or errors
    expected = list(dict.fromkeys(_expected(e) for e in errors))
    choices = [c for e in errors for c in _choices(e)]
    value = asked.written(path) if asked.has(*path) else None
    if first["loc"] and first["loc"][-1] == "[key]":
        value = str(path[-1])
    found = "nothing" if first["type"] == "missing" else shown(value)
    if "storage_options" in path and isinstance(value, str) and len(value) >= SHORTEST_KEY:
        found = f"a text of {len(value)} characters"
    hint = nearest(value, choices) if isinstance(value, str) else ""
    if first["type"] == "string_type" and value is not None and not isinstance(value, dict | list):
        hint = f'Put it in quotes: "{value}"'
    asked.add(path, found, " or ".join(expected), hint)


def _add_unknown_key(asked: Asked, path: Path, valid: list[str]) -> None:
    key = str(path[-1])
    hint = nearest(key, valid)
    if len(path) == 2 and path[0] == "execution" and not hint and key in _request_keys():
        hint = "It belongs to the request: change the job file"
    asked.add(path, "an unknown key", one_of(valid), hint)


def _request_keys() -> list[str]:
    from augment.spec.models import JobSpec

    return list(JobSpec.model_fields)


def _choices(error: Mapping[str, Any]) -> list[str]:
    """The texts that would have been right where there are only a few."""
    kind, ctx = error["type"], error.get("ctx", {})
    text = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}.get(kind)
    if text is None:
        return []
    return [w.strip().strip("'") for w in ctx[text].replace(" or ", ",").split(",") if w.strip()]


def _expected(error: Mapping[str, Any]) -> str:
    kind, ctx = error["type"], error.get("ctx", {})
    if kind in _PLAIN_EXPECTATIONS:
        return _PLAIN_EXPECTATIONS[kind]
    if choices := _choices(error):
        return one_of(choices)
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(ctx["pattern"], f"text that matches {ctx['pattern']}")
    if kind in _BOUNDS:
        text, key = _BOUNDS[kind]
        return text.format(_number(ctx[key]))
    return str(error["msg"])


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---- which keys a place may have -----------------------------------------------------


def _keys(model: Any, loc: Sequence[str | int]) -> list[str]:
    kind = model
    for step in loc:
        kind = _inner(_bare(kind), step)
    kind = _bare(kind)
    members = typing.get_args(kind) if _is_union(kind) else (kind,)
    return [
        f.alias or n
        for m in map(_bare, members)
        if isinstance(m, type) and issubclass(m, BaseModel)
        for n, f in m.model_fields.items()
    ]


def _inner(kind: Any, step: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        found = (f for n, f in kind.model_fields.items() if step in (n, f.alias))
        return next((f.annotation for f in found), None)
    if _is_union(kind):
        members = [_bare(m) for m in typing.get_args(kind)]
        tagged = [m for m in members if _has_tag(m, step)]
        models = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
        return tagged[0] if tagged else next((_inner(m, step) for m in models), None)
    arguments = typing.get_args(kind)
    return arguments[-1] if arguments else None


def _has_tag(member: Any, tag: str | int) -> bool:
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return False
    return any(tag in typing.get_args(f.annotation) for f in member.model_fields.values())


def _bare(kind: Any) -> Any:
    """Without `Annotated`, and `X` for `X | None`."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if _is_union(kind):
        members = [m for m in typing.get_args(kind) if m is not types.NoneType]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)
