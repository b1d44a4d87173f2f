"""Every key of a job is described, once, in the models; the page and the schema say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from augment.policy import policy_schema
from augment.spec import job_schema
from augment.spec.reference import models, own_fields, reference
from augment.spec.schema import examples
from augment.spec.text import parse

PAGE = Path(__file__).parents[2] / "docs" / "job.md"


def properties(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """(place, schema) of every property, however deep."""
    inner = schema.items() if isinstance(schema, dict) else enumerate(schema)
    for key, value in inner:
        if key == "properties":
            yield from ((f"{place}.{name}", each) for name, each in value.items())
        if isinstance(value, dict | list) and key != "examples":
            yield from properties(value, f"{place}.{key}")


@pytest.mark.parametrize(("schema", "least"), [(job_schema(), 280), (policy_schema(), 14)])
def test_every_property_of_a_schema_has_a_description(schema: Any, least: int) -> None:
    found = dict(properties(schema))
    assert len(found) >= least
    bare = [place for place, each in found.items() if not each.get("description")]
    assert bare == [], "write the meaning as a text below the field, in augment/spec"


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "docs/job.md is not what the models say: run `make schemas`"
    )


@pytest.mark.parametrize("name", sorted(models()))
def test_the_examples_of_a_part_are_accepted_and_use_every_key(name: str) -> None:
    model = models()[name]
    heirs = [m for m in models().values() if issubclass(m, model)]  # of what several share
    values = [parse(text.encode(), name).data for text in examples().get(name, [])]
    for value in values:
        assert any(accepts(heir, value) for heir in heirs), value
    unused = set(own_fields(model)).difference(*values)
    assert unused == set(), f"use the keys in an example of {name} in augment/spec/examples.yaml"


def accepts(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


def test_no_example_is_of_something_else() -> None:
    assert set(examples()) == set(models())


def test_the_page_has_a_row_for_every_key_and_no_dangling_link() -> None:
    page = PAGE.read_text(encoding="utf-8")
    keys = [key for model in models().values() for key in own_fields(model)]
    assert page.count("\n| `") == len(keys)
    titles = [line.lstrip("# ") for line in page.splitlines() if line.startswith("#")]
    anchors = {"".join(c for c in t.lower() if c.isalnum() or c in " -_").replace(" ", "-")
               for t in titles}  # fmt: skip
    assert len(anchors) == len(titles)
    links = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert links <= anchors
