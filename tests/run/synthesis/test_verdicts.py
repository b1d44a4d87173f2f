"""What a pool holds of a universe does not depend on the order in which records are read."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from augment.intervals import Intervals
from augment.run.synthesis.verdicts import Universe
from augment.storage import Folder

FILTERS = "f" * 64


def record(unit: str, made: list[list[int]], failed: list[int], **more: Any) -> dict[str, Any]:
    entry = {"path": f"data/u/{unit}.parquet", "size": 1} if made else None
    groups = [{"cat": made}] if made else []
    rejected = [{} for _ in groups]
    return {
        "unit": unit,
        "entry": entry,
        "groups": groups,
        "failed": [["cat", index, "nan"] for index in failed],
        "verdicts": {FILTERS: more.pop("rejected", rejected)},
        **more,
    }


FIRST = record("unit-1", [[0, 3], [5, 9]], [3, 4, 9])
AGAIN = record("again-1", [[3, 4]], [4, 9], again=1)
LAST = record("again-2", [[4, 5], [9, 10]], [], again=2, rejected=[{"dark": {"cat": [[9, 10]]}}])
TWICE = record("again-x", [[3, 5]], [], again=1)


def universe(*records: dict[str, Any]) -> Universe:
    found = Universe("g")
    for one in records:
        found.add(one, Folder("memory://none"), [], FILTERS)
    return found


@pytest.mark.parametrize("order", list(itertools.permutations([FIRST, AGAIN, LAST])))
def test_a_later_success_wins_in_any_order(order: tuple[dict[str, Any], ...]) -> None:
    found = universe(*order)
    assert not found.failed("cat")
    assert found.made("cat") == Intervals([(0, 10)])
    assert found.accepted("cat") == Intervals([(0, 9)])
    assert found.tried_again == 2


def test_until_then_it_has_failed() -> None:
    found = universe(FIRST, AGAIN)
    assert found.failed("cat") == Intervals([(4, 5), (9, 10)])
    assert found.decided("cat") == Intervals([(0, 10)])
    assert found.tried_again == 1


@pytest.mark.parametrize("order", list(itertools.permutations([FIRST, AGAIN, TWICE])))
def test_what_two_tries_made_counts_once(order: tuple[dict[str, Any], ...]) -> None:
    found = universe(*order)
    held = [g.accepted["cat"] for g in found.groups(order, FILTERS)]
    assert sum(map(len, held)) == len(found.made("cat")) == 9
