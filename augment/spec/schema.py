"""The published JSON schema of a job file, generated from the models and their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augment.spec.models import JobSpec
from augment.spec.text import parse, resolve


def job_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a job file, for editors and other programs.

    It knows shapes and ranges, not names: `augment validate` checks those as well.
    """
    schema = JobSpec.model_json_schema(by_alias=True)
    for definition in schema["$defs"].values():
        for tag in definition.get("properties", {}).values():
            if "const" in tag:
                tag.setdefault("description", f"Says that this is `{tag['const']}`.")
    for name, texts in examples().items():
        definition = schema if name == JobSpec.__name__ else schema["$defs"].get(name)
        if definition is not None:
            definition["examples"] = [resolve(parse(t.encode(), name).data) for t in texts]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def examples() -> dict[str, list[str]]:
    """Name of a model -> texts of examples, in YAML."""
    file = Path(__file__).parent / "examples.yaml"
    found: dict[str, list[str]] = parse(file.read_bytes(), file.name).data
    return found
