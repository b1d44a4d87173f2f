"""The published schemas: equal to the code, valid, and met by the job files that ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from augment.errors import SpecError
from augment.sample import MANIFEST_SCHEMA, SAMPLE_SCHEMA
from augment.schemas import published
from augment.spec import load_spec

ROOT = Path(__file__).parents[1]
JOBS = sorted((ROOT / "jobs").glob("*.yaml"))
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / f"schemas/{name}.schema.json").read_text())
    return document


def test_what_is_published_is_what_the_code_says() -> None:
    files = {p.name: p.read_text() for p in (ROOT / "schemas").iterdir()}
    right = {f"{name}.schema.json": text + "\n" for name, text in published().items()}
    assert files == right, "schemas/ is not what the code says: run `make schemas`"


@pytest.mark.parametrize("name", ["job", "audit", "comparison", "policy", "study"])
def test_a_json_schema_is_valid(name: str) -> None:
    document = schema(name)
    assert document["$schema"] == DRAFT
    jsonschema.Draft202012Validator.check_schema(document)


@pytest.mark.parametrize(
    ("name", "columns"), [("manifest", MANIFEST_SCHEMA), ("sample", SAMPLE_SCHEMA)]
)
def test_a_table_schema_names_every_column(name: str, columns: Any) -> None:
    document = schema(name)
    assert set(document) == {"title", "version", "columns"}
    assert [c["name"] for c in document["columns"]] == columns.names
    for written, field in zip(document["columns"], columns, strict=True):
        assert written == {"name": field.name, "type": str(field.type), "nullable": field.nullable}


def test_there_are_job_files() -> None:
    assert {p.name for p in JOBS} >= {"digits.yaml", "photos.yaml"}


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.name)
def test_a_job_file_meets_the_schema_and_the_check(path: Path) -> None:
    jsonschema.Draft202012Validator(schema("job")).validate(yaml.safe_load(path.read_text()))
    assert load_spec(path).spec.name


@pytest.mark.parametrize(
    ("at", "value"),
    [("seed", -1), ("seed", "seven"), ("name", "a name"), ("version", 2), ("sede", 7)],
)
def test_the_schema_refuses_what_the_check_refuses(at: str, value: Any) -> None:
    job = yaml.safe_load(JOBS[0].read_text()) | {at: value}
    validator = jsonschema.Draft202012Validator(schema("job"))
    assert not validator.is_valid(job)
    with pytest.raises(SpecError):
        load_spec(job)
