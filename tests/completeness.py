"""What each generator family has: `python -m tests.completeness` writes docs/families.md.

Read from the tree as it is: the job file's models, the importer's list, classes of tests that keep
a contract, outputs of official programs, jobs. A family that lacks something shows it here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, get_args

import yaml

from augment.generators.catalog import FAMILIES
from augment.generators.importing import families as importing
from augment.spec import generators as specs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "families.md"
_CONTRACT = ROOT / "tests/contracts/generator_contract.py"

_HEAD = """# What each generator family has

Written by `make schemas` from the tree as it is; docs/generators.md says what each family does.

- **import**: `augment generators import` makes a folder of a foreign checkpoint; `as it is`: the
  makers' own files are named in the job.
- **contract**: classes of tests that keep one of tests/contracts/generator_contract.py: same seed
  same pixels, any batch and order, a row that is not finite fails alone, errors.
- **beside**: official programs that tests run beside ours, and tests that read what an official
  program made of the same weights and noise (where `AUGMENT_REFERENCE_DIR` holds that).
- **precision**: what `sampling.precision` may say.
- **jobs**: files that a test runs from the command to the audit.
"""

_OFFICIAL = {"diffusers", "transformers", "onnxruntime", "pythae"}
_AS_IT_IS = {"diffusers": "as it is", "custom": "code", "palette": "nothing", "tint": "nothing"}


def table() -> str:
    """The page."""
    head = ("family", "import", "contract", "beside", "precision", "jobs")
    rows = [head, tuple("---" for _ in head), *map(_row, sorted(f.name for f in FAMILIES))]
    return _HEAD + "\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(family: str) -> tuple[str, ...]:
    imported = family in importing._FAMILIES or family == "onnx"
    jobs = [path.relative_to(ROOT).as_posix() for path in _jobs() if family in _families_of(path)]
    return (
        f"`{family}`",
        "yes" if imported else _AS_IT_IS.get(family, "no"),
        str(len(contracts(family)) or "no"),
        ", ".join(f"`{name}`" for name in _beside(family)) or "no",
        ", ".join(f"`{word}`" for word in _precision(family)) or "fp32",
        ", ".join(f"`{job}`" for job in jobs) or "no",
    )


def contracts(family: str) -> list[str]:
    """Classes of tests that derive from a contract."""
    known = set(_bases(_CONTRACT)) | set(_bases(ROOT / "tests/generators/translators.py"))
    found: list[str] = []
    for path in _tests(family):
        keeping = set(known)
        for name, above in _bases(path).items():
            if keeping.intersection(above):
                keeping.add(name)
                found += [f"{path.name}::{name}"] * name.startswith("Test")
    return found


def _beside(family: str) -> list[str]:
    libraries = {name for path in _tests(family) for name in _imports(path)} & _OFFICIAL
    model = rf"\b{type_of(family).__name__}\b|\"{family}\""
    recorded = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests/reference").glob("test_*.py"))
        if re.search(model, path.read_text(encoding="utf-8"))
    ]
    return sorted(libraries) + recorded


def _tests(family: str) -> list[Path]:
    """Files of tests that are named after the family."""
    folder = ROOT / "tests/generators/families"
    return [
        p for p in sorted(folder.glob("test_*.py")) if f"{p.stem}_".startswith(f"test_{family}_")
    ]


def _imports(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def type_of(family: str) -> type[Any]:
    """The family's model of the job file."""
    union = get_args(specs.GeneratorSpec)[0]
    for model in get_args(union):
        if get_args(model.model_fields["family"].annotation) == (family,):
            return model  # type: ignore[no-any-return]
    raise KeyError(family)


def _precision(family: str) -> tuple[str, ...]:
    sampling = type_of(family).model_fields.get("sampling")
    field = None if sampling is None else sampling.annotation.model_fields.get("precision")
    return () if field is None else tuple(get_args(field.annotation))


def _bases(path: Path) -> dict[str, list[str]]:
    """Class -> the names it derives from, in the order of the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _jobs() -> list[Path]:
    return sorted([*(ROOT / "jobs").glob("*.yaml"), *(ROOT / "examples/families").glob("*.yaml")])


def _families_of(job: Path) -> set[str]:
    generators = yaml.safe_load(job.read_text(encoding="utf-8")).get("generators", {})
    return {one["family"] for one in generators.values()}


if __name__ == "__main__":
    print(table(), end="")
