"""Makes the table by which job files are checked without albumentations.

`python -m augment.transforms.ops_table` writes `augment/spec/albumentations_ops.json` from
the signatures and the validation models of the installed albumentations; a test compares the
two. What a validator of the library checks by code stands there by name, with a hash of its
text: `augment/spec/op_rules.py` says the same again, and a test compares their verdicts.
"""

from __future__ import annotations

import collections.abc
import hashlib
import importlib.metadata
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel

from augment.transforms.albumentations_ops import (
    COMPOSITIONS,
    REFUSED,
    load_library,
    single_image_ops,
)

TABLE = Path(__file__).parent.parent / "spec" / "albumentations_ops.json"
_OTHER_TARGETS = ("bboxes", "mask", "keypoints", "cropping_bbox", "volume")
_PLAIN = {int: "int", float: "float", bool: "bool", str: "str", type(None): "none", Any: "any"}
_NO_WAYS = ("INTER_BITS", "INTER_MAX", "INTER_TAB", "BORDER_ISOLATED", "BORDER_TRANSPARENT")
_BOUNDS = {Ge: "ge", Gt: "gt", Le: "le", Lt: "lt"}


def ops_table() -> dict[str, Any]:
    """Every operation and composition with its parameters, and why some are refused.

    ops: name -> {params: name -> {type, default}, rules, inherited}; without a default a
    parameter is required; see `type_of` for types; rules: names of checks over several
    parameters; inherited: what a saved pipeline may list though the operation does not take it.
    compositions: name -> params beside `transforms`. refused: name -> the reason.
    code: name of a check by code -> hash of its text. constants: OpenCV's names -> numbers.
    """
    library = load_library()
    ops = {name: _operation(kind) for name, kind in sorted(single_image_ops().items())}
    return {
        "albumentations": importlib.metadata.version("albumentations"),
        "ops": ops,
        "compositions": {name: sorted(params) for name, params in sorted(COMPOSITIONS.items())},
        "refused": {
            name: _refusal(getattr(library, name, None), reason)
            for name, reason in sorted(REFUSED.items())
        },
        "code": dict(sorted(_code())),
        "constants": _constants(),
    }


# ---- one operation -------------------------------------------------------------------


def _operation(kind: type) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters.values()
    schema = schema_of(kind)
    own = {p.name: _parameter(p, schema) for p in parameters if p.name != "strict"}
    rules = [name_of(check) for check in model_checks(schema)]
    return {"params": own, "rules": rules, "inherited": sorted(_inherited(kind) - {*own})}


