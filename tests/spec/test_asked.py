"""Values of a request at their paths, whatever stands there instead."""

from __future__ import annotations

from typing import Any

import pytest

from augment.spec.asked import MISSING, inside


@pytest.mark.parametrize(
    ("value", "step", "found"),
    [
        ({"a": 1}, "a", 1),
        ({"a": None}, "a", None),
        ({"a": 1}, "b", MISSING),
        ({"a": 1}, 0, MISSING),
        (["x", "y"], 0, "x"),
        (["x", "y"], 1, "y"),
        (["x", "y"], 2, MISSING),
        ([], 0, MISSING),
        (["x"], "a", MISSING),
        ("text", 0, MISSING),
        (None, "a", MISSING),
    ],
)
def test_a_step_into_a_value(value: Any, step: str | int, found: Any) -> None:
    assert inside(value, step) is found
