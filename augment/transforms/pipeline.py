"""The pipeline as asked: `ops` of a job file, or a file written from `A.to_dict`, as a tree.

Reads names and parameters only: imports no albumentations and nothing that a file names.
Which operations exist, and whether parameters fit, is the backend's business.
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.errors import PlanError, Problem, SpecError
from augment.spec.files import read_bytes
from augment.spec.models import Augmentation

MAX_FILE_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 32
_CLASS = "__class_fullname__"
_LIBRARY = "albumentations"
_NOTHING: dict[str, Any] = {"bbox_params": None, "keypoint_params": None, "additional_targets": {}}


@dataclass(frozen=True)
class Step:
    """One operation as asked: its name, its own parameters and, of a composition, its steps.

    place: where it stands, for errors. saved: read from a dump of the library, which
    also lists parameters that only a base class takes.
    """

    op: str
    params: Mapping[str, Any]
    steps: tuple[Step, ...] | None
    place: str
    saved: bool = False


def read_pipeline(
    augmentation: Augmentation, base: str, options: Mapping[str, Mapping[str, Any]] | None = None
) -> Step:
    """The tree of `augmentation`; its root is a `Compose`.

    Raises:
        PlanError: the file is missing, too large or no pipeline; a step is malformed.
    """
    place = f"augmentations.{augmentation.name}"
    if (augmentation.ops is None) == (augmentation.pipeline is None):
        both = "neither" if augmentation.ops is None else "both"
        raise _plan_error(place, f"{both} of ops and pipeline", "exactly one of them")
    if augmentation.ops is not None:
        _check_size(augmentation.ops, f"{place}.ops")
        return Step("Compose", {}, _asked_steps(augmentation.ops, f"{place}.ops"), place)
    assert augmentation.pipeline is not None
    return _read_file(augmentation.pipeline, base, options, f"{place}.pipeline")


def _plan_error(place: str, found: str, expected: str, hint: str = "") -> PlanError:
    return PlanError([Problem(place, found, expected, hint)])


# ---- ops of a job file ---------------------------------------------------------------


def _asked_steps(value: Any, place: str) -> tuple[Step, ...]:
    if not isinstance(value, list) or not value:
        raise _plan_error(place, _short(value), "a list of at least one operation")
    return tuple(_asked_step(item, f"{place}[{i}]") for i, item in enumerate(value))


def _asked_step(item: Any, place: str) -> Step:
    if isinstance(item, str):
        return Step(item, {}, None, place)
    if not isinstance(item, Mapping) or len(item) != 1:
        raise _plan_error(place, _short(item), "an operation's name, or {Name: {parameters}}")
    ((name, params),) = item.items()
    if not isinstance(name, str) or not isinstance(params, Mapping | None):
        raise _plan_error(place, _short(item), "an operation's name, or {Name: {parameters}}")
    own = dict(params or {})
    inner = own.pop("transforms", None)
    steps = None if inner is None else _asked_steps(inner, f"{place}.{name}.transforms")
    return Step(name, own, steps, place)


# ---- a saved pipeline ----------------------------------------------------------------


def _read_file(
    path: str, base: str, options: Mapping[str, Mapping[str, Any]] | None, place: str
) -> Step:
    whole = path if "://" in path else posixpath.join(base, path)
    place = f"{place} ({path})"
    try:
        data = read_bytes(whole, options, MAX_FILE_BYTES)
    except SpecError as error:
        (told,) = error.problems
        expected = f"{told.expected}: a pipeline written with albumentations.save"
        raise _plan_error(place, told.found, expected, told.hint or f"Looked at {whole}") from None
    document = _parse(data, posixpath.basename(whole), place)
    _check_size(document, place)
    if not isinstance(document, Mapping) or not isinstance(document.get("transform"), Mapping):
        raise _plan_error(
            place, "no key `transform`", "a pipeline written with albumentations.save"
        )
    root = _saved_step(document["transform"], f"{place} transform")
    return root if root.op == "Compose" else Step("Compose", {}, (root,), place, saved=True)


def _parse(data: bytes, name: str, place: str) -> Any:
    try:
        if name.endswith(".json"):
            return json.loads(data)
        if name.endswith((".yaml", ".yml")):
            import yaml

            return _parse_yaml(data, yaml)
    except (ValueError, RecursionError) as error:
        raise _plan_error(place, _one_line(error), "JSON or YAML text") from None
    raise _plan_error(place, f"the name {name}", "a name ending in .json, .yaml or .yml")


def _parse_yaml(data: bytes, yaml: Any) -> Any:
    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _saved_step(item: Any, place: str) -> Step:
    if not isinstance(item, Mapping) or not isinstance(item.get(_CLASS), str):
        raise _plan_error(place, _short(item), f"an operation with {_CLASS}")
    path = item[_CLASS]
    library, _, op = path.rpartition(".")
    if library and library.split(".")[0] != _LIBRARY:
        raise _plan_error(
            place, f"the class {path}", "one of albumentations' own", "Other code is never imported"
        )
    own = {str(k): v for k, v in item.items() if k not in (_CLASS, "transforms")}
    inner = item.get("transforms")
    if inner is None:
        return Step(op, own, None, place, saved=True)
    if not isinstance(inner, list):
        raise _plan_error(f"{place}.transforms", _short(inner), "a list of operations")
    steps = tuple(_saved_step(t, f"{place}.transforms[{i}]") for i, t in enumerate(inner))
    return Step(op, _used(own, place), steps, place, saved=True)


def _used(own: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A composition's parameters without what a dump always lists and images do not need."""
    for key, empty in _NOTHING.items():
        if own.get(key, empty) not in (empty, None):
            raise _plan_error(
                f"{place}.{key}", _short(own[key]), "nothing", "Only images are varied: remove it"
            )
    return {k: v for k, v in own.items() if k not in _NOTHING and k != "is_check_shapes"}


# ---- bounds --------------------------------------------------------------------------


def _check_size(value: Any, place: str) -> None:
    """Refuse what is too large or deep to walk; YAML aliases can make much of little."""
    seen, todo = 0, [(value, 0)]
    while todo:
        item, depth = todo.pop()
        seen += 1
        if seen > MAX_VALUES or depth > MAX_DEPTH:
            raise _plan_error(
                place, "too large a pipeline", f"at most {MAX_VALUES} values, {MAX_DEPTH} deep"
            )
        if isinstance(item, Mapping):
            todo += [(v, depth + 1) for v in item.values()]
        elif isinstance(item, Sequence) and not isinstance(item, str | bytes):
            todo += [(v, depth + 1) for v in item]
        elif isinstance(item, float) and not math.isfinite(item):
            raise _plan_error(place, f"the number {item}", "finite numbers")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
