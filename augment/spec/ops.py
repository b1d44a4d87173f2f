"""Checks operations of albumentations by a packaged table, without importing the library.

The library itself only warns of an unknown parameter; here it is a problem. Values of
parameters are checked when the real pipeline is built. Knows nothing of pixels.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from augment.spec.asked import Asked
from augment.spec.problems import nearest, one_of, shown
from augment.spec.text import Path

_SHAPE = "an operation's name, or {Name: {parameters}}"
_CLASS = "__class_fullname__"


@functools.cache
def _table() -> dict[str, Any]:
    text = (FilePath(__file__).parent / "albumentations_ops.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def check_pipeline(asked: Asked, path: Path, ops: Any) -> None:
    """Note what is wrong with the whole pipeline at `path` (values resolved)."""
    check_ops(asked, path, ops)
    _check_effect(asked, path, list(_asked_names(ops)))


def _check_effect(asked: Asked, path: Path, names: list[str]) -> None:
    if names and set(names) == {"NoOp"}:
        hint = "Its copies would be their parents once more"
        asked.add(path, "NoOp and nothing else", "an operation that changes something", hint)


def _asked_names(ops: Any) -> Iterator[str]:
    """Names of the operations that are no compositions, as far as they can be read."""
    for item in ops if isinstance(ops, list) else ():
        one = item if isinstance(item, dict) and len(item) == 1 else {str(item): None}
        ((name, params),) = one.items()
        if isinstance(params, dict) and "transforms" in params:
            yield from _asked_names(params["transforms"])
        else:
            yield str(name)


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
    elif _known(asked, path, name):
        _check_params(asked, path, name, params)


def _known(asked: Asked, path: Path, name: str) -> bool:
    table = _table()
    if name in table["ops"] or name in table["compositions"]:
        return True
    valid = [*table["ops"], *table["compositions"]]
    if reason := table["refused"].get(name):
        asked.add(path, f"the operation {name!r}: {reason}", "an operation on one RGB image")
    else:
        expected = f"an operation of albumentations {table['albumentations']}"
        asked.add(path, f"the operation {shown(name)}", expected, nearest(name, valid))
    return False


def _check_params(asked: Asked, path: Path, name: str, params: dict[str, Any]) -> None:
    table = _table()
    composition = table["compositions"].get(name)
    signature = table["ops"].get(name, {"params": ["transforms", *(composition or [])]})
    for key in params:
        if key not in signature["params"]:
            valid = signature["params"]
            asked.add((*path, key), "an unknown parameter", one_of(valid), nearest(key, valid))
    for key in signature.get("required", ["transforms"]):
        if key not in params:
            asked.add((*path, key), "nothing", f"a value: {name} requires it")
    if composition is not None and "transforms" in params:
        check_ops(asked, (*path, "transforms"), params["transforms"])
    _check_probability(asked, path, params)


def _check_probability(asked: Asked, path: Path, params: dict[str, Any]) -> None:
    p = params.get("p", 1)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        asked.add((*path, "p"), shown(p), "a probability of 0 to 1")
    elif p == 0:
        asked.add((*path, "p"), "0, so that it never runs", "a probability above 0")


def check_saved(asked: Asked, path: Path, document: Any) -> None:
    """Note operations of a saved pipeline (`albumentations.save`) that cannot be used."""
    root = document.get("transform") if isinstance(document, dict) else None
    if not isinstance(root, dict):
        expected = "a pipeline written with albumentations.save"
        asked.add(path, "a file without the key `transform`", expected)
        return
    names = list(_saved_names(root))
    for name in names:
        _known(asked, path, name)
    _check_effect(asked, path, [n for n in names if n not in _table()["compositions"]])


def _saved_names(root: dict[str, Any]) -> Iterator[str]:
    todo = [root]
    while todo:
        item = todo.pop()
        yield str(item.get(_CLASS, "")).rpartition(".")[2]
        inner = item.get("transforms")
        todo += [t for t in inner if isinstance(t, dict)] if isinstance(inner, list) else []
