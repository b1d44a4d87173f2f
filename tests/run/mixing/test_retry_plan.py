"""Which rows a retry makes: what is outstanding, and what short cells can take now."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals
from augment.mix import MixUnit, select
from augment.plan import Draw
from augment.run.mixing.mix import Arrangement
from augment.run.mixing.retry_plan import again_units, lacking, outstanding
from augment.run.mixing.retry_unit import RetryUnit

INDEXES = st.sets(st.integers(0, 30), max_size=20)


@given(INDEXES, INDEXES, st.integers(0, 12), st.integers(0, 12), st.sets(st.integers(0, 8)))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_short_cells_take_as_many_as_an_undisturbed_run_would_have(
    accepted: set[int], healed: set[int], first: int, second: int, exact: set[int]
) -> None:
    """Two splits draw freely and one asks for indexes; nothing is taken twice and no cell gets
    more than it wants."""
    draws = [
        Draw("g", "cat", "a", first),
        Draw("g", "cat", "b", second),
        Draw("g", "cat", "c", len(exact), Intervals.of(exact)),
    ]
    before, _ = select(draws, {("g", "cat"): Intervals.of(accepted)})
    now = {("g", "cat"): Intervals.of(accepted | healed)}
    more = lacking(draws, now, before)
    got = [set(more[cell]) for cell in more]
    assert sum(map(len, got)) == len(set().union(*got))
    assert not set().union(*got) & {i for taken in before.values() for i in taken}
    for draw in draws:
        cell = ("g", "cat", draw.split)
        assert len(before[cell]) + len(more[cell]) <= draw.n
    whole, _ = select(draws, now)
    assert {c: len(before[c]) + len(more[c]) for c in more} == {c: len(whole[c]) for c in whole}
    assert set(before["g", "cat", "c"]) | set(more["g", "cat", "c"]) == set(whole["g", "cat", "c"])


def row(name: str, locator: str | None = "x.png") -> dict[str, Any]:
    source = None if locator is None else "digits"
    return {"sample_id": name, "source": source, "locator": locator, "reason": "empty"}


def record(unit: str, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"unit": unit, "quarantine": list(rows), **more}


TRAIN = [MixUnit("train", i, (10 * i, 10 * i + 10)) for i in range(3)]
ARRANGED = Arrangement(tuple(TRAIN), ())


def test_what_later_retries_made_is_no_longer_outstanding() -> None:
    first = [
        record("train-00000", row("a"), row("b", "y.png")),
        record("train-00001"),
        record("train-00002", row("c", None)),
    ]
    assert set(outstanding(ARRANGED, first, []).rows) == {"a", "b", "c"}
    retried = RetryUnit("train", 1, 0)
    fresh = RetryUnit("train", 1, 1, fresh=MixUnit("train", 0, (0, 0)))
    later = [
        (record("train-r1-00000", row("b", "y.png"), tried=["a", "b"]), retried),
        (record("train-r1-00001", row("d", None), tried=[]), fresh),
    ]
    found = outstanding(ARRANGED, first, later)
    assert set(found.rows) == {"b", "c", "d"}
    assert {i: found.rows[i]["unit"] for i in found.rows} == {
        "b": "train-r1-00000", "c": "train-00002", "d": "train-r1-00001",
    }  # fmt: skip
    assert found.homes["b"] is TRAIN[0]  # as it was read first
    assert found.homes["d"] is fresh.fresh


def test_units_hold_parts_of_several_earlier_ones_up_to_a_size() -> None:
    first = [record(u.name, *(row(f"{u.name}-{i}") for i in range(4))) for u in TRAIN]
    found = outstanding(ARRANGED, first, [])
    (one,) = again_units(found, 2, 100)
    assert one.name == "train-r2-00000"
    assert [part.unit for part in one.parts] == TRAIN
    assert [len(part.ids) for part in one.parts] == [4, 4, 4]
    assert RetryUnit.from_json(one.to_json()) == one
    assert [len(u.parts) for u in again_units(found, 2, 8)] == [2, 1]
    assert again_units(outstanding(ARRANGED, [], []), 2, 8) == []


def test_only_what_comes_from_the_pool_reads_the_pool() -> None:
    first = [record("train-00000", row("a")), record("train-00001", row("b", None))]
    (unit,) = again_units(outstanding(ARRANGED, first, []), 1, 100)
    assert [part.made for part in unit.parts] == [False, True]
    assert [sorted(part.real) for part in unit.parts] == [[("digits", "x.png")], []]
