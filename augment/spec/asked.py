"""What was asked, before it is judged: the job's values, where each stands, what is wrong.

Joins the job file, `--execution FILE` and `--set key=value`; expands `${VAR}`; makes
paths absolute. Works on plain values and knows of the job's shape only where URIs stand.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from augment.errors import Problem, SpecError
from augment.places import Fault, read_place
from augment.policy import Policy
from augment.spec.problems import dotted, shown
from augment.spec.text import MAX_BYTES, MAX_DEPTH, Document, Path, parse

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MISSING = object()
MOST_OF_A_KIND = 20


def inside(value: Any, step: str | int) -> Any:
    """`value[step]` of a mapping or list, or `MISSING`."""
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, MISSING)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return MISSING


class Asked:
    """The values of a request and their places; problems are collected, not raised."""

    def __init__(self, document: Document) -> None:
        self.name = document.name
        self.text = document.text
        self.base = ""
        self.data: Any = document.data
        self.problems: list[Problem] = list(document.problems)
        self._places = {path: f"{self.name}:{n}" for path, n in document.lines.items()}
        self._before: dict[Path, Any] = {}
        self._kinds = Counter[tuple[str | int, int, str]]()
        self._next: dict[tuple[str | int, int, str], Problem] = {}
        self._nowhere: set[Path] = set()

    def place(self, path: Path) -> str:
        """`job.yaml:12: synthesize[0].fill.to`; the line is that of the nearest key written."""
        near = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self._places), None)
        prefix = self.name if near is None else self._places[near]
        return f"{prefix}: {dotted(path)}" if path else prefix

    def add(self, path: Path, found: str, expected: str, hint: str = "") -> None:
        """Note a problem; of one kind and section the first twenty."""
        if not self.crowded(path, expected):
            self.problems.append(Problem(self.place(path), found, expected, hint))

    def crowded(self, path: Path, kind: str) -> bool:
        """Whether twenty problems of this kind are noted already, in the same section and as
        deep as `path`; what stands at the top is in none. This one is counted, and told of as one
        of so many more."""
        like = (path[0] if len(path) > 1 else "", len(path), kind)
        self._kinds[like] += 1
        if self._kinds[like] == MOST_OF_A_KIND + 1:
            self._next[like] = Problem(self.place(path), "", "none")
        return self._kinds[like] > MOST_OF_A_KIND

    def noted(self) -> list[Problem]:
        """All problems, and of each kind how many more there were than are listed."""
        counts = ((p, self._kinds[kind] - MOST_OF_A_KIND) for kind, p in self._next.items())
        more = [replace(p, found=f"{n} more problems of this kind") for p, n in counts]
        return [*self.problems, *more]

    def fault(self, path: Path, fault: Fault) -> None:
        """Note what is wrong with a text that names something outside."""
        self.add(path, *fault)

    def get(self, *path: str | int) -> Any:
        """The value at `path`, or `MISSING`."""
        value = self.data
        for step in path:
            value = inside(value, step)
        return value

    def written(self, path: Path) -> Any:
        """The value at `path` as it was written, before variables were put in."""
        return self._before.get(path, self.get(*path))

    def has(self, *path: str | int) -> bool:
        """Whether the key was written at all."""
        return self.get(*path) is not MISSING

    def items(self, *path: str) -> Iterator[tuple[Path, Any]]:
        """Paths and values of a mapping or list; nothing where it is neither."""
        value = self.get(*path)
        if isinstance(value, dict):
            for key, item in value.items():
                yield (*path, key), item
        elif isinstance(value, list):
            for n, item in enumerate(value):
                yield (*path, n), item

    def keys(self, *path: str | int) -> list[str]:
        """Keys of a mapping; nothing where it is none."""
        value = self.get(*path)
        return list(value) if isinstance(value, dict) else []

    def put(self, path: Path, value: Any) -> None:
        """Replace the value at `path`, which exists."""
        owner = self.get(*path[:-1])
        owner[path[-1]] = value

    # ---- execution from elsewhere ----

    def merge_execution(self, document: Document) -> None:
        """Lay the keys of an execution file over the job's `execution`."""
        self.problems += document.problems
        if document.data is None:
            return
        if not isinstance(document.data, dict):
            place = f"{document.name}:{document.lines.get((), 1)}"
            self.problems.append(
                Problem(place, shown(document.data), "a mapping: what stands under `execution`")
            )
            return
        lines = document.lines
        for path, line in lines.items():
            self._places[("execution", *path)] = f"{document.name}:{line}"
        self._lay(("execution",), document.data)

    def override(self, text: str) -> None:
        """Lay one `key=value` over `execution`: `workers=2`, `generators.g.batch_size=16`;
        `execution.` may stand before the key."""
        key, equals, value = text.partition("=")
        key = key.strip().removeprefix("execution.")
        secret = key.startswith("storage_options")  # a value may be one
        place = f"--set {key if secret else text:.80}"
        if not equals or not key:
            found, expected = shown(text), "key=value, for example workers=2"
            self.problems.append(Problem(place, found, expected))
            return
        path = ("execution", *_steps(key, self.keys("generators")))
        try:
            parsed = parse(value.encode(errors="replace"), place)
        except SpecError as error:
            self.problems += [Problem(place, p.found, p.expected, p.hint) for p in error.problems]
            return
        nested: Any = parsed.data
        for step in reversed(path[1:]):
            nested = {step: nested}
        self.problems += [Problem(place, p.found, p.expected, p.hint) for p in parsed.problems]
        deeper = [p for p in self._places if p[: len(path)] == path]
        for old in deeper:
            del self._places[old]
        new = [path[:n] for n in range(2, len(path)) if not self.has(*path[:n])]
        self._places.update(dict.fromkeys([*new, path], place))
        self._lay(("execution",), nested)

    def _lay(self, path: Path, over: Any) -> None:
        if not isinstance(self.data, dict):
            return
        under = self.get(*path)
        if isinstance(over, dict) and (isinstance(under, dict) or len(path) == 1):
            if not isinstance(under, dict):
                self.put(path, {})
            for key, value in over.items():
                self._lay((*path, key), value)
        else:
            self.put(path, over)

    # ---- variables and paths ----

    def expand(self, env: Mapping[str, str], policy: Policy | None = None) -> None:
        """Put the values of `${VAR}` into URIs and `execution`; a `Plain` becomes text. policy:
        says which variables a job may have; None: any."""
        for path in [*_uri_paths(self), *_texts_below(self, ("execution",))]:
            text = self.get(*path)
            if isinstance(text, str) and "${" in text:
                self._before[path] = text
                self.put(path, self._expanded(path, text, env, policy))

    def _expanded(
        self, path: Path, text: str, env: Mapping[str, str], policy: Policy | None
    ) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if not (match[0].endswith("}") and _VARIABLE_NAME.fullmatch(name)):
                self.add(path, shown(match[0]), "a variable written ${NAME}")
            elif policy is not None and not policy.allows_variable(name):
                found = f"${{{name}}}, which this machine lets no job have"
                listed = ", ".join(policy.rules.allowed_variables or ()) or "none"
                expected = f"a variable that is allowed ({listed})"
                self.add(path, found, expected, policy.hint("allowed_variables"))
            elif name not in env:
                found = f"${{{name}}}, which is not set"
                self.add(path, found, "a variable of the environment", f"Set {name}")
            else:
                return env[name]
            self._nowhere.add(path)
            return match[0]

        return _VARIABLE.sub(value, text)

    def make_absolute(self, base: str) -> None:
        """Bring every path and URI into its normal form, relative paths hung on `base`; note
        those that name no place."""
        self.base = base
        for path in self.located():
            text = self.get(*path)
            if not self.names_place(path):
                continue
            found = read_place(str(text), base, shown=str(self.written(path)))
            self._before.setdefault(path, text)
            if isinstance(found, Fault):
                self.fault(path, found)
                self._nowhere.add(path)
            else:
                self.put(path, found.uri)

    def names_place(self, path: Path) -> bool:
        """Whether the text at `path` may name a place, as far as it was looked at."""
        return path not in self._nowhere and isinstance(self.get(*path), str)

    def located(self) -> list[Path]:
        """Where the job names a place: every path and URI that was written."""
        return [*_uri_paths(self), *_file_paths(self)]


