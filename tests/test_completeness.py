"""docs/families.md is what the tree has, and no family lacks what all must have."""

from __future__ import annotations

import pytest

from augment.generators.catalog import FAMILIES
from tests.completeness import PAGE, contracts, table, type_of

NAMES = sorted(family.name for family in FAMILIES)
CELLS = {
    cells[0].strip("` "): dict(zip(("import", "contract", "beside", "precision", "jobs"), cells[1:],
                                   strict=True))
    for cells in (line.strip("| ").split(" | ") for line in table().splitlines()
                  if line.startswith("| `"))
}  # fmt: skip
NOBODY_ELSES = {"custom", "palette", "tint"}
"""Families that no other program has: nothing could stand beside them."""


def test_the_page_is_what_the_tree_has() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), (
        "docs/families.md is not what the tree has: run `make schemas`"
    )


def test_every_family_has_a_row() -> None:
    assert sorted(CELLS) == NAMES
    assert {type_of(name).__name__ for name in NAMES} >= {"VaeGenerator", "TintGenerator"}


@pytest.mark.parametrize("family", NAMES)
def test_a_family_lacks_nothing(family: str) -> None:
    """Add a contract in tests/generators/families, a job in examples/families, and outputs of the
    program that its checkpoints come from."""
    cells = CELLS[family]
    assert cells["import"] != "no"
    assert int(cells["contract"]) == len(contracts(family)) > 0
    assert cells["jobs"] != "no"
    assert (cells["beside"] == "no") == (family in NOBODY_ELSES)


def test_a_family_that_is_none() -> None:
    with pytest.raises(KeyError, match="gan9000"):
        type_of("gan9000")
