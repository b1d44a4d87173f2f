"""The text of a job file as values: what was written, and on which line.

YAML 1.2's core schema, read without code: no tags, no aliases that grow, no duplicate
keys. A scalar without quotes stays text (`Plain`) until a field asks for a number, so
that class names such as `0`, `no`, `007` or `12:30` arrive as written.
Knows nothing of what a job may say.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from augment.errors import Problem, SpecError

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_ALIASED = 10_000
"""Values that aliases may stand for in one file: a shared list is fine, a bomb is not."""
MAX_VALUES = 200_000
"""Keys and values of one file: room for tens of thousands of classes, read in a second."""

Path = tuple[str | int, ...]

_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = (".nan", ".NaN", ".NAN")
_MAX_DIGITS = 400
_MOST_OF_A_KIND = 20


class Plain(str):
    """A scalar that was written without quotes: text until something else is asked for."""

    __slots__ = ()


@dataclass(frozen=True)
class Document:
    """A parsed file. lines: path of keys and positions -> line, counted from 1.
    problems: what is wrong with the text itself, though it could be read."""

    name: str
    text: str
    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def parse(raw: bytes, name: str) -> Document:
    """Read the bytes of `name`; a name that ends in `.json` is JSON, all else YAML.

    Raises:
        SpecError: it is too large, not UTF-8, or neither well-formed YAML nor JSON.
    """
    if len(raw) > MAX_BYTES:
        raise _refuse(name, f"more than {MAX_BYTES} bytes", "a smaller file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(name, f"byte {error.start} that is not UTF-8", "UTF-8 text") from None
    if name.lower().endswith(".json"):
        return _parse_json(text, name)
    reader = _Reader(name)
    reader.read(text)
    return Document(name, text, reader.data, reader.lines, tuple(reader.problems))


def depth_of(value: Any) -> int:
    """How deep lists and mappings are nested in `value`; 0 for a scalar."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth)
            todo += [(v, depth + 1) for v in (item.values() if isinstance(item, dict) else item)]
    return deepest


def resolve(value: Any) -> Any:
    """`value` with every `Plain` as the number, truth value or text that YAML 1.2 says."""
    if isinstance(value, Plain):
        return _resolve_scalar(value)
    if isinstance(value, dict):
        return {str(k): resolve(v) for k, v in value.items()}
    return [resolve(v) for v in value] if isinstance(value, list) else value


def _resolve_scalar(text: Plain) -> str | int | float | bool:
    if text in _BOOLS:
        return _BOOLS[text]
    if len(text) > _MAX_DIGITS:
        return str(text)
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INF.fullmatch(text):
        return float("-inf") if text.startswith("-") else float("inf")
    return float("nan") if text in _NAN else str(text)


def _refuse(place: str, found: str, expected: str, hint: str = "") -> SpecError:
    return SpecError([Problem(place, found, expected, hint)])


def _too_many(place: str) -> SpecError:
    hint = "Long lists stand in files of their own: `classes.file`, `label_map.file`, `manifest`"
    found, expected = f"more than {MAX_VALUES} keys and values", "a smaller file"
    return _refuse(place, found, expected, hint)


def _the_rest(name: str, kinds: Counter[str]) -> Iterator[Problem]:
    for kind, n in kinds.items():
        if n > _MOST_OF_A_KIND:
            yield Problem(name, f"{n - _MOST_OF_A_KIND} more {kind}", "none")


def _short(key: str) -> str:
    return repr(key if len(key) <= 80 else f"{key[:77]}...")


# ---- YAML ----------------------------------------------------------------------------


