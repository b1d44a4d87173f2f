"""Checks pipelines of albumentations by a packaged table, without importing the library.

Names of operations and parameters, and their values: what the library would refuse or warn of
is a problem here, with its line. Knows nothing of pixels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from augment.errors import Problem
from augment.spec.asked import Asked
from augment.spec.few import Few
from augment.spec.op_values import (
    changes_nothing,
    table,
    wrong_composition,
    wrong_values,
    wrong_work,
)
from augment.spec.problems import nearest, one_of, shown
from augment.spec.saved import Saved, read_saved
from augment.spec.text import Document, Path

MAX_VALUES = 20_000
MAX_DEPTH = 32
_SHAPE = "an operation's name, or {Name: {parameters}}"


def check_pipeline(asked: Asked, path: Path, ops: Any) -> None:
    """Note what is wrong with the whole pipeline at `path` (values resolved)."""
    if (size := wrong_size(ops)) is not None:
        asked.add(path, *size)
        return
    before = len(asked.problems)
    check_ops(asked, path, ops)
    if len(asked.problems) == before and _idle(_asked_leaves(ops)):
        asked.add(path, *_IDLE)


def wrong_size(value: Any) -> tuple[str, str] | None:
    """(what came, what is expected) where `value` is too large or too deep to walk, or holds a
    number that is none."""
    seen, todo = 0, [(value, 0)]
    while todo:
        item, depth = todo.pop()
        seen += 1
        if seen > MAX_VALUES or depth > MAX_DEPTH:
            return "too large a pipeline", f"at most {MAX_VALUES} values, {MAX_DEPTH} deep"
        if isinstance(item, Mapping):
            todo += [(v, depth + 1) for v in item.values()]
        elif isinstance(item, Sequence) and not isinstance(item, str | bytes):
            todo += [(v, depth + 1) for v in item]
        elif isinstance(item, float) and not math.isfinite(item):
            return f"the number {item}", "finite numbers"
    return None


# ---- ops of a job --------------------------------------------------------------------


_IDLE = ("operations that leave every image as it is", "one that changes something",
         "Its copies would be their parents once more")  # fmt: skip


def _idle(leaves: Iterator[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether none of the operations, which are right, changes an image."""
    return all(changes_nothing(name, params) for name, params in leaves)


def _asked_leaves(ops: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The operations that are no compositions, of a list that is right."""
    for item in ops:
        ((name, params),) = item.items() if isinstance(item, dict) else ((item, None),)
        if name in table()["compositions"]:
            yield from _asked_leaves((params or {})["transforms"])
        else:
            yield name, params or {}


def check_ops(asked: Asked, path: Path, ops: Any) -> None:
    """Note what is wrong with the list of operations at `path`."""
    if not isinstance(ops, list) or not ops:
        asked.add(path, shown(ops), "a list of at least one operation")
        return
    for n, item in enumerate(ops):
        _check_item(asked, (*path, n), item)


def _check_item(asked: Asked, path: Path, item: Any) -> None:
    params: Any = {}
    if isinstance(item, str):
        name = item
    elif isinstance(item, dict) and len(item) == 1:
        ((name, params),) = item.items()
        path = (*path, name)
        params = {} if params is None else params
    else:
        asked.add(path, shown(item), _SHAPE)
        return
    if not isinstance(params, dict):
        asked.add(path, shown(params), "a mapping of parameters")
        return
    inner = params.get("transforms") if name in table()["compositions"] else None
    own = {key: value for key, value in params.items() if key != "transforms" or inner is None}
    count = len(inner) if isinstance(inner, list) else None
    for key, *problem in _wrong(name, own, count, inner is not None):
        asked.add((*path, *key), *problem)
    if inner is not None:
        check_ops(asked, (*path, "transforms"), inner)


# ---- a saved pipeline ----------------------------------------------------------------


def check_saved(asked: Asked, path: Path, document: Document) -> None:
    """Note what of a saved pipeline (`albumentations.save`) cannot be used, by the file's lines.
    path: where the job names the file."""
    saved = saved_pipeline(document)
    asked.problems += saved.problems
    leaves = ((step.op, step.params) for step in saved.steps if step.steps is None)
    if not saved.problems and _idle(leaves):
        asked.add(path, *_IDLE)


def saved_pipeline(document: Document) -> Saved:
    """A saved pipeline in today's words, and all that is wrong with it."""
    if (size := wrong_size(document.data)) is not None:
        return Saved(None, (), [Problem(document.name, *size)])
    saved = read_saved(document)
    problems = Few(document.name)
    for problem in saved.problems:
        problems.note(problem)
    for step in saved.steps:
        count = None if step.steps is None or saved.root is None else len(step.steps)
        for key, *wrong in _wrong(step.op, step.params, count):
            problems.add(".".join([step.place, *key]), *wrong)
    return replace(saved, problems=problems.problems())


# ---- one operation -------------------------------------------------------------------


def _wrong(
    name: str, params: Mapping[str, Any], count: int | None, inner: bool = True
) -> Iterator[tuple[Any, ...]]:
    """(path of the parameter, what came, what is expected, hint) of all that is wrong with one
    operation. Of a composition: inner: whether it has `transforms`; count: how many, if known."""
    facts = table()
    composition = facts["compositions"].get(name)
    if composition is None and name not in facts["ops"]:
        yield _unknown(name)
        return
    known = facts["ops"][name]["params"] if composition is None else dict.fromkeys(composition)
    valid = [*known] if composition is None else ["transforms", *known]
    unknown = [key for key in params if key not in known]
    for key in unknown:
        yield (key,), "an unknown parameter", one_of(valid), nearest(key, valid)
    required = [k for k, v in known.items() if v is not None and "default" not in v]
    if composition is not None and not inner:
        required = ["transforms"]
    missing = [key for key in required if key not in params]
    for key in missing:
        yield (key,), "nothing", f"a value: {name} requires it", ""
    if wrong := _wrong_probability(params):
        yield ("p",), *wrong, ""
    given = {k: v for k, v in params.items() if k in known and k != "p"}
    if composition is not None:
        yield from ((w.parameter.split("."), *w[1:]) for w in wrong_composition(name, given, count))
    elif not missing:
        for w in [*wrong_values(name, given), *wrong_work(name, given)]:
            yield w.parameter.split(".") if w.parameter else (), *w[1:]


@functools.lru_cache(64)
def _unknown(name: str) -> tuple[Any, ...]:
    facts = table()
    if reason := facts["refused"].get(name):
        return (), f"the operation {name!r}: {reason}", "an operation on one RGB image", ""
    expected = f"an operation of albumentations {facts['albumentations']}"
    valid = [*facts["ops"], *facts["compositions"]]
    return (), f"the operation {shown(name)}", expected, nearest(name, valid)


def _wrong_probability(params: Mapping[str, Any]) -> tuple[str, str] | None:
    p = params.get("p", 1)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        return shown(p), "a probability of 0 to 1"
    return ("0, so that it never runs", "a probability above 0") if p == 0 else None
