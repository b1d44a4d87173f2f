"""The short form: some thousand seeded inputs of every target. `make fuzz` is the long one."""

from __future__ import annotations

import pytest

from tests.fuzz.frame import begun, load, names, tried
from tests.fuzz.mutation import inputs


@pytest.mark.parametrize("name", names())
def test_a_reader_answers_whatever_it_is_given(name: str) -> None:
    target = load(name)
    begun(target)
    for number, data in enumerate(inputs(target, seed=1, count=target.short)):
        try:
            tried(target, data)
        except Exception as error:
            error.add_note(f"input {number} of target {name}: {data[:2000]!r}")
            raise