@dataclass
class _Open:
    """A mapping or list that is being read."""

    value: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    aliased_before: int
    values_before: int
    key: str | None = None
    first: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Builds values from the parser's events: no constructor of the library runs."""

    def __init__(self, name: str) -> None:
        self.data: Any = None
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._name = name
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._keys = 0
        self._values = 0
        self._aliased = 0
        self._kinds = Counter[str]()

    def read(self, text: str) -> None:
        documents = 0
        for event in self._events(text):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _refuse(self._at(event), "a second document (`---`)", "one document")
            self._take(event)
            if self._keys + self._values > MAX_VALUES:
                raise _too_many(self._at(event))
        self.problems += _the_rest(self._name, self._kinds)

    def _events(self, text: str) -> Iterator[Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{self._name}:{mark.line + 1}" if mark else self._name
            lines = text.splitlines()
            line = lines[mark.line] if mark and mark.line < len(lines) else ""
            hint = "Indent with spaces, not tabs" if "\t" in line else ""
            found = f"text that is not YAML ({error.problem or error.context})"
            raise _refuse(place, found, "well-formed YAML", hint) from None
        except (yaml.YAMLError, RecursionError) as error:
            found = f"text that is not YAML ({' '.join(str(error).split())[:120]})"
            raise _refuse(self._name, found, "well-formed YAML") from None

    def _take(self, event: Any) -> None:
        match event:
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._open({}, event)
            case yaml.SequenceStartEvent():
                self._open([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case _:
                pass

    def _at(self, event: Any) -> str:
        return f"{self._name}:{event.start_mark.line + 1}"

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            short = event.tag.replace("tag:yaml.org,2002:", "!!")
            hint = "A job file is data: nothing in it is executed; remove the tag"
            self._note("tags", event, f"the tag {short[:80]}", "values without tags", hint)

    def _note(self, kind: str, event: Any, found: str, expected: str, hint: str = "") -> None:
        self._kinds[kind] += 1
        if self._kinds[kind] <= _MOST_OF_A_KIND:
            self.problems.append(Problem(self._at(event), found, expected, hint))

    def _expects_key(self) -> bool:
        top = self._stack[-1] if self._stack else None
        return top is not None and isinstance(top.value, dict) and top.key is None

    def _scalar(self, event: Any) -> None:
        self._check_tag(event)
        if self._expects_key():
            self._key(event)
            return
        plain = event.implicit[0] and not event.tag
        value: Any = Plain(event.value) if plain else event.value
        if plain and event.value in _NULLS:
            value = None
        self._values += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, event)

    def _key(self, event: Any) -> None:
        top, key, line = self._stack[-1], str(event.value), event.start_mark.line + 1
        self._keys += 1
        if key in top.first:
            expected = f"each key once (first on line {top.first[key]})"
            self._note(
                "keys a second time", event, f"the key {_short(key)} a second time", expected
            )
        elif key == "<<" and event.implicit[0]:
            hint = "YAML 1.2 has no merge keys: write the keys out"
            self._note("merge keys", event, "the merge key <<", "keys written out", hint)
        top.first.setdefault(key, line)
        top.key = key

    def _alias(self, event: Any) -> None:
        if self._expects_key():
            raise _refuse(self._at(event), f"the alias *{event.anchor} as a key", "text as a key")
        if event.anchor not in self._anchors:
            raise _refuse(
                self._at(event), f"the alias *{event.anchor}", "an alias of a finished anchor"
            )
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if len(self._stack) + depth_of(value) > MAX_DEPTH:
            raise _refuse(self._at(event), "deeper nesting", f"at most {MAX_DEPTH} levels")
        if self._aliased > MAX_ALIASED:
            found = f"aliases that stand for more than {MAX_ALIASED} values"
            raise _refuse(self._at(event), found, "a file that says what it means without them")
        self._put(copy.deepcopy(value), event)

    def _open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        self._check_tag(event)
        if self._expects_key():
            raise _refuse(self._at(event), "a list or mapping as a key", "text as a key")
        if len(self._stack) >= MAX_DEPTH:
            raise _refuse(self._at(event), "deeper nesting", f"at most {MAX_DEPTH} levels")
        self._values += 1
        path = self._put(value, event)
        self._stack.append(_Open(value, path, event.anchor, self._aliased, self._values))

    def _close(self) -> None:
        done = self._stack.pop()
        if done.anchor is not None:
            size = self._values - done.values_before + self._aliased - done.aliased_before
            self._anchors[done.anchor] = (done.value, size + 1)

    def _put(self, value: Any, event: Any) -> Path:
        line = event.start_mark.line + 1
        if not self._stack:
            self.data = value
            self.lines[()] = line
            return ()
        top = self._stack[-1]
        if isinstance(top.value, list):
            path: Path = (*top.path, len(top.value))
            top.value.append(value)
        else:
            assert top.key is not None
            path, line = (*top.path, top.key), top.first[top.key]
            top.value.setdefault(top.key, value)
            top.key = None
        self.lines.setdefault(path, line)
        return path


# ---- JSON ----------------------------------------------------------------------------


def _parse_json(text: str, name: str) -> Document:
    problems: list[Problem] = []
    kinds = Counter[str]()

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                kinds["keys a second time"] += 1
                if len(problems) < _MOST_OF_A_KIND:
                    again = f"the key {_short(key)} a second time"
                    problems.append(Problem(name, again, "each key once"))
            found.setdefault(key, value)
        return found

    try:
        data = json.loads(
            text,
            object_pairs_hook=mapping,
            parse_int=Plain,
            parse_float=Plain,
            parse_constant=Plain,
        )
    except json.JSONDecodeError as error:
        found = f"text that is not JSON ({error.msg})"
        raise _refuse(f"{name}:{error.lineno}", found, "well-formed JSON") from None
    except RecursionError:
        raise _refuse(name, "deeper nesting", f"at most {MAX_DEPTH} levels") from None
    _check_json(data, name)
    problems += _the_rest(name, kinds)
    return Document(name, text, data, _lines_of_json(text, name), tuple(problems))


def _check_json(data: Any, name: str) -> None:
    if depth_of(data) > MAX_DEPTH:
        raise _refuse(name, "deeper nesting", f"at most {MAX_DEPTH} levels")
    todo, seen = [data], 0
    while todo:
        item = todo.pop()
        seen += 1 + (len(item) if isinstance(item, dict) else 0)
        if seen > MAX_VALUES:
            raise _too_many(name)
        texts = list(item) if isinstance(item, dict) else [item] if isinstance(item, str) else []
        if any("\ud800" <= c <= "\udfff" for t in texts for c in t):
            raise _refuse(name, "half of a surrogate pair", "Unicode text")
        inner = item.values() if isinstance(item, dict) else item
        if isinstance(item, dict | list):
            todo += inner


def _lines_of_json(text: str, name: str) -> Mapping[Path, int]:
    """JSON is YAML but for rare whitespace and escapes; where not, places have no lines."""
    reader = _Reader(name)
    try:
        reader.read(text)
    except SpecError:
        return {}
    return reader.lines
