"""Processes that we start: they search where we search, and not where somebody stands."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from augment import children
from augment.generators.importing import inspect
from augment.run.engines.apart import call_apart
from tests.checkpoints.assembly import floats, saved, tensor
from tests.hostile import Hostile


def test_a_child_searches_where_we_do(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text("import json, sys\nprint(json.dumps([sys.path, sys.argv]))")
    path = [*children.search_path(), str(tmp_path)]
    command = children.command("told", "one", "two", path=path)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found, words = json.loads(done.stdout)
    assert found == path
    assert words == [str(tmp_path / "told.py"), "one", "two"]


def test_no_entry_means_the_folder_one_stands_in() -> None:
    root = str(Path(__file__).parents[1])
    assert children.search_path(["", "/lib", "here"]) == ["/lib", str(Path("here").resolve()), root]
    assert children.search_path([root, "/lib"]) == [root, "/lib"]


@dataclass(frozen=True)
class Shouting:
    """A task whose units come back in capitals."""

    def worker(self, alone: bool = False) -> Shouting:
        return self

    def __call__(self, unit: str) -> str:
        return unit.upper()


def test_a_unit_apart(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile.folder)
    assert call_apart(Shouting(), "a") == "A"
    assert hostile.imported() == []


def test_an_import(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tmp_path / "weights.pt"
    checkpoint.write_bytes(saved({"w": tensor(floats(2), (2,), (1,))}))
    monkeypatch.chdir(hostile.folder)
    assert inspect(str(checkpoint))
    assert hostile.imported() == []
