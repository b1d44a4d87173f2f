"""JSON Schemas compared: does everything that the old one allowed still pass, and the other way.

A document that augment reads breaks where the new schema allows less, one that it writes where
the new one allows more: a reader then meets what was not there. A property that is gone breaks
both. What is not among `_KNOWN` keywords is an error, never equal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.surface.items import SCHEMAS, Change, Items, Unjudged

Node = Mapping[str, Any]
_LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_INNER = ("items", "additionalProperties", "propertyNames")
_KNOWN = {
    *_LOWEST, *_MOST, *_INNER, "$ref", "$defs", "anyOf", "oneOf", "type", "const", "enum",
    "pattern", "default", "properties", "required", "patternProperties", "prefixItems",
}  # fmt: skip
_NONE = object()
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


class Difference(NamedTuple):
    """less: something that the old one allowed does not pass. more: the other way. gone: of a
    property, which breaks either way; meaning: what a reader's document means."""

    place: str
    was: str
    now: str
    less: bool = False
    more: bool = False
    gone: bool = False
    meaning: bool = False
    new: bool = False


def schema_changes(old: Items, new: Items) -> Iterator[Change]:
    """Differences of every schema.

    Raises:
        Unjudged: a schema holds a keyword that is not known here.
    """
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield Change(True, SCHEMAS, name, "there", "gone")
        elif name not in old:
            yield Change(False, SCHEMAS, name, "not there", "new")
        else:
            direction = new[name]["direction"]
            if direction != old[name]["direction"]:
                was = old[name]["direction"]
                yield Change(True, SCHEMAS, f"{name}: direction", was, direction)
            pair = _Pair(old[name]["schema"], new[name]["schema"])
            for one in pair.differences():
                breaks = _breaks(one, direction == "read")
                yield Change(breaks, SCHEMAS, f"{name}: {one.place}", one.was, one.now)


def _breaks(one: Difference, read: bool) -> bool:
    if one.gone:
        return True
    if one.new:
        return read and one.less
    return (one.less or one.meaning) if read else one.more


class _Pair:
    """Two whole schemas, whose definitions are looked up by name."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old, self._new = old, new
        self._done: set[tuple[str, str]] = set()
        """Definitions that were told of, or are being compared: each pair once."""

    def differences(self) -> list[Difference]:
        found = self.nodes(self._old, self._new, "")
        return [one._replace(place=one.place or "the whole") for one in dict.fromkeys(found)]

    def nodes(self, old: Node | bool, new: Node | bool, at: str) -> Iterator[Difference]:
        """What differs at a place."""
        for node in (old, new):
            _refuse_unknown(node, at)
        if isinstance(old, bool) and old is new:
            return
        if _ref(old) or _ref(new):
            pair = (_identity(old), _identity(new))
            if pair in self._done:
                return
            self._done.add(pair)
        was, now = (_mapping(node).get("default", _NONE) for node in (old, new))
        if not _means_the_same(was, now):
            yield Difference(f"{at}: default", _default(was), _default(now), meaning=True)
        yield from self._unions(_branches(old, self._old), _branches(new, self._new), at)

    def _unions(self, old: Sequence[Node], new: Sequence[Node], at: str) -> Iterator[Difference]:
        """Branches with one key are compared with one another; the rest came or went."""
        several = _several(old) | _several(new)
        olds, news = _by_key(old, self._old, several), _by_key(new, self._new, several)
        for key, branch in olds.items():
            if key in news:
                yield from self._plain(branch, news[key], at)
            elif not any(self._covers(branch, other) for other in new):
                yield Difference(_tagged(at, key), "allowed", "refused", less=True)
        for key, branch in news.items():
            if key not in olds and not any(self._covers(other, branch, True) for other in old):
                yield Difference(_tagged(at, key), "refused", "allowed", more=True)

    def _covers(self, old: Node, new: Node, backwards: bool = False) -> bool:
        """Whether `new` allows all that `old` does; backwards: `old` all that `new` does."""
        found = _Pair(self._old, self._new)._plain(old, new, "")
        return not any(one.gone or (one.more if backwards else one.less) for one in found)

    def _plain(self, old: Node, new: Node, at: str) -> Iterator[Difference]:
        """Two nodes of one type each, without unions."""
        yield from _values(old, new, at)
        for word in _LOWEST:
            yield from _bound(word, old.get(word), new.get(word), at, 1)
        for word in _MOST:
            yield from _bound(word, old.get(word), new.get(word), at, -1)
        yield from self._inner(old, new, at)
        yield from self._properties(old, new, at)

    def _inner(self, old: Node, new: Node, at: str) -> Iterator[Difference]:
        names = {"items": "[]", "additionalProperties": ".*", "propertyNames": " names"}
        for word, name in names.items():
            yield from self.nodes(old.get(word, True), new.get(word, True), at + name)
        was, now = old.get("prefixItems", []), new.get("prefixItems", [])
        for index in range(max(len(was), len(now))):
            sides = [side[index] if index < len(side) else True for side in (was, now)]
            yield from self.nodes(sides[0], sides[1], f"{at}[{index}]")
        was, now = old.get("patternProperties", {}), new.get("patternProperties", {})
        if len(was) == len(now) == 1:
            yield from _pattern(*was, *now, at=f"{at} names")
            (one,), (other,) = was.values(), now.values()
            yield from self.nodes(one, other, f"{at}.*")
            return
        for pattern in {**was, **now}:
            sides = [side.get(pattern, False) for side in (was, now)]
            yield from self.nodes(sides[0], sides[1], f"{at}./{pattern}/")

    def _properties(self, old: Node, new: Node, at: str) -> Iterator[Difference]:
        was, now = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in [*was, *(n for n in now if n not in was)]:
            place = f"{at}.{name}".removeprefix(".")
            if name not in now:
                yield Difference(place, "there", "gone", gone=True)
            elif name not in was:
                asked = name in needs
                text = "new, and required" if asked else "new"
                yield Difference(place, "not there", text, less=asked, more=True, new=True)
            else:
                yield from self.nodes(was[name], now[name], place)
                if name in needs - needed:
                    yield Difference(place, "optional", "required", less=True)
                elif name in needed - needs:
                    yield Difference(place, "required", "optional", more=True)


def _refuse_unknown(node: Node | bool, at: str) -> None:
    words = set(_mapping(node))
    if unknown := sorted(words - _KNOWN):
        raise Unjudged(f"schema at {at}: the comparison does not know {', '.join(unknown)}")
    if words & {"anyOf", "oneOf", "$ref"} and words - {
        "anyOf",
        "oneOf",
        "$ref",
        "default",
        "$defs",
    }:
        raise Unjudged(f"schema at {at}: the comparison knows no keyword beside a union or $ref")


def _mapping(node: Node | bool) -> Node:
    return {} if isinstance(node, bool) else node


def _ref(node: Node | bool) -> str:
    return str(_mapping(node).get("$ref", ""))


def _identity(node: Node | bool) -> str:
    """Of a definition its name, of another node which object of its schema it is."""
    return _ref(node) or (str(node) if isinstance(node, bool) else f"at {id(node)}")


def _means_the_same(was: Any, now: Any) -> bool:
    """Two defaults. One that has the keys of a new property beside all others says nothing new."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(key in now and _means_the_same(was[key], now[key]) for key in was)
    return _default(was) == _default(now)


