"""Two surfaces in, their differences out: what breaks whoever uses the older one, what does not.

Which way a difference breaks depends on who gives and who takes: a parameter may take more types
than before, an attribute may be of fewer. Each fact of an item has a rule; a fact without one is an
error, so that nothing is compared by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.surface.items import PARTS, SCHEMAS, Change, Facts, Items, Surface, Unjudged
from tests.surface.schemas import schema_changes

Rule = Callable[[Any, Any], bool]
"""(was, is), which differ -> whether that breaks."""


def _stays(was: Any, now: Any) -> bool:
    return True


def _may_hold(was: Any, now: Any) -> bool:
    """Something may begin to be so, not cease."""
    return not now


def _may_cease(was: Any, now: Any) -> bool:
    return bool(now)


def _default(was: str | None, now: str | None) -> bool:
    """What is done where nothing is said stays, unless nothing could be left unsaid."""
    return was is not None


def _kind(was: str, now: str) -> bool:
    return (was, now) not in (
        ("keyword-only", "positional or keyword"), ("positional-only", "positional or keyword"),
    )  # fmt: skip


def _takes_more(was: Any, now: Any) -> bool:
    """Of what others give: everything that was taken still is. None takes everything."""
    return now is not None and (was is None or not _alternatives(was) <= _alternatives(now))


def _gives_less(was: Any, now: Any) -> bool:
    """Of what others get: nothing comes that did not come."""
    return not _alternatives(now) <= _alternatives(was)


def _alternatives(kind: Any) -> set[str]:
    """`str | list[int | None]` -> {str, list[int | None]}."""
    if not isinstance(kind, str):
        return set(kind)
    found, depth = [""], 0
    for piece in kind.split(" "):
        if piece == "|" and not depth:
            found.append("")
        else:
            depth += sum(piece.count(c) for c in "[(") - sum(piece.count(c) for c in ")]")
            found[-1] += f" {piece}"
    return {one.strip() for one in found}


RULES: dict[str, dict[str, Rule]] = {
    "names": {"is": _stays, "value": _stays},
    "functions": {"returns": _gives_less, "kind": _kind, "required": _may_cease,
                  "default": _default, "type": _takes_more, "position": _stays},
    "classes": {"type": _gives_less, "value": _stays},
    "protocols": {"is": _stays},
    "commands": {"required": _may_cease, "takes": _stays, "value": _stays, "repeats": _may_hold,
                 "choices": _takes_more, "default": _default, "not_with": _may_cease,
                 "one_of": _may_cease},
    "errors": {"exit_code": _stays, "caught_as": lambda was, now: not set(was) <= set(now)},
    "tables": {"version": _stays, "type": _stays, "nullable": _may_cease, "required": _may_cease},
    "metrics": {"kind": _stays, "labels": _stays, "scope": _stays},
    "machine": {},
    "distribution": {},
}  # fmt: skip
SECTIONS = (*RULES, SCHEMAS)


def changes(old: Surface, new: Surface) -> list[Change]:
    """Every difference, in the order of the sections.

    Raises:
        Unjudged: a section is missing or empty on either side, or holds what no rule knows.
    """
    for side, surface in (("recorded", old), ("present", new)):
        if empty := [name for name in SECTIONS if not surface.get(name)]:
            raise Unjudged(f"the {side} surface has nothing under {', '.join(empty)}")
        if unknown := sorted(set(surface) - set(SECTIONS)):
            raise Unjudged(f"the {side} surface has sections of no rule: {', '.join(unknown)}")
    found = [one for section in RULES for one in _items(section, old[section], new[section])]
    return found + list(schema_changes(old[SCHEMAS], new[SCHEMAS]))


def count(surface: Surface) -> int:
    """Items and parts that a comparison looks at, each schema as one."""
    items = [item for section in surface.values() for item in section.values()]
    return len(items) + sum(len(item.get(PARTS, {})) for item in items)


def _items(section: str, old: Items, new: Items) -> Iterator[Change]:
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield Change(True, section, name, "there", "gone")
        elif name not in old:
            yield Change(False, section, name, "not there", "new")
        else:
            yield from _facts(section, name, old[name], new[name])
            yield from _parts(section, name, old[name].get(PARTS, {}), new[name].get(PARTS, {}))


def _parts(section: str, item: str, old: Items, new: Items) -> Iterator[Change]:
    for name in [*old, *(n for n in new if n not in old)]:
        place = f"{item} {name}"
        if name not in new:
            yield Change(True, section, place, "there", "gone")
        elif name not in old:
            asked = bool(new[name].get("required"))
            breaks = asked or section == "protocols"  # who wrote one has not got it
            yield Change(
                breaks, section, place, "not there", "new, and required" if asked else "new"
            )
        else:
            yield from _facts(section, place, old[name], new[name])


def _facts(section: str, place: str, old: Facts, new: Facts) -> Iterator[Change]:
    for fact in sorted({*old, *new} - {PARTS}):
        rule = RULES[section].get(fact)
        if rule is None:
            raise Unjudged(
                f"{section}: {place}: no rule says what a change of `{fact}` means; "
                "add one to RULES in tests/surface/compare.py"
            )
        was, now = old.get(fact), new.get(fact)
        if fact == "default" and now is None and new.get("required") and not old.get("required"):
            continue  # `required` tells of it
        if was != now:
            breaks = rule(was, now)
            yield Change(breaks, section, f"{place}: {fact}", _text(was), _text(now))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "so" if value else "not so"
    return "nothing" if value is None else str(value)
