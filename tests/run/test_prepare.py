"""What names a request, and what is frozen once and read ever after."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.errors import InterruptedRun, PlanError
from augment.run import Frozen, Prepared, freeze, plan_job
from augment.run.census import read_census
from augment.sample import CENSUS_SCHEMA, RealRow
from augment.storage import Folder
from augment.write import Work

Make = Callable[..., Prepared]


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def later() -> dt.datetime:
    return clock() + dt.timedelta(days=1)


def below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_preparing_and_planning_touch_nothing(prepared: Make, tmp_path: Path) -> None:
    before = below(tmp_path)
    planned = plan_job(prepared())
    assert planned.plan.rows("train") == 3 * 30
    assert planned.census.table.num_rows == 13 + 6
    assert below(tmp_path) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"execution": {"workers": 3}},
        {"limits": {"synthetic_share": {"max": 0.1}}},
        {"errors": {"min_count": 99}},
        {"about": {"owner": "me"}},
        {"on_shortfall": "warn"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_how_a_job_runs_and_is_judged_does_not_rename_it(
    prepared: Make, changes: dict[str, Any]
) -> None:
    assert prepared(**changes).job_id == prepared().job_id


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"synthesize": [{"generators": ["fake"], "fill": {"to": 31}}]},
        {"filters": [{"degenerate": {"min_std": 3.0}}]},
        {"protected_splits": []},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_decides_rows_renames_a_job(prepared: Make, changes: dict[str, Any]) -> None:
    assert prepared(**changes).job_id != prepared().job_id


def test_generators_that_make_the_same_samples_are_refused(prepared: Make) -> None:
    one = {"family": "palette", "classes": ["0", "1", "2"], "size": 8}
    with pytest.raises(PlanError, match=r"generators\.b: got the same weights and sampling as gen"):
        prepared(
            generators={"a": one, "b": dict(one)},
            synthesize=[{"generators": ["a", "b"], "fill": {"to": 30}}],
        )


def test_a_seed_gives_a_universe_of_its_own(prepared: Make) -> None:
    a, b = prepared(), prepared(seed=8)
    assert a.universe("fake") != b.universe("fake")
    assert a.generator_id("fake") == b.generator_id("fake")


# ---- freezing -----------------------------------------------------------------------


def test_freezing_again_reads_what_was_frozen(prepared: Make, tmp_path: Path) -> None:
    """Also when the data is gone: a resume takes no second census."""
    first = freeze(prepared(), clock)
    assert first.stamp.generated_at == clock()
    files = below(tmp_path / "out")
    shutil.rmtree(tmp_path / "data")
    assert freeze(prepared(), later) == first
    assert below(tmp_path / "out") == files


def test_the_frozen_census_is_what_the_plan_counted(frozen: Callable[..., Frozen]) -> None:
    made = frozen()
    rows: dict[str, list[RealRow]] = {
        split: read_census(made.prepared.work, made.census, *ends)
        for split, ends in made.ranges.items()
    }
    assert {split: len(some) for split, some in rows.items()} == {"train": 13, "test": 6}
    assert all(row.split == split for split, some in rows.items() for row in some)
    assert sorted(r.rank for r in rows["train"] if r.label_name == "0") == list(range(6))


def test_styles_are_those_of_the_real_images(frozen: Callable[..., Frozen]) -> None:
    styles = frozen().styles
    assert {label: len(some) for label, some in styles.items()} == {"0": 8, "1": 6, "2": 5}
    assert {(s.format, s.mode, s.width) for some in styles.values() for s in some} == {
        ("png", "L", 8)
    }


def test_styles_are_read_only_where_they_are_needed(frozen: Callable[..., Frozen]) -> None:
    output = frozen().prepared.job.spec.output.model_dump(mode="json")
    assert frozen(output=output | {"image": {"format": "png"}}).styles == {}


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"plan": 3}', "[]", "[" * 100_000])
def test_a_damaged_plan_is_told(frozen: Callable[..., Frozen], text: str) -> None:
    place = Path(frozen().prepared.work.folder.url("plan/plan.json"))
    place.write_text(text)
    with pytest.raises(
        InterruptedRun, match=r"/plan/plan\.json: not a frozen plan \(.*remove that work"
    ):
        frozen()


def test_a_plan_of_a_newer_version_is_told(frozen: Callable[..., Frozen]) -> None:
    place = Path(frozen().prepared.work.folder.url("plan/plan.json"))
    document = json.loads(place.read_text())
    del document["styles"]
    place.write_text(json.dumps(document))
    with pytest.raises(InterruptedRun, match="'styles'"):
        frozen()


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (5, 5), (0, 1), (4095, 4097), (4096, 8192), (3, 9000), (8999, 9000)]
)
def test_a_slice_of_the_census_over_row_groups(tmp_path: Path, start: int, stop: int) -> None:
    rows = [
        {"source": "s", "locator": f"{n}", "split": "train", "label_name": "a", "rank": n,
         "size": n, "token": ""}
        for n in range(9000)
    ]  # fmt: skip
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=CENSUS_SCHEMA)
    pq.write_table(table, sink, row_group_size=4096)
    work = Work(Folder(str(tmp_path)))
    work.freeze("census.parquet", sink.getvalue())
    found = read_census(work, "census.parquet", start, stop)
    assert [r.rank for r in found] == list(range(start, stop))
    assert all(r == RealRow(**rows[r.rank]) for r in found)
