"""The published JSON schema of a job file, generated from the models."""

from __future__ import annotations

from typing import Any

from augment.spec.models import JobSpec


def job_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a job file, for editors and other programs.

    It knows shapes and ranges, not names: `augment validate` checks those as well.
    """
    schema = JobSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
