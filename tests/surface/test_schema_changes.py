"""JSON Schemas compared, as what augment reads and as what it writes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surface.items import Unjudged
from tests.surface.schemas import schema_changes

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NONE: Schema = {"type": "null"}


def obj(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}  # fmt: skip


def told(direction: str, old: Schema, new: Schema) -> list[tuple[bool, str, str, str]]:
    sides = [{"s": {"direction": direction, "schema": side}} for side in (old, new)]
    return [(c.breaks, c.place.removeprefix("s: "), c.was, c.now) for c in schema_changes(*sides)]


def family(name: str, **more: Schema) -> Schema:
    return obj(("family",), family={"const": name, "type": "string"}, **more)


CASES: list[tuple[Schema, Schema, str, str, str, str]] = [
    # old, new, who breaks (read, written, both, nobody), place, was, is
    (obj(a=TEXT), obj(), "both", "a", "there", "gone"),
    (obj(), obj(a=TEXT), "nobody", "a", "not there", "new"),
    (obj(), obj(("a",), a=TEXT), "read", "a", "not there", "new, and required"),
    (obj(a=TEXT), obj(("a",), a=TEXT), "read", "a", "optional", "required"),
    (obj(("a",), a=TEXT), obj(a=TEXT), "written", "a", "required", "optional"),
    (obj(a=TEXT), obj(a=WHOLE), "read", "a (string)", "allowed", "refused"),
    (obj(a=TEXT), obj(a=WHOLE), "written", "a (integer)", "refused", "allowed"),
    (obj(a=TEXT), obj(a={"type": ["string", "null"]}), "written", "a (null)", "refused", "allowed"),
    (obj(a={"anyOf": [TEXT, NONE]}), obj(a=TEXT), "read", "a (null)", "allowed", "refused"),
    (obj(a=WHOLE), obj(a={"type": "number"}), "written", "a (number)", "refused", "allowed"),
    (obj(a={"type": "number"}), obj(a=WHOLE), "read", "a (number)", "allowed", "refused"),
    (obj(a={"enum": ["x", "y"]}), obj(a={"enum": ["y"]}), "read", "a: values", '"x", "y"', '"y"'),
    (obj(a={"enum": ["x"]}), obj(a={"enum": ["x", "y"]}), "written", "a: values", '"x"',
     '"x", "y"'),
    (obj(a={"const": 1}), obj(a={"const": 2}), "both", "a: values", "1", "2"),
    (obj(a=TEXT), obj(a={"enum": ["x"]}), "read", "a: values", "any", '"x"'),
    (obj(a=WHOLE), obj(a=WHOLE | {"minimum": 1}), "read", "a: minimum", "none", "1"),
    (obj(a=WHOLE | {"minimum": 1}), obj(a=WHOLE | {"minimum": 0}), "written", "a: minimum", "1",
     "0"),
    (obj(a=WHOLE | {"maximum": 9}), obj(a=WHOLE | {"maximum": 8}), "read", "a: maximum", "9", "8"),
    (obj(a=TEXT | {"maxLength": 9}), obj(a=TEXT), "written", "a: maxLength", "9", "none"),
    (obj(a=TEXT), obj(a=TEXT | {"pattern": "^x"}), "read", "a: pattern", "any", "^x"),
    (obj(a=TEXT | {"pattern": "^y"}), obj(a=TEXT | {"pattern": "^x"}), "both", "a: pattern", "^y",
     "^x"),
    (obj(a=TEXT | {"default": "x"}), obj(a=TEXT | {"default": "y"}), "read", "a: default", '"x"',
     '"y"'),
    (obj(a=TEXT | {"default": True}), obj(a=TEXT | {"default": 1}), "read", "a: default", "true",
     "1"),
    (obj(a={"type": "array", "items": {"anyOf": [TEXT, WHOLE]}}),
     obj(a={"type": "array", "items": TEXT}), "read", "a[] (integer)", "allowed", "refused"),
    (obj(a={"type": "array", "prefixItems": [TEXT]}),
     obj(a={"type": "array", "prefixItems": [TEXT | {"maxLength": 3}]}), "read", "a[0]: maxLength",
     "none", "3"),
    ({"type": "object"}, {"type": "object", "additionalProperties": False}, "read",
     ".* (anything)", "allowed", "refused"),
    ({"type": "object", "additionalProperties": False},
     {"type": "object", "additionalProperties": WHOLE}, "written", ".* (integer)", "refused",
     "allowed"),
    ({"type": "object", "patternProperties": {"^a": TEXT}},
     {"type": "object", "patternProperties": {"^b": TEXT}}, "both", " names: pattern", "^a", "^b"),
    ({"type": "object", "patternProperties": {"^a": TEXT}},
     {"type": "object", "patternProperties": {"^a": TEXT | {"maxLength": 2}}}, "read",
     ".*: maxLength", "none", "2"),
    ({"type": "object", "propertyNames": {"maxLength": 9}},
     {"type": "object", "propertyNames": {"maxLength": 8}}, "read", " names: maxLength", "9", "8"),
    ({"oneOf": [family("a"), family("b")]}, {"oneOf": [family("a")]}, "read",
     " (object, family=b)", "allowed", "refused"),
    ({"oneOf": [family("a")]}, {"oneOf": [family("b"), family("a")]}, "written",
     " (object, family=b)", "refused", "allowed"),
    ({"oneOf": [family("a", x=TEXT), family("b")]}, {"oneOf": [family("b"), family("a")]}, "both",
     "x", "there", "gone"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "who", "place", "was", "now"), CASES)
def test_who_breaks(
    old: Schema, new: Schema, who: str, place: str, was: str, now: str
) -> None:  # fmt: skip
    for direction in ("read", "written"):
        found = told(direction, old, new)
        assert (who in (direction, "both"), place, was, now) in found, direction


@pytest.mark.parametrize(
    ("direction", "old", "new"),
    [
        ("read", obj(a=WHOLE), obj(a={"type": ["number", "string"]}, b=TEXT)),
        ("read", obj(("a",), a=TEXT | {"maxLength": 3}), obj(a=TEXT)),
        ("read", {"oneOf": [family("a")]}, {"oneOf": [family("b"), family("a", x=TEXT)]}),
        ("written", obj(a={"type": ["number", "string"]}), obj(("a", "b"), a=WHOLE, b=TEXT)),
        ("written", obj(a={"enum": ["x", "y"]}), obj(a={"enum": ["x"], "default": "x"})),
    ],
)
def test_what_is_an_addition_only(direction: str, old: Schema, new: Schema) -> None:
    found = told(direction, old, new)
    assert found
    assert not any(one[0] for one in found)


def test_a_mark_that_changed_hides_nothing_beside_it() -> None:
    old, new = (
        obj(v={"const": n}, a=kind) for n, kind in ((1, TEXT), (2, TEXT | {"minLength": 1}))
    )
    assert {one[1] for one in told("read", old, new)} == {"v: values", "a: minLength"}


def test_another_name_of_a_definition_is_no_change() -> None:
    old = {"$defs": {"A": obj(x=TEXT)}, **obj(a={"$ref": "#/$defs/A"})}
    new = {"$defs": {"B": obj(x=TEXT)}, **obj(a={"$ref": "#/$defs/B"})}
    assert told("read", old, new) == told("read", old, obj(a=obj(x=TEXT))) == []


def test_a_break_of_a_definition_is_told_once_with_its_first_place() -> None:
    def schema(inner: Schema) -> Schema:
        return {"$defs": {"A": inner}, **obj(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"})}

    assert told("read", schema(obj(x=TEXT)), schema(obj())) == [(True, "a.x", "there", "gone")]


def test_definitions_that_name_themselves() -> None:
    def tree(leaf: Schema) -> Schema:
        return {"$defs": {"T": obj(next={"$ref": "#/$defs/T"}, leaf=leaf)}, "$ref": "#/$defs/T"}

    assert told("read", tree(TEXT), tree(TEXT)) == []
    found = told("read", tree(TEXT), tree(TEXT | {"maxLength": 1}))
    assert found == [(True, "leaf: maxLength", "none", "1")]


def test_a_default_with_the_key_of_a_new_property_says_nothing_new() -> None:
    old = obj(a=obj(x=WHOLE) | {"default": {"x": 1}})
    new = obj(a=obj(x=WHOLE, y=WHOLE) | {"default": {"x": 1, "y": None}})
    assert told("read", old, new) == [(False, "a.y", "not there", "new")]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ({"not": TEXT}, "schema at a: the comparison does not know not"),
        ({"anyOf": [TEXT], "minLength": 1}, "schema at a: the comparison knows no keyword beside"),
    ],
)
def test_a_keyword_that_is_not_known_is_an_error(node: Schema, text: str) -> None:
    with pytest.raises(Unjudged, match=text):
        told("read", obj(a=node), obj(a=node))
