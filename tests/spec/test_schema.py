"""The published schema follows the models."""

from __future__ import annotations

import json

from augment.spec import job_schema
from augment.spec.models import JobSpec


def test_the_schema_names_every_key_and_refuses_others() -> None:
    schema = job_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == set(JobSpec.model_fields)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"version", "name", "seed", "sources", "output"}
    assert "from" in schema["$defs"]["Augmentation"]["properties"]


def test_the_schema_is_json_and_the_same_each_time() -> None:
    assert json.dumps(job_schema(), sort_keys=True) == json.dumps(job_schema(), sort_keys=True)
