"""The surface of the code itself: what is in it, and that the record is of it."""

from __future__ import annotations

import argparse
import ast
import json
from functools import cache
from pathlib import Path

import pytest

from tests.surface.__main__ import RECORD
from tests.surface.compare import SECTIONS, changes
from tests.surface.grammar import grammar
from tests.surface.items import Surface
from tests.surface.names import names, shown
from tests.surface.present import present
from tests.surface.record import read

ROOT = Path(__file__).parents[2]


@cache
def now() -> Surface:
    return present()


def test_nothing_of_the_record_is_broken() -> None:
    """As `make surface` says, whose way out it names."""
    found = [str(one) for one in changes(read(RECORD).surface, now()) if one.breaks]
    assert found == [], "an API break: `make surface` says what to do"


def test_a_surface_survives_its_file() -> None:
    assert changes(json.loads(json.dumps(now())), now()) == []
    assert set(now()) == set(SECTIONS)


@pytest.mark.parametrize(
    ("section", "item", "part"),
    [
        ("names", "augment.errors.Problem", None),
        ("functions", "augment.api.open_dataset", "split"),
        ("functions", "augment.api.run", "despite_limits"),
        ("functions", "augment.generators.GeneratorInfo", "takes_mask"),
        ("classes", "RunResult", "made_now"),  # behind an import for type checkers
        ("classes", "AuditReport", "verdict"),  # a property
        ("classes", "JobStatus", "doing"),  # two steps from a verb
        ("classes", "Count", "label_name"),  # a named tuple
        ("classes", "DigitalSourceType", "PRINT"),
        ("protocols", "Reporter", "doing"),
        ("protocols", "Engine", "infeasible"),
        ("commands", "augment generators import", "--out"),
        ("commands", "augment trace", "argument 2"),
        ("errors", "UnsafeCheckpoint", None),
        ("tables", "quarantine", "reason"),
        ("metrics", "augment_queue_depth", None),
        ("machine", "variable AUGMENT_POLICY", None),
        ("distribution", "augment-vision", "extra heic"),
        ("schemas", "audit", None),
    ],
)
def test_what_a_surface_holds(section: str, item: str, part: str | None) -> None:
    found = now()[section][item]
    assert part is None or part in found["parts"]


def test_a_public_name_that_is_gone_is_found_nowhere() -> None:
    """So that the comparison tells of it, and not a traceback."""
    found = names({"augment.errors": ("Problem", "Gone"), "augment.gone": ("digest",)})
    assert (list(found["names"]), found["functions"]) == (["augment.errors.Problem"], {})


def imported(path: Path) -> set[str]:
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "augment"
        for alias in node.names
    }


@pytest.mark.parametrize("path", ["examples/families/custom_generator.py", "jobs/run.py"])
def test_what_users_are_shown_to_import_is_public(path: str) -> None:
    found = imported(ROOT / path)
    assert found
    errors = {f"augment.errors.{name}" for name in now()["errors"]}
    assert found <= {*now()["names"], *now()["functions"], *errors}


def test_a_grammar() -> None:
    top = argparse.ArgumentParser("toy")
    verbs = top.add_subparsers()
    run = verbs.add_parser("run", add_help=False)
    run.add_argument("job")
    run.add_argument("rest", nargs="*", type=int, choices=[1, 2])
    run.add_argument("-e", "--engine", required=True, choices=("ray", "local"))
    run.add_argument("--set", action="append", default=[])
    either = run.add_mutually_exclusive_group(required=True)
    either.add_argument("--yes", action="store_true")
    either.add_argument("--no", action="store_true")
    text = {"value": "str", "choices": None, "default": None}
    one = {"required": True, "takes": "one value"}
    engine = text | one | {"choices": ["ray", "local"]}
    flag = {"required": True, "takes": "no value", "one_of": ["--no", "--yes"]}
    numbers = {"required": False, "value": "int", "choices": ["1", "2"]}
    found = grammar(top, "toy")
    assert list(found) == ["toy", "toy run"]
    assert found["toy run"]["parts"] == {
        "argument 1": text | one,
        "argument 2": text | numbers | {"takes": "values: *"},
        "-e": engine,
        "--engine": engine,
        "--set": text | one | {"required": False, "default": "[]", "repeats": True},
        "--yes": flag | {"not_with": ["--no"]},
        "--no": flag | {"not_with": ["--yes"]},
    }


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int | None, "int | None"),
        (dict[str, list[int | None]], "dict[str, list[int | None]]"),
        (tuple[str, ...], "tuple[str, ...]"),
        (None, "None"),
    ],
)
def test_types_as_text(hint: object, text: str) -> None:
    assert shown(hint) == text