def _steps(key: str, generators: Iterable[object]) -> list[str]:
    """`generators.my.vae.batch_size` -> generators, my.vae, batch_size: names may hold dots.
    generators: those of the job, of which the longest that fits is meant; where none does, all
    but the last word is taken for the name."""
    steps = key.split(".")
    if steps[0] != "generators" or len(steps) <= 3:
        return steps
    rest = key.removeprefix("generators.")
    fits = [str(name) for name in generators if rest.startswith(f"{name}.")]
    name = max(fits, key=len, default=".".join(steps[1:-1]))
    return [steps[0], name, *rest.removeprefix(f"{name}.").split(".")]


def _uri_paths(asked: Asked) -> list[Path]:
    found: list[Path] = [(*path, "uri") for path, _ in asked.items("sources")]
    for path, _ in asked.items("generators"):
        found += [(*path, key) for key in ("checkpoint", "config", "controlnet")]
        adapters = asked.get(*path, "adapters")
        count = len(adapters) if isinstance(adapters, list) else 0
        found += [(*path, "adapters", n, "path") for n in range(count)]
    return [path for path in [*found, ("output", "uri"), ("pool",)] if asked.has(*path)]


def _file_paths(asked: Asked) -> list[Path]:
    found: list[Path] = [("classes", "file")]
    found += [(*path, "label_map", "file") for path, _ in asked.items("sources")]
    found += [(*path, "class_index", "file") for path, _ in asked.items("generators")]
    found += [(*path, "pipeline") for path, _ in asked.items("augmentations")]
    found += [(*path, "manifest") for path, _ in asked.items("synthesize")]
    return [path for path in found if asked.has(*path)]


