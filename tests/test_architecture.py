"""What the tree promises: layers, light imports, no unpickling, the public names."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import augment
import augment.api

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "augment").rglob("*.py"))
LIGHT = ("augment", "augment.spec", "augment.api", "augment.cli", "augment.checkpoints.folders")
HEAVY = ("torch", "ray", "pandas", "albumentations", "pyarrow", "cv2", "deltalake", "fsspec",
         "prometheus_client")  # fmt: skip


def test_the_import_contracts_hold() -> None:
    linted = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout
    assert re.search(r"Contracts: \d+ kept, 0 broken\.", linted.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "[]\n", "")


def calls(path: Path) -> set[str]:
    """Dotted names of everything that a file names: `torch.load`, `pickle.loads` ..."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_nothing_unpickles_or_runs_what_it_reads() -> None:
    """A checkpoint, a pipeline and a record are data: nothing read may execute."""
    forbidden = {
        "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "joblib.load",
        "yaml.load", "yaml.unsafe_load", "yaml.full_load", "marshal.loads", "torch.hub.load",
    }  # fmt: skip
    assert len(SOURCES) > 50
    for path in SOURCES:
        assert not calls(path) & forbidden, path
        assert not imports(path) & (forbidden | {"pickle", "marshal", "shelve", "joblib"}), path
        assert not re.search(r"allow_pickle\s*=\s*True", path.read_text(encoding="utf-8")), path


RAY = {
    "run/engines/ray_engine.py", "run/engines/ray_feed.py", "run/engines/ray_keeper.py",
    "run/engines/ray_nodes.py", "run/engines/ray_reach.py", "submit/jobs_api.py",
}  # fmt: skip


@pytest.mark.parametrize(
    ("library", "where"),
    [
        ("ray", RAY),
        ("torch", {"generators", "features", "study"}),
        ("albumentations", {"transforms"}),
        ("fsspec", {"storage"}),
        ("prometheus_client", {"run/watch/exporter.py"}),
    ],
)
def test_a_library_is_known_in_one_place(library: str, where: set[str]) -> None:
    for path in SOURCES:
        inside = path.relative_to(ROOT / "augment").as_posix()
        if any(name.split(".")[0] == library for name in imports(path)):
            assert inside in where or inside.split("/")[0] in where, inside


def test_no_ray_is_joined_by_chance() -> None:
    """`ray.init` that is not told which one joins whatever RAY_ADDRESS or an earlier Ray of the
    machine left: in scripts that tests hold as texts, too."""
    begun = re.compile(r"\bray\.init\(\s*(\S*)")
    found = {
        (path.relative_to(ROOT).as_posix(), told)
        for folder in ("augment", "tests", "benchmarks", "examples")
        for path in (ROOT / folder).rglob("*.py")
        for told in begun.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 5
    assert {one for one in found if not re.match(r'"local"|address=', one[1])} == set()


def test_every_module_says_what_it_is() -> None:
    for path in SOURCES:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert doc, path


def test_public_names() -> None:
    assert augment.api.__all__ == [
        "Job", "audit", "audit_log", "compare", "load_spec", "open_dataset", "open_engine", "plan",
        "retry", "run", "status", "study", "validate", "write_report",
    ]  # fmt: skip
    for name in augment.api.__all__:
        assert inspect.getdoc(getattr(augment.api, name)), name
    assert re.fullmatch(r"\d+\.\d+\.\d+", augment.__version__)


@pytest.mark.parametrize(
    ("verb", "parameters"),
    [
        ("load_spec", ["source", "execution", "overrides", "env", "look"]),
        ("validate", ["source", "execution", "overrides", "env"]),
        ("plan", ["job"]),
        (
            "run",
            [
                "job",
                "engine",
                "reporter",
                "clock",
                "takeover",
                "measure",
                "despite_limits",
                "profile",
            ],
        ),
        ("status", ["output", "options"]),
        ("retry", ["job", "engine", "reporter", "despite_limits"]),
        (
            "audit",
            [
                "uri",
                "version",
                "limits",
                "by",
                "verify",
                "options",
                "quality",
                "copies",
                "extractors",
                "seed",
                "cache",
                "engine",
                "reporter",
                "attributes",
            ],
        ),
        ("open_dataset", ["uri", "version", "split", "options"]),
        ("open_engine", ["job", "engine"]),
    ],
)
def test_parameters_of_the_verbs(verb: str, parameters: list[str]) -> None:
    function: Any = getattr(augment.api, verb)
    assert list(inspect.signature(function).parameters) == parameters