def _default(value: Any) -> str:
    return "none" if value is _NONE else json.dumps(value, ensure_ascii=False)


def _branches(node: Node | bool, root: Node) -> list[Node]:
    """A node as alternatives of one type each; of no type where it may be of any."""
    if node is False:
        return []
    known = _mapping(node)
    if "$ref" in known:
        return _branches(root["$defs"][known["$ref"].removeprefix("#/$defs/")], root)
    for word in ("anyOf", "oneOf"):
        if word in known:
            return [one for branch in known[word] for one in _branches(branch, root)]
    kinds = known.get("type", _type_of_values(known))
    return [{**known, "type": kind} for kind in (kinds if isinstance(kinds, list) else [kinds])]


def _type_of_values(node: Node) -> list[str | None] | None:
    values = node.get("enum", [node["const"]] if "const" in node else None)
    return None if values is None else list(dict.fromkeys(_TYPES[type(v)] for v in values))


def _several(branches: Sequence[Node]) -> set[Any]:
    """Types that more than one branch has."""
    return {kind for kind, n in Counter(one["type"] for one in branches).items() if n > 1}


def _by_key(branches: Sequence[Node], root: Node, several: set[Any]) -> dict[tuple[Any, ...], Node]:
    """Branches by their type; where it has several, also by the value that marks them, and by how
    many of it came before."""
    found: dict[tuple[Any, ...], Node] = {}
    for branch in branches:
        marks = []
        named = branch.get("properties", {}) if branch["type"] in several else {}
        for name, one in named.items():
            inner = _branches(one, root)
            if len(inner) == 1 and "const" in inner[0]:
                marks.append(f"{name}={inner[0]['const']}")
        key = (branch["type"], *marks)
        index = sum(other[: len(key)] == key for other in found)
        found[key if not index else (*key, f"number {index + 1}")] = branch
    return found


def _tagged(at: str, key: Sequence[str | None]) -> str:
    return f"{at} ({', '.join(one or 'anything' for one in key)})"


def _values(old: Node, new: Node, at: str) -> Iterator[Difference]:
    if old["type"] != new["type"]:
        wider = (old["type"], new["type"]) == ("integer", "number") or new["type"] is None
        closer = (old["type"], new["type"]) == ("number", "integer") or old["type"] is None
        was, now = (str(side["type"] or "anything") for side in (old, new))
        yield Difference(f"{at}: type", was, now, less=not wider, more=not closer)
    before, after = _choices(old), _choices(new)
    if before != after:
        less = after is not None and (before is None or not set(before) <= set(after))
        more = before is not None and (after is None or not set(after) <= set(before))
        yield Difference(f"{at}: values", _listed(before), _listed(after), less=less, more=more)
    yield from _pattern(old.get("pattern"), new.get("pattern"), at=at)


def _choices(node: Node) -> list[str] | None:
    """Values as JSON, those of the node's type."""
    values = node.get("enum", [node["const"]] if "const" in node else None)
    if values is None:
        return None
    return [json.dumps(v, ensure_ascii=False) for v in values if _TYPES[type(v)] == node["type"]]


def _listed(values: list[str] | None) -> str:
    return "any" if values is None else ", ".join(values)


def _pattern(old: str | None, new: str | None, *, at: str) -> Iterator[Difference]:
    """Which of two patterns allows more cannot be told: both ways, unless one is none."""
    if old != new:
        yield Difference(
            f"{at}: pattern", old or "any", new or "any", less=new is not None, more=old is not None
        )


def _bound(word: str, old: Any, new: Any, at: str, sign: int) -> Iterator[Difference]:
    if old == new:
        return
    less = new is not None and (old is None or sign * new > sign * old)
    was, now = ("none" if one is None else str(one) for one in (old, new))
    yield Difference(f"{at}: {word}", was, now, less=less, more=not less)
