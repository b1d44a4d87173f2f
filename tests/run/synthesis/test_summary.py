"""What summaries say together is what the records say one by one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals
from augment.run.synthesis.summary import said_together, summarise

FILTERS = "f" * 64


def record(at: int, made: int, rejected: bool, **more: Any) -> dict[str, Any]:
    """Unit `at` of ten indexes of each of two classes, of which the first `made` were."""
    start = 10 * at
    groups = [{c: [[start, start + made]] for c in ("cat", "dog")}] if made else []
    verdicts = [{"dark": {"cat": [[start, start + 1]]}} if rejected else {} for _ in groups]
    return {
        "unit": f"unit-{at}",
        "entry": {"path": f"data/u/{at}.parquet", "size": 5} if made else None,
        "groups": groups,
        "failed": [[c, i, "nan"] for c in ("cat", "dog") for i in range(start + made, start + 10)],
        "verdicts": {FILTERS: verdicts},
        "stamp": [f"job-{at % 2}", "2026-01-01"],
        "seconds": {"make": 2.0},
        "gpus": 0.5,
        **more,
    }


UNITS = st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(UNITS, st.integers(1, 4))
def test_summaries_say_what_the_records_say(units: list[tuple[int, bool]], each: int) -> None:
    records = [record(at, made, bad) for at, (made, bad) in enumerate(units)]
    parts = [records[i : i + each] for i in range(0, len(records), each)]
    said = said_together([summarise(part)[0] for part in parts], FILTERS)
    made = [10 * at + i for at, (n, _) in enumerate(units) for i in range(n)]
    failed = [10 * at + i for at, (n, _) in enumerate(units) for i in range(n, 10)]
    dark = [10 * at for at, (n, bad) in enumerate(units) if n and bad]
    expected = {("made", ""): made, ("failed", ""): failed}
    for (kind, reason), indexes in expected.items():
        sets = said.get((kind, reason), {})
        for label in ("cat", "dog"):
            assert sets.get(label, Intervals()) == Intervals.of(indexes)
    # a part of units without a shard holds no verdicts, and needs none
    assert said.get(("rejected", "dark"), {}).get("cat", Intervals()) == Intervals.of(dark)


def test_what_was_spent_is_told_by_job() -> None:
    _, about = summarise([record(at, 10, False) for at in range(3)])
    assert about == {
        "units": 3,
        "shards": 3,
        "bytes": 15,
        "filters": [FILTERS],
        "spent": {"job-0": [2, 4.0, 2.0, 0.0, 0.0, 0], "job-1": [1, 2.0, 1.0, 0.0, 0.0, 0]},
    }


def test_verdicts_of_filters_that_judged_some_units_only_are_left_out() -> None:
    other = record(1, 10, True, verdicts={"e" * 64: [{"dark": {"cat": [[10, 11]]}}]})
    table, about = summarise([record(0, 10, True), other])
    assert about["filters"] == []
    assert ("rejected", "dark") not in said_together([table], FILTERS)


def test_many_units_of_a_class_are_one_interval() -> None:
    table, _ = summarise([record(at, 10, False) for at in range(500)])
    assert table.num_rows == 2
    assert table.column("stop").to_pylist() == [5000, 5000]


def test_nothing_says_nothing() -> None:
    table, about = summarise([])
    assert (about["units"], about["filters"]) == (0, [])
    assert said_together([table, table], FILTERS) == {}
    assert isinstance(table, pa.Table)
