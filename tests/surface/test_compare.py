"""Each kind of difference between two surfaces: which break, which are additions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surface.compare import SECTIONS, changes, count
from tests.surface.items import Unjudged
from tests.surface.toys import GONE, TOY, Path, with_

RUN, JOB, ENGINE = ("functions", "run"), ("parts", "job"), ("parts", "engine")
VERB = ("commands", "augment run", "parts")
SAMPLE, MANIFEST = ("tables", "sample", "parts"), ("tables", "manifest", "parts")
RESULT = ("classes", "Result", "parts")
OPTION = {"required": False, "takes": "one value", "value": "str", "choices": None, "default": None}

BREAKS: list[tuple[Path, Any, str]] = [
    (("names", "augment.api.Job"), GONE, "names: augment.api.Job: was there; is gone"),
    (("names", "augment.NAME", "value"), "b", "names: augment.NAME: value: was a; is b"),
    (("names", "augment.api.Job", "is"), "function",
     "names: augment.api.Job: is: was class; is function"),
    (("functions", "run"), GONE, "functions: run: was there; is gone"),
    ((*RUN, *ENGINE), GONE, "functions: run engine: was there; is gone"),
    ((*RUN, "parts", "more"), {"kind": "keyword-only", "required": True, "default": None,
                               "type": "int"},
     "functions: run more: was not there; is new, and required"),
    ((*RUN, *ENGINE), {"kind": "keyword-only", "required": True, "default": None,
                       "type": "'ray' | 'local' | None"},
     "functions: run engine: required: was not so; is so"),
    ((*RUN, *JOB, "kind"), "keyword-only",
     "functions: run job: kind: was positional or keyword; is keyword-only"),
    ((*RUN, *JOB, "type"), "Job", "functions: run job: type: was Job | str; is Job"),
    ((*RUN, *JOB, "position"), 1, "functions: run job: position: was 0; is 1"),
    ((*RUN, *ENGINE, "default"), "'ray'", "functions: run engine: default: was None; is 'ray'"),
    ((*RUN, "returns"), "Result | None | str",
     "functions: run: returns: was Result | None; is Result | None | str"),
    ((*RESULT, "rows"), GONE, "classes: Result rows: was there; is gone"),
    ((*RESULT, "rows", "type"), "int | None",
     "classes: Result rows: type: was int; is int | None"),
    (("classes", "Origin", "parts", "REAL", "value"), "true",
     "classes: Origin REAL: value: was real; is true"),
    (("protocols", "Reporter", "parts", "doing"), {"is": "(text: str) -> None"},
     "protocols: Reporter doing: was not there; is new"),
    (("protocols", "Reporter", "parts", "note", "is"), "() -> None",
     "protocols: Reporter note: is: was (text: str) -> None; is () -> None"),
    (("commands", "augment stop"), GONE, "commands: augment stop: was there; is gone"),
    ((*VERB, "--yes"), GONE, "commands: augment run --yes: was there; is gone"),
    ((*VERB, "argument 1"), GONE, "commands: augment run argument 1: was there; is gone"),
    ((*VERB, "argument 2"), OPTION | {"required": True},
     "commands: augment run argument 2: was not there; is new, and required"),
    ((*VERB, "--set", "required"), True,
     "commands: augment run --set: required: was not so; is so"),
    ((*VERB, "--set", "repeats"), False,
     "commands: augment run --set: repeats: was so; is not so"),
    ((*VERB, "--set", "choices"), ["a"],
     "commands: augment run --set: choices: was nothing; is a"),
    ((*VERB, "--engine", "choices"), ["ray"],
     "commands: augment run --engine: choices: was ray, local; is ray"),
    ((*VERB, "--engine", "default"), "'local'",
     "commands: augment run --engine: default: was 'ray'; is 'local'"),
    ((*VERB, "--engine", "takes"), "values: ?",
     "commands: augment run --engine: takes: was one value; is values: ?"),
    ((*VERB, "--engine", "value"), "int", "commands: augment run --engine: value: was str; is int"),
    ((*VERB, "--yes", "not_with"), ["--dry-run", "--all"],
     "commands: augment run --yes: not_with: was --dry-run; is --dry-run, --all"),
    ((*VERB, "--set", "not_with"), ["--all"],
     "commands: augment run --set: not_with: was nothing; is --all"),
    (("errors", "GateError"), GONE, "errors: GateError: was there; is gone"),
    (("errors", "GateError", "exit_code"), 4, "errors: GateError: exit_code: was 1; is 4"),
    (("errors", "GateError", "caught_as"), ["Exception"],
     "errors: GateError: caught_as: was AugmentError, Exception; is Exception"),
    (("tables", "sample", "version"), "2", "tables: sample: version: was 1; is 2"),
    ((*SAMPLE, "mask"), GONE, "tables: sample mask: was there; is gone"),
    ((*SAMPLE, "id", "type"), "int64", "tables: sample id: type: was string; is int64"),
    ((*SAMPLE, "id", "nullable"), True, "tables: sample id: nullable: was not so; is so"),
    ((*MANIFEST, "more"), {"type": "int64", "nullable": False, "required": True},
     "tables: manifest more: was not there; is new, and required"),
    ((*MANIFEST, "index", "required"), True,
     "tables: manifest index: required: was not so; is so"),
    (("metrics", "augment_rows"), GONE, "metrics: augment_rows: was there; is gone"),
    (("metrics", "augment_rows", "labels"), ["class", "split"],
     "metrics: augment_rows: labels: was class; is class, split"),
    (("metrics", "augment_rows", "kind"), "counter",
     "metrics: augment_rows: kind: was gauge; is counter"),
    (("machine",), {"variable AUGMENT_RULES": {}},
     "machine: variable AUGMENT_POLICY: was there; is gone"),
    (("distribution", "augment-vision", "parts", "extra s3"), GONE,
     "distribution: augment-vision extra s3: was there; is gone"),
    (("schemas", "job", "direction"), "written",
     "schemas: job: direction: was read; is written"),
    (("schemas",), {"other": {"direction": "read", "schema": {}}},
     "schemas: job: was there; is gone"),
]  # fmt: skip

ADDITIONS: list[tuple[Path, Any]] = [
    (("names", "augment.api.More"), {"is": "class"}),
    (("functions", "more"), {"returns": "None", "parts": {
        "job": {"kind": "keyword-only", "required": True, "default": None, "type": "Job"}}}),
    ((*RUN, "parts", "more"), {"kind": "keyword-only", "required": False, "default": "None",
                               "type": "int | None"}),
    ((*RUN, *JOB), {"kind": "positional or keyword", "required": False, "default": None,
                    "type": "Job | str", "position": 0}),
    ((*RUN, *JOB, "type"), "str | Job | PathLike[str]"),
    ((*RUN, *ENGINE, "kind"), "positional or keyword"),
    ((*RUN, "returns"), "Result"),
    ((*RESULT, "more"), {"type": "int"}),
    ((*RESULT, "version", "type"), "int"),
    (("protocols", "Other"), {"parts": {"note": {"is": "() -> None"}}}),
    (("commands", "augment more"), {"parts": {"argument 1": OPTION | {"required": True}}}),
    ((*VERB, "--more"), OPTION),
    ((*VERB, "--engine", "choices"), ["local", "ray", "dask"]),
    ((*VERB, "--engine", "choices"), None),
    ((*VERB, "--engine", "repeats"), True),
    ((*VERB, "--yes", "not_with"), []),
    ((*VERB, "argument 1", "required"), False),
    (("errors", "MoreError"), {"exit_code": 1, "caught_as": ["GateError"]}),
    (("errors", "GateError", "caught_as"), ["RequestError", "AugmentError", "Exception"]),
    ((*SAMPLE, "more"), {"type": "string", "nullable": False}),
    ((*SAMPLE, "mask", "nullable"), False),
    (("metrics", "augment_more"), {"kind": "gauge", "labels": [], "scope": "run"}),
    (("distribution", "augment-vision", "parts", "extra more"), {}),
    (("schemas", "more"), {"direction": "read", "schema": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "text"), BREAKS, ids=[b[2] for b in BREAKS])
def test_what_breaks(path: Path, value: Any, text: str) -> None:
    assert [str(c) for c in changes(TOY, with_(path, value)) if c.breaks] == [text]


@pytest.mark.parametrize(("path", "value"), ADDITIONS)
def test_what_is_added(path: Path, value: Any) -> None:
    assert [c.breaks for c in changes(TOY, with_(path, value))] == [False]


def test_a_renamed_thing_is_gone_and_new() -> None:
    renamed = {"augment begin" if n == "augment stop" else n: i for n, i in TOY["commands"].items()}
    found = changes(TOY, with_(("commands",), renamed))
    assert [(c.breaks, c.place) for c in found] == [
        (True, "augment stop"), (False, "augment begin"),
    ]  # fmt: skip


def test_equal_surfaces_have_no_changes() -> None:
    assert changes(TOY, TOY) == []
    assert count(TOY) == 32


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("empty", [GONE, {}])
def test_nothing_is_never_equal(section: str, empty: Any) -> None:
    lacking = with_((section,), empty)
    with pytest.raises(Unjudged, match=f"the recorded surface has nothing under {section}"):
        changes(lacking, TOY)
    with pytest.raises(Unjudged, match=f"the present surface has nothing under {section}"):
        changes(TOY, lacking)


def test_what_no_rule_knows_is_an_error() -> None:
    with pytest.raises(Unjudged, match="sections of no rule: words"):
        changes(TOY, TOY | {"words": {"a": {}}})
    odd = with_(("errors", "GateError", "colour"), "red")
    with pytest.raises(Unjudged, match="errors: GateError: no rule says what a change of `colour`"):
        changes(odd, odd)