def _inherited(kind: type) -> set[str]:
    """Parameters that only a base class takes; a dump of the library lists some of them."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        p.name
        for base in kind.__mro__[1:]
        if "__init__" in vars(base)
        for p in inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
        if p.kind in named and p.name not in ("self", "strict")
    }


def _parameter(parameter: inspect.Parameter, schema: type[BaseModel]) -> dict[str, Any]:
    field = schema.model_fields.get(parameter.name)
    found: dict[str, Any] = {"type": "any"}  # in the signature alone: nobody looks at it
    if field is not None:
        checks = [_check(m) for m in field.metadata]
        checks += [
            [_special(name_of(c), parameter.name)] for c in field_checks(schema, parameter.name)
        ]
        found["type"] = _checked(type_of(field.annotation), checks)
    if parameter.default is not inspect.Parameter.empty:
        found["default"] = json.loads(json.dumps(parameter.default))
    return found


def _special(check: str, parameter: str) -> str:
    """One validator of the library asks for the name of what it looks at."""
    return f"{check} hue" if (check, parameter) == ("ColorJitter._check_ranges", "hue") else check


def schema_of(kind: type) -> type[BaseModel]:
    """The model that the library validates the parameters of an operation with: that of the
    first class whose `__init__` has one."""
    for one in kind.__mro__:
        if "InitSchema" in vars(one) and "__init__" in vars(one):
            schema: type[BaseModel] = vars(one)["InitSchema"]
            return schema
    raise LookupError(f"{kind.__name__} validates nothing")


def field_checks(schema: type[BaseModel], field: str) -> Iterator[Callable[..., Any]]:
    """Validators by code of one parameter."""
    for name, one in schema.__pydantic_decorators__.field_validators.items():
        if field in one.info.fields:
            yield getattr(schema, name).__func__


def model_checks(schema: type[BaseModel]) -> Iterator[Callable[..., Any]]:
    """Validators by code of several parameters."""
    for name in schema.__pydantic_decorators__.model_validators:
        check = getattr(schema, name)
        yield getattr(check, "__func__", check)


def name_of(check: Callable[..., Any]) -> str:
    """`Affine._process_rotate`."""
    return check.__qualname__.replace(".InitSchema", "").replace("InitSchema", "")


def _code() -> Iterator[tuple[str, str]]:
    """Every check by code, with a hash of its text."""
    for kind in single_image_ops().values():
        schema = schema_of(kind)
        checks = [*model_checks(schema)]
        for field in schema.model_fields:
            checks += field_checks(schema, field)
        for check in checks:
            text = inspect.getsource(check)
            yield name_of(check), hashlib.sha256(text.encode()).hexdigest()[:16]


# ---- types ---------------------------------------------------------------------------


def type_of(kind: Any) -> Any:
    """A type as JSON: `int`, `float`, `bool`, `str`, `none`, `any`, `other` (nothing that a file
    can say), {choice: values}, {union: types}, {tuple: types}, {each, as: tuple | list | sequence},
    {keys, values}, or {of: type, checks: [name, numbers ...]}."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is typing.Annotated:
        return _checked(type_of(inner[0]), [_check(m) for m in inner[1:]])
    if origin is typing.Literal:
        return {"choice": list(inner)}
    if origin in (typing.Union, types.UnionType):
        return {"union": [type_of(t) for t in inner]}
    if origin is tuple and inner[-1] is not Ellipsis:
        return {"tuple": [type_of(t) for t in inner]}
    if origin in (tuple, list, collections.abc.Sequence):
        return {"each": type_of(inner[0]), "as": origin.__name__.lower()}
    if origin is dict:
        return {"keys": type_of(inner[0]), "values": type_of(inner[1])}
    return "other"


def _checked(kind: Any, checks: list[list[Any]]) -> Any:
    return {"of": kind, "checks": checks} if checks else kind


def _check(marker: Any) -> list[Any]:
    """A marker of pydantic as [name, numbers ...]."""
    if type(marker) in _BOUNDS:
        name = _BOUNDS[type(marker)]
        return [name, getattr(marker, name)]
    if not isinstance(marker, AfterValidator):
        raise TypeError(f"{marker!r} is a check of a kind that no table knows")
    if marker.func.__qualname__.startswith("check_range_bounds."):
        held = inspect.getclosurevars(marker.func).nonlocals
        return [
            "bounds",
            *(held[k] for k in ("min_val", "max_val", "min_inclusive", "max_inclusive")),
        ]
    return [marker.func.__name__]


# ---- what is refused, and names ------------------------------------------------------


def _refusal(kind: type | None, reason: str) -> str:
    """The reason, with the inputs that are missing where the operation tells them."""
    needs = [] if kind is None or "other inputs" not in reason else _needs(kind)
    if not needs:
        return reason
    return f"it needs {' and '.join(needs)}, which image-only rows do not have"


def _needs(kind: type) -> list[str]:
    """Inputs beside the image: a metadata key, or targets that its parameters depend on."""
    defaults = {p.name: p.default for p in inspect.signature(kind).parameters.values()}
    if "metadata_key" in defaults:
        return [f"`{defaults['metadata_key']}`"]
    given = {"p": 1.0} | {name: 8 for name, d in defaults.items() if d is inspect.Parameter.empty}
    asked = [t for t in kind(**given).targets_as_params if t in _OTHER_TARGETS]
    if asked:
        return asked
    return ["bboxes"] if "BBox" in kind.__name__ else ["mask"]


def _constants() -> dict[str, int]:
    import cv2

    names = [n for n in dir(cv2) if n.startswith(("BORDER_", "INTER_"))]
    return {n: getattr(cv2, n) for n in sorted(names) if not n.startswith(_NO_WAYS)}


def text_of(table: dict[str, Any]) -> str:
    """The table as the file holds it: an entry a line."""
    parts = []
    for key, value in sorted(table.items()):
        if isinstance(value, dict):
            entries = (
                f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in value.items()
            )
            parts.append(f" {json.dumps(key)}: {{\n" + ",\n".join(entries) + "\n }")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(text_of(ops_table()), encoding="utf-8")
