"""Pipelines that `albumentations.save` wrote, of 2.0.8 and of 1.x, as a tree of operations.

Nothing that a file names is imported. Whether operations exist, and what they take, is judged
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augment.errors import Problem
from augment.spec.op_values import table
from augment.spec.op_versions import Outdated, modern
from augment.spec.problems import dotted, shown
from augment.spec.text import Document, Path, resolve

_CLASS = "__class_fullname__"
_LIBRARY = "albumentations"
_SAVED = "a pipeline written with albumentations.save"
_EMPTY: Mapping[str, Any] = {"bbox_params": None, "keypoint_params": None, "additional_targets": {}}
_NO_EFFECT = ("is_check_shapes", "always_apply")


@dataclass(frozen=True)
class Step:
    """One operation: its name, its own parameters and, of a composition, its steps.

    place: where it stands, for errors.
    """

    op: str
    params: Mapping[str, Any]
    steps: tuple[Step, ...] | None
    place: str


@dataclass(frozen=True)
class Saved:
    """root: the whole tree, a `Compose`; None where a part of it is no operation. steps: every
    operation that could be read. problems: what is wrong."""

    root: Step | None
    steps: tuple[Step, ...]
    problems: list[Problem]


def read_saved(document: Document) -> Saved:
    """What a saved pipeline holds."""
    reader = _Reader(document)
    reader.problems += document.problems
    root = document.data.get("transform") if isinstance(document.data, dict) else None
    if not isinstance(root, dict):
        reader.add((), "a file without the key `transform`", _SAVED)
        return Saved(None, (), reader.problems)
    step = reader.step(root, ("transform",))
    if step is not None and step.op != "Compose":
        step = Step("Compose", {}, (step,), document.name)
    return Saved(step, tuple(reader.steps), reader.problems)


class _Reader:
    def __init__(self, document: Document) -> None:
        self.problems: list[Problem] = []
        self.steps: list[Step] = []
        self._document = document

    def place(self, path: Path) -> str:
        """`light.json:12: transform.transforms[0]`."""
        lines = self._document.lines
        line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None)
        where = self._document.name if line is None else f"{self._document.name}:{line}"
        return f"{where}: {dotted(path)}" if path else where

    def add(self, path: Path, found: str, expected: str, hint: str = "") -> None:
        self.problems.append(Problem(self.place(path), found, expected, hint))

    def step(self, item: Any, path: Path) -> Step | None:
        """One operation; None where it has a problem."""
        name = item.get(_CLASS) if isinstance(item, dict) else None
        if not isinstance(name, str):
            self.add(path, shown(item), f"an operation with {_CLASS}")
            return None
        library, _, op = name.rpartition(".")
        if library and library.split(".")[0] != _LIBRARY:
            hint = "Other code is never imported"
            self.add(path, f"the class {shown(name)}", "one of albumentations' own", hint)
            return None
        own = resolve({k: v for k, v in item.items() if k not in (_CLASS, "transforms")})
        inner = item.get("transforms")
        if inner is None:
            return self._leaf(op, own, path)
        if not isinstance(inner, list):
            self.add((*path, "transforms"), shown(inner), "a list of operations")
            return None
        steps = [self.step(one, (*path, "transforms", n)) for n, one in enumerate(inner)]
        whole = tuple(s for s in steps if s is not None)
        step = self._made(Step(op, self._used(own, path), whole, self.place(path)))
        return step if len(whole) == len(steps) else None

    def _made(self, step: Step) -> Step:
        self.steps.append(step)
        return step

    def _leaf(self, op: str, own: dict[str, Any], path: Path) -> Step | None:
        try:
            op, params = modern(op, own)
        except Outdated as error:
            key: Path = (error.key,) if error.key else ()
            self.add((*path, *key), error.found, error.expected, error.hint)
            return None
        inherited = table()["ops"].get(op, {}).get("inherited", ())
        params = {k: v for k, v in params.items() if k not in inherited}
        return self._made(Step(op, params, None, self.place(path)))

    def _used(self, own: dict[str, Any], path: Path) -> dict[str, Any]:
        """A composition's parameters without what a dump always lists and images do not need."""
        for key, empty in _EMPTY.items():
            if own.get(key, empty) not in (empty, None):
                hint = "Only images are varied: remove it"
                self.add((*path, key), shown(own[key]), "nothing", hint)
        if own.get("always_apply") and own.get("p") != 1:
            self.add((*path, "always_apply"), "true", "nothing", "Write p: 1 and remove it")
        skip = (*_EMPTY, *_NO_EFFECT)
        return {k: v for k, v in own.items() if k not in skip}
