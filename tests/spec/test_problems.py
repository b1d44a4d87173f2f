"""Words for what is wrong: where each text is cut, and what is counted instead."""

from __future__ import annotations

from typing import Any

import pytest

from augment.spec.problems import dotted, nearest, one_of, shown
from augment.spec.text import Path, Plain


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("a",), "a"),
        (("synthesize", 0, "fill", "to"), "synthesize[0].fill.to"),
        (("to", "12:30"), "to['12:30']"),
        (("12:30", "a-b_c"), "['12:30'].a-b_c"),
        (("to", "é"), "to['é']"),
        (("a", " " * 81), f"a[{' ' * 80!r}]"),
    ],
)
def test_a_path_as_people_write_it(path: Path, text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ("a", "'a'"),
        ("", "''"),
        (Plain("12"), "12"),
        (Plain("twelve"), "'twelve'"),
        ({}, "an empty mapping"),
        ([], "an empty list"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a mapping of a"),
        (dict.fromkeys("abcdef"), "a mapping of a, b, c, d, e, f"),
        (dict.fromkeys("abcdefg"), "a mapping of a, b, c, d, e, f, ..."),
        ({"k" * 41: 1}, f"a mapping of {'k' * 40}"),
        (1.5, "1.5"),
        ("x" * 78, f"'{'x' * 78}'"),
        ("x" * 79, f"'{'x' * 76}..."),
    ],
)
def test_a_value_in_an_error(value: Any, text: str) -> None:
    assert shown(value) == text
    assert len(text) <= 80


def test_a_value_is_cut_where_the_caller_says() -> None:
    assert shown("abcdef", 8) == "'abcdef'"
    assert shown("abcdefg", 8) == "'abcd..."


def test_valid_names_are_told_in_their_order_and_counted_from_the_twenty_first() -> None:
    names = [f"n{i:02}" for i in range(21)]
    assert one_of([]) == "none (there are none)"
    assert one_of(["a", "a"]) == "a"
    assert one_of(["b", "a"]) == "one of a, b"
    assert one_of(reversed(names[:20])) == f"one of {', '.join(names[:20])}"
    assert one_of(names) == f"one of {', '.join(names[:20])} and 1 more"


def test_a_long_name_is_cut() -> None:
    assert one_of(["a" * 120]) == "a" * 120
    assert one_of(["a" * 121]) == f"{'a' * 117}..."
    assert one_of(["a" * 121, "b"]) == f"one of {'a' * 117}..., b"


def test_the_nearest_name() -> None:
    assert nearest("Trian", ["test", "Train"]) == "Did you mean 'Train'?"
    assert nearest("x", ["test", "Train"]) == ""
    assert nearest("x", []) == ""


def test_of_very_many_names_those_that_begin_alike_are_compared() -> None:
    names = [f"class {i:04}" for i in range(1001)]
    assert nearest("class 1000x", names) == "Did you mean 'class 1000'?"
    assert nearest("class 0000x", names) == "Did you mean 'class 0000'?"
    assert nearest("xlass 0500", names[:1000]) == "Did you mean 'class 0500'?"
