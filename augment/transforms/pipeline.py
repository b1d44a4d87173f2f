"""The pipeline as asked: `ops` of a job file, or a file that albumentations saved, as a tree.

Reads names and parameters only: imports no albumentations and nothing that a file names.
Which operations exist, and whether parameters fit, is the backend's business.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from augment.errors import PlanError, Problem, SpecError
from augment.places import is_local
from augment.spec.files import MAX_PIPELINE_BYTES, read_bytes
from augment.spec.models import Augmentation
from augment.spec.ops import saved_pipeline, wrong_size
from augment.spec.problems import shown
from augment.spec.saved import Step
from augment.spec.text import parse

__all__ = ["Step", "read_pipeline"]


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
        if (size := wrong_size(augmentation.ops)) is not None:
            raise _plan_error(f"{place}.ops", *size)
        return Step("Compose", {}, _asked_steps(augmentation.ops, f"{place}.ops"), place)
    assert augmentation.pipeline is not None
    return _read_file(augmentation.pipeline, base, options, f"{place}.pipeline")


def _plan_error(place: str, found: str, expected: str, hint: str = "") -> PlanError:
    return PlanError([Problem(place, found, expected, hint)])


# ---- ops of a job file ---------------------------------------------------------------


def _asked_steps(value: Any, place: str) -> tuple[Step, ...]:
    if not isinstance(value, list) or not value:
        raise _plan_error(place, shown(value), "a list of at least one operation")
    return tuple(_asked_step(item, f"{place}[{i}]") for i, item in enumerate(value))


def _asked_step(item: Any, place: str) -> Step:
    if isinstance(item, str):
        return Step(item, {}, None, place)
    if not isinstance(item, Mapping) or len(item) != 1:
        raise _plan_error(place, shown(item), "an operation's name, or {Name: {parameters}}")
    ((name, params),) = item.items()
    if not isinstance(name, str) or not isinstance(params, Mapping | None):
        raise _plan_error(place, shown(item), "an operation's name, or {Name: {parameters}}")
    own = dict(params or {})
    inner = own.pop("transforms", None)
    steps = None if inner is None else _asked_steps(inner, f"{place}.{name}.transforms")
    return Step(name, own, steps, place)


# ---- a saved pipeline ----------------------------------------------------------------


def _read_file(
    path: str, base: str, options: Mapping[str, Mapping[str, Any]] | None, place: str
) -> Step:
    whole = posixpath.join(base, path) if is_local(path) else path
    place = f"{place} ({path})"
    try:
        data = read_bytes(whole, options, MAX_PIPELINE_BYTES)
    except SpecError as error:
        (told,) = error.problems
        expected = f"{told.expected}: a pipeline written with albumentations.save"
        raise _plan_error(place, told.found, expected, told.hint or f"Looked at {whole}") from None
    if not whole.lower().endswith((".json", ".yaml", ".yml")):
        found = f"the name {posixpath.basename(whole)}"
        raise _plan_error(place, found, "a name ending in .json, .yaml or .yml")
    try:
        saved = saved_pipeline(parse(data, whole))
    except SpecError as error:
        raise PlanError(error.problems) from None
    if saved.problems or saved.root is None:
        raise PlanError(saved.problems)
    return saved.root
