"""docs/security.md and docs/storage.md say what the code says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment.places.options import TAKEN
from augment.policy import PolicyRules

ROOT = Path(__file__).parents[1]
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")
STORAGE = (ROOT / "docs/storage.md").read_text(encoding="utf-8")


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first line begins so."""
    lines = text[text.index(f"\n{head}") + 1 :].splitlines()
    table = lines[2 : lines.index("")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_every_value_has_a_rule_and_code_that_keeps_it() -> None:
    table = rows(SECURITY, "| value |")
    assert len(table) > 20
    for row in table:
        assert len(row) == 5, row
        assert all(row)
        for place in re.findall(r"`([^`]+)`", row[4]):
            where = ROOT if place == "pyproject.toml" else ROOT / "augment"
            assert (where / place).exists(), place


def test_every_key_of_the_policy_is_told() -> None:
    told = {name for row in rows(SECURITY, "| key |") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(PolicyRules.model_fields) <= told | {"auto"}


def named(shape: Mapping[str, Any]) -> set[str]:
    found = set(shape)
    for inner in shape.values():
        found |= named(inner) if isinstance(inner, Mapping) else set()
    return found


def test_every_storage_option_is_told() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(STORAGE, "| store |")}
    assert set(told) == set(TAKEN) - {"memory"}
    for store, text in told.items():
        words = set(re.findall(r"\w+", text))
        assert named(TAKEN[store]) <= words
