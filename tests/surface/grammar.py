"""The grammar of the command line, read off its parsers: verbs, arguments, options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tests.surface.items import PARTS, Facts, Items


def grammar(parser: argparse.ArgumentParser, verb: str = "augment") -> Items:
    """Each verb and action with its options by their names, and its arguments by their place: a
    name of an argument is seen by people only."""
    found: dict[str, Facts] = {}
    parts: dict[str, Facts] = {}
    place = 0
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                found |= grammar(sub, f"{verb} {name}")
        elif action.option_strings:
            parts |= dict.fromkeys(action.option_strings, _option(parser, action))
        else:
            place += 1
            parts[f"argument {place}"] = _facts(action)
    return {verb: {PARTS: parts}} | found


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Facts:
    alone, one_of = list(_beside(parser, action)), _must_be_one(parser, action)
    return (
        _facts(action)
        | ({"repeats": True} if isinstance(action, argparse._AppendAction) else {})
        | ({"not_with": alone} if alone else {})
        | (
            {"required": True, "one_of": sorted([*alone, action.option_strings[0]])}
            if one_of
            else {}
        )
    )


def _facts(action: argparse.Action) -> dict[str, Any]:
    # of an argument `required` says something else in some versions of argparse
    required = action.required if action.option_strings else action.nargs not in ("?", "*")
    facts: dict[str, Any] = {"required": required, "takes": _takes(action)}
    if action.nargs != 0:
        facts["value"] = getattr(action.type, "__name__", "str") if action.type else "str"
        facts["choices"] = None if action.choices is None else [str(c) for c in action.choices]
        facts["default"] = None if action.default is None else repr(action.default)
    return facts


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "no value"
    return "one value" if action.nargs is None else f"values: {action.nargs}"


def _beside(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    """Options that exclude this one."""
    for group in parser._mutually_exclusive_groups:
        if action in group._group_actions:
            for other in group._group_actions:
                if other is not action:
                    yield from other.option_strings


def _must_be_one(parser: argparse.ArgumentParser, action: argparse.Action) -> bool:
    return any(
        group.required and action in group._group_actions
        for group in parser._mutually_exclusive_groups
    )
