"""YAML and JSON as values: class names stay text, nothing runs, every line is known."""

from __future__ import annotations

import pytest

from augment.errors import SpecError
from augment.spec.text import MAX_BYTES, Plain, parse, resolve

UNTOUCHED = ["0", "no", "12:30", "007", "1.0", "yes", "1e3", "0x10", "2024-01-01", ".5", "1_000"]


def refused(text: str | bytes, name: str = "job.yaml") -> str:
    with pytest.raises(SpecError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), name)
    return str(caught.value)


def noted(text: str, name: str = "job.yaml") -> list[str]:
    return [str(p) for p in parse(text.encode(), name).problems]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_plain_scalars_arrive_as_written(name: str) -> None:
    document = parse(f"{name}: {name}\nlist: [{name}]".encode(), "job.yaml")
    assert document.data == {name: name, "list": [name]}


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_missing_values_are_none(text: str) -> None:
    assert parse(f"a: {text}".encode(), "job.yaml").data == {"a": None}


def test_quoted_text_is_not_a_missing_value() -> None:
    assert parse(b"a: ''\nb: 'null'", "job.yaml").data == {"a": "", "b": "null"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("007", 7),
    ],
)
def test_resolve_follows_yaml_1_2(text: str, value: object) -> None:
    found = resolve(Plain(text))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["no", "yes", "on", "12:30", "1_000", "2024-01-01", "0b1", "x"])
def test_resolve_leaves_what_only_yaml_1_1_changes(text: str) -> None:
    assert type(resolve(Plain(text))) is str


def test_resolve_goes_into_lists_and_mappings_but_not_into_quotes() -> None:
    data = parse(b"a: [1, '1', {1: true}]", "job.yaml").data
    assert resolve(data) == {"a": [1, "1", {"1": True}]}


def test_resolve_leaves_numbers_too_long_to_be_meant() -> None:
    assert resolve(Plain("9" * 5000)) == "9" * 5000


def test_lines() -> None:
    lines = parse(b"a: 1\nb:\n  - x\n  - c: 2\n", "job.yaml").lines
    assert lines[("a",)] == 1
    assert lines[("b",)] == 2
    assert lines[("b", 1)] == 4
    assert lines[("b", 1, "c")] == 4


def test_json_has_lines_and_keeps_the_text_of_numbers() -> None:
    document = parse(b'{\n "a": [1.0, true, null, "1"]\n}', "job.json")
    assert document.data == {"a": ["1.0", True, None, "1"]}
    assert document.lines[("a",)] == 2


def test_tags_are_refused_and_the_rest_is_read() -> None:
    text = "a: !!python/object/apply:os.system [ls]\nb: !include x\nc: !!int 3\n"
    out = "A job file is data: nothing in it is executed; remove the tag"
    assert noted(text) == [
        f"job.yaml:1: got the tag !!python/object/apply:os.system; expected values without "
        f"tags. {out}",
        f"job.yaml:2: got the tag !include; expected values without tags. {out}",
        f"job.yaml:3: got the tag !!int; expected values without tags. {out}",
    ]


def test_duplicate_keys() -> None:
    assert noted("a: 1\nb: 2\na: 3\n") == [
        "job.yaml:3: got the key 'a' a second time; expected each key once (first on line 1)"
    ]
    assert noted('{"a": 1, "a": 2}', "job.json") == [
        "job.json: got the key 'a' a second time; expected each key once"
    ]


def test_an_alias_is_a_copy() -> None:
    data = parse(b"a: &x [1]\nb: *x\n", "job.yaml").data
    assert data == {"a": ["1"], "b": ["1"]}
    assert data["a"] is not data["b"]


def test_an_alias_bomb_is_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert refused("\n".join(rows)) == (
        "job.yaml:4: got aliases that stand for more than 10000 values; "
        "expected a file that says what it means without them"
    )


def test_aliases_cannot_nest_without_end() -> None:
    rows = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 70)]
    assert "got deeper nesting; expected at most 64 levels" in refused("\n".join(rows))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: *x", "job.yaml:1: got the alias *x; expected an alias of a finished anchor"),
        ("a: &x [*x]", "job.yaml:1: got the alias *x; expected an alias of a finished anchor"),
        ("a: 1\n---\nb: 2", "job.yaml:2: got a second document (`---`); expected one document"),
        ("? [a]\n: b", "job.yaml:1: got a list or mapping as a key; expected text as a key"),
        ("[" * 70 + "]" * 70, "job.yaml:1: got deeper nesting; expected at most 64 levels"),
        (
            "a: b: c",
            "job.yaml:1: got text that is not YAML (mapping values are not allowed in this "
            "context); expected well-formed YAML",
        ),
        (
            "a:\n\t- b",
            "job.yaml:2: got text that is not YAML (found character that cannot start any "
            "token); expected well-formed YAML. Indent with spaces, not tabs",
        ),
        (b"a: \xff", "job.yaml: got byte 3 that is not UTF-8; expected UTF-8 text"),
    ],
)
def test_refused_yaml(text: str | bytes, error: str) -> None:
    assert refused(text) == error


def test_refused_json() -> None:
    assert refused('{\n"a" 1}', "job.json") == (
        "job.json:2: got text that is not JSON (Expecting ':' delimiter); expected well-formed JSON"
    )
    assert refused("[" * 100_000, "job.json") == (
        "job.json: got deeper nesting; expected at most 64 levels"
    )
    assert refused('["\\ud800"]', "job.json") == (
        "job.json: got half of a surrogate pair; expected Unicode text"
    )


def test_too_large() -> None:
    found = refused(b"#" * (MAX_BYTES + 1))
    assert found == f"job.yaml: got more than {MAX_BYTES} bytes; expected a smaller file"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse("\ufeffa: 1".encode(), "job.yaml").data == {"a": "1"}
