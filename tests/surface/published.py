"""What is published beside names and verbs: schemas, tables, errors, metrics, variables, extras."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from augment import DISTRIBUTION, errors, policy, sample, surroundings
from augment.run.watch.metrics import METRICS
from augment.schemas import published
from tests.surface.items import PARTS, Facts, Items, Unjudged

ROOT = Path(__file__).parents[2]
READ, WRITTEN = "read", "written"
DIRECTIONS = {
    "job": READ, "policy": READ, "audit": WRITTEN, "comparison": WRITTEN, "study": WRITTEN,
}  # fmt: skip
"""Whether augment reads documents of a schema, or writes them for others."""
DEVELOPERS = ("demo", "fuzz", "test")
"""Extras that are of use in this repository only."""
_FOR_PEOPLE = ("$schema", "description", "discriminator", "examples", "title")


def schemas() -> Items:
    """Published JSON Schemas without what they say to people."""
    found: dict[str, Facts] = {}
    for name, text in published().items():
        document = json.loads(text)
        if "columns" in document:
            continue  # a table: see `tables`
        if name not in DIRECTIONS:
            raise Unjudged(
                f"schemas/{name}.schema.json: whether augment reads or writes such documents is "
                "not known; say it in tests/surface/published.py, DIRECTIONS"
            )
        found[name] = {"direction": DIRECTIONS[name], "schema": _bare(document)}
    return found


def _bare(node: Any) -> Any:
    """A schema without texts. Names of properties and definitions are no keywords."""
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _bare(one) for name, one in value.items()}
        if key in ("properties", "patternProperties", "$defs")
        else value
        if key in ("default", "const", "enum")
        else _bare(value)
        for key, value in node.items()
        if key not in _FOR_PEOPLE
    }


def tables() -> Items:
    """The columns of every table. What a job reads again, a manifest, needs its columns."""
    return {
        name.removesuffix("_SCHEMA").lower(): {
            "version": sample.SCHEMA_VERSION,
            PARTS: {f.name: _column(f, read=name == "MANIFEST_SCHEMA") for f in schema},
        }
        for name, schema in sorted(vars(sample).items())
        if isinstance(schema, pa.Schema)
    }


def _column(field: pa.Field, read: bool) -> Facts:
    facts = {"type": str(field.type), "nullable": field.nullable}
    return facts | ({"required": not field.nullable} if read else {})


def error_tree() -> Items:
    """Errors with their exit codes; what they are also caught as."""
    return {
        one.__name__: {
            "exit_code": getattr(one, "exit_code", None),
            "caught_as": [base.__name__ for base in _bases(one)],
        }
        for name, one in sorted(vars(errors).items())
        if isinstance(one, type) and issubclass(one, Exception) and not name.startswith("_")
    }


def _bases(error: type) -> Iterator[type]:
    for base in error.__mro__[1:]:
        if issubclass(base, Exception) and not base.__name__.startswith("_"):
            yield base


def metrics() -> Items:
    """Prometheus metrics; their labels stand behind `job_id`."""
    return {
        one.name: {"kind": one.kind, "labels": list(one.labels), "scope": one.scope}
        for one in METRICS
    }


def machine() -> Items:
    """What augment looks up on a machine without being told by a job."""
    return {
        f"variable {policy.VARIABLE}": {},
        f"variable {surroundings.EPOCH}": {},
        f"file {policy.PATH}": {},
    }


def distribution() -> Items:
    """What pip installs: extras and commands."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["name"] != DISTRIBUTION:
        raise Unjudged(f"pyproject.toml: got {project['name']}; expected {DISTRIBUTION}")
    extras = [f"extra {name}" for name in project["optional-dependencies"]
              if name not in DEVELOPERS]  # fmt: skip
    commands = [f"command {name}" for name in project["scripts"]]
    return {DISTRIBUTION: {PARTS: {name: {} for name in sorted([*extras, *commands])}}}