def _texts_below(asked: Asked, path: Path) -> list[Path]:
    todo, found = [path], []
    while todo:
        here = todo.pop()
        value = asked.get(*here)
        if isinstance(value, dict):
            todo += [(*here, key) for key in value]
        elif isinstance(value, list):
            todo += [(*here, n) for n in range(len(value))]
        elif isinstance(value, str):
            found.append(here)
    return sorted(found, key=str)


def document_of(source: str | os.PathLike[str] | Mapping[str, Any]) -> Document:
    """The document of a file, or of a mapping as if it were one named `job`.

    Raises:
        SpecError: the file cannot be read.
    """
    if not isinstance(source, Mapping):
        return read_document(source)
    problems: list[Problem] = []
    data = _copied(source, (), problems)
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    return Document("job", text + "\n", data, {}, tuple(problems))


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read and parse a file.

    Raises:
        SpecError: it cannot be read or is not well formed.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError([Problem(name, "no such file", "a file that exists")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError([Problem(name, f"an error ({reason})", "a readable file")]) from None
    return parse(raw, name)


def _copied(value: Any, path: Path, problems: list[Problem]) -> Any:
    if len(path) > MAX_DEPTH:
        place = f"job: {dotted(path[:3])}"
        problems.append(Problem(place, "deeper nesting", f"at most {MAX_DEPTH} levels"))
        return None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                place = f"job: {dotted(path)}" if path else "job"
                hint = f'Write "{key}"'
                problems.append(Problem(place, f"the key {key!r}", "text as a key", hint))
        return {str(k): _copied(v, (*path, str(k)), problems) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(v, (*path, n), problems) for n, v in enumerate(value)]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
