"""What the package promises as a whole: no verdicts, no files, no networks."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import typing
from pathlib import Path

import pytest

from augment.audit import measures

FOLDER = Path(measures.__file__).parent
LEAVES = ("augment.seeds", "augment.errors", "augment.audit.measures")
OF_FILES = {"os", "io", "pathlib", "shutil", "tempfile", "subprocess", "socket", "urllib", "pickle"}
FUNCTIONS = [name for name in measures.__all__ if inspect.isfunction(getattr(measures, name))]
VALUES = [name for name in measures.__all__ if dataclasses.is_dataclass(getattr(measures, name))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            found |= {f"{node.module}.{a.name}" if node.module == "augment" else node.module
                      for a in node.names}  # fmt: skip
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_needs_numpy_and_leaves_alone(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        ours = any(name == leaf or name.startswith(leaf + ".") for leaf in LEAVES)
        assert ours or top == "numpy" or top in sys.stdlib_module_names, name
        assert top not in OF_FILES, name


def test_there_are_functions_and_values() -> None:
    assert len(FUNCTIONS) >= 15
    assert len(VALUES) >= 8


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_says_whether_a_set_passes(name: str) -> None:
    told = typing.get_type_hints(getattr(measures, name))["return"]
    assert told is not bool
    assert bool not in typing.get_args(told)


@pytest.mark.parametrize("name", VALUES)
def test_no_value_says_whether_a_set_passes(name: str) -> None:
    value = getattr(measures, name)
    assert value.__dataclass_params__.frozen
    hints = typing.get_type_hints(value)
    assert bool not in hints.values()
    assert not {"passed", "ok", "verdict", "threshold"} & set(hints)


@pytest.mark.parametrize("name", FUNCTIONS + VALUES)
def test_everything_public_is_described(name: str) -> None:
    doc = inspect.getdoc(getattr(measures, name))
    assert doc
    assert not doc.startswith(f"{name}(")  # what dataclass writes by itself
