"""The public names of Python: functions, classes whose objects they return, protocols.

`PUBLIC` lists what may be imported; everything else is found from there, along annotations.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

import augment.api
from tests.surface.items import PARTS, Facts, Items

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "augment": ("DISTRIBUTION", "__version__"),
    "augment.api": tuple(augment.api.__all__),
    "augment.cli": ("main",),
    # what a generator of one's own needs (docs/generators.md, `custom`)
    "augment.generators": ("GeneratedBatch", "GeneratorHost", "GeneratorInfo", "SampleRequest"),
    "augment.sample": ("DigitalSourceType", "Origin"),
    "augment.seeds": ("digest", "stream"),
    "augment.errors": ("Problem",),  # the errors themselves are a section of their own
}
MADE_BY_USERS = ("GeneratedBatch", "GeneratorInfo")
"""Classes whose constructor is called by programs of others."""
_OWN = "augment"


def names(public: Mapping[str, tuple[str, ...]] = PUBLIC) -> dict[str, Items]:
    """The sections `functions`, `names` (of classes and values), `classes` and `protocols`. What
    is gone is in none of them."""
    found = _Found()
    for module, names in public.items():
        if importlib.util.find_spec(module) is not None:
            holder = vars(importlib.import_module(module))
            for name in names:
                if name in holder:
                    found.name(f"{module}.{name}", holder[name])
    return {
        "functions": found.functions,
        "names": found.names,
        "classes": found.classes,
        "protocols": found.protocols,
    }


class _Found:
    """What was found, each class once, however it was reached."""

    def __init__(self) -> None:
        self.names: dict[str, Facts] = {}
        self.functions: dict[str, Facts] = {}
        self.classes: dict[str, Facts] = {}
        self.protocols: dict[str, Facts] = {}
        self._known: set[type] = set()

    def name(self, place: str, thing: object) -> None:
        """One public name."""
        if isinstance(thing, type):
            self.names[place] = {"is": "class"}
            self.class_(thing)
            if thing.__name__ in MADE_BY_USERS:
                self.function(place, thing.__init__)  # type: ignore[misc]
        elif callable(thing):
            self.function(place, thing)
        else:
            value = None if place.endswith(".__version__") else thing
            self.names[place] = {"is": type(thing).__name__, "value": value}

    def function(self, place: str, function: Callable[..., Any]) -> None:
        """One that others call, and the classes that it names."""
        hints = _hints(function)
        parts = {
            one.name: _parameter(index, one, hints.get(one.name))
            for index, one in enumerate(_parameters(function))
        }
        self.functions[place] = {"returns": shown(hints.get("return")), PARTS: parts}
        for hint in hints.values():
            self._reach(hint)

    def class_(self, cls: type) -> None:
        """One class, unless it is known."""
        if cls in self._known:
            return
        taken = any(other.__name__ == cls.__name__ for other in self._known)
        self._known.add(cls)
        name = f"{cls.__name__} ({cls.__module__})" if taken else cls.__name__
        if getattr(cls, "_is_protocol", False):
            self.protocols[name] = {PARTS: dict(self._protocol(cls))}
        else:
            self.classes[name] = {PARTS: dict(self._attributes(cls))}

    def _reach(self, hint: Any) -> None:
        for one in typing.get_args(hint):
            if isinstance(one, list):
                for inner in one:
                    self._reach(inner)
            else:
                self._reach(one)
        if isinstance(hint, type) and _ours(hint):
            self.class_(hint)

    def _attributes(self, cls: type) -> Iterator[tuple[str, Facts]]:
        if issubclass(cls, Enum):
            for name, member in cls.__members__.items():
                yield name, {"value": member.value}
            return
        hints = _hints(cls)
        for name in _fields(cls):
            yield self._attribute(name, hints[name])
        for name, member in _members(cls):
            if isinstance(member, property):
                yield self._attribute(name, _hints(member.fget).get("return"))
            else:
                self.function(f"{cls.__name__}.{name}", member)

    def _attribute(self, name: str, hint: Any) -> tuple[str, Facts]:
        self._reach(hint)
        return name, {"type": shown(hint)}

    def _protocol(self, cls: type) -> Iterator[tuple[str, Facts]]:
        for name, hint in _hints(cls).items():
            self._reach(hint)
            yield name, {"is": shown(hint)}
        for name, member in _members(cls, dunder=("__call__",)):
            function: Any = member.fget if isinstance(member, property) else member
            hints = _hints(function)
            for hint in hints.values():
                self._reach(hint)
            asked = [
                f"{one.name}: {shown(hints.get(one.name))}"
                f"{'' if one.default is one.empty else ' = ...'}"
                for one in _parameters(function)
            ]
            returned = shown(hints.get("return"))
            called = f"({', '.join(asked)}) -> {returned}"
            yield name, {"is": returned if isinstance(member, property) else called}


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that a caller gives."""
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def _fields(cls: type) -> list[str]:
    """Public attributes that every object has from its making; none of a model of pydantic."""
    if _told_by_a_schema(cls):
        return []
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        names = list(getattr(cls, "_fields", ()))  # of a named tuple
    return [name for name in names if not name.startswith("_")]


def _parameter(index: int, one: inspect.Parameter, hint: Any) -> Facts:
    spread = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    without = one.default is one.empty
    plain = without or isinstance(one.default, str | int | float | tuple | None)
    facts: dict[str, Any] = {
        "kind": one.kind.description,
        "required": without and not spread,
        "default": None if without else repr(one.default) if plain else "...",
        "type": shown(hint),
    }
    return facts | ({} if one.kind is one.KEYWORD_ONLY else {"position": index})


def _members(cls: type, dunder: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of its objects that augment defines, the nearest first. How
    augment makes an object (methods of the class) is its own matter."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not _ours(base) or _told_by_a_schema(base):
            continue
        for name, member in vars(base).items():
            public = not name.startswith("_") or name in dunder
            if public and name not in seen and isinstance(member, property | types.FunctionType):
                seen.add(name)
                yield name, member


def _ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == _OWN


def _told_by_a_schema(cls: type) -> bool:
    """Models of pydantic: their keys are those of the job's schema."""
    return hasattr(cls, "model_fields")


def shown(hint: Any) -> str:
    """A type as text: alternatives behind bars, classes by their bare names, aliases resolved.
    Which models of a job are alternatives (a source of one format or another) its schema tells."""
    if hint is None or hint is types.NoneType:
        return "None"
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        models = [one for one in inner if isinstance(one, type) and _told_by_a_schema(one)]
        others = [shown(one) for one in inner if len(models) < 2 or one not in models]
        return " | ".join([*(["a model of the job"] * (len(models) > 1)), *others])
    if origin is typing.Literal:
        return " | ".join(map(repr, inner))
    if origin is typing.Annotated:
        return shown(inner[0])
    if isinstance(hint, list):
        return f"[{', '.join(map(shown, hint))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(shown, inner))}]"
    return "..." if hint is ... else getattr(hint, "__name__", str(hint))


def _hints(thing: Any) -> dict[str, Any]:
    """Annotations as types, also those whose names are imported for type checkers alone."""
    known: dict[str, Any] = {}
    for one in reversed(thing.__mro__) if isinstance(thing, type) else (inspect.unwrap(thing),):
        if str(one.__module__).split(".")[0] == _OWN:
            known |= _for_type_checkers(one.__module__)
    return typing.get_type_hints(thing, localns=known)


@cache
def _for_type_checkers(module: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    source = inspect.getsource(importlib.import_module(module))
    for node in ast.parse(source).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module, "exec"), found)
    found.pop("__builtins__", None)
    return found
