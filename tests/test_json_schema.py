"""Pieces of published schemas: what each lets pass."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from augment.json_schema import COUNT, NUMBER, TEXT, TEXT_OR_NULL, Schema, closed, listed, or_null

POINT = closed({"n": COUNT, "name": TEXT_OR_NULL}, description="a point")


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (COUNT, [0, 7], [-1, 0.5, "1", None]),
        (TEXT, ["", "a"], [None, 1]),
        (NUMBER, [0, -0.5], ["1", None]),
        (POINT, [{"n": 1, "name": None}], [{"n": 1}, {"n": 1, "name": "a", "more": 1}, []]),
        (listed(COUNT), [[], [1, 2]], [[-1], {}]),
        (or_null(POINT), [None, {"n": 0, "name": "a"}], [{}, 0]),
    ],
)
def test_what_passes(schema: Schema, right: list[Any], wrong: list[Any]) -> None:
    for one in right:
        jsonschema.validate(one, schema)
    for one in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(one, schema)


def test_words_beside_it_are_kept() -> None:
    assert POINT["description"] == "a point"
    assert listed(TEXT, description="names")["description"] == "names"
    assert or_null(TEXT, description="a name")["description"] == "a name"
