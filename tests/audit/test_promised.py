"""A version that lacks rows which its jobs say they committed; checks and verdicts over nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import AuditReport, audit, open_dataset, render
from augment.errors import StorageError
from augment.sample import SAMPLE_SCHEMA
from augment.spec.models import Limits
from tests.audit.conftest import JOB, TableBuilder

CELL = {"label_name": ["a", "a", "b"], "origin": ["real", "synthetic", "real"]}
LAST = "_delta_log/00000000000000000001.json"


@pytest.fixture
def committed(builder: TableBuilder, small_rows: Any) -> Path:
    """A data set as a run leaves it: created without rows, then one transaction with all."""
    builder.commit([], SAMPLE_SCHEMA)
    builder.build(small_rows)
    assert audit(builder.uri).ok
    return builder.path


def check(report: AuditReport, name: str) -> tuple[bool | None, str]:
    (found,) = [c for c in report.checks if c.name == name]
    return found.passed, found.text


def without_adds(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if '"add"' not in line)


def without_one(text: str) -> str:
    lines = text.splitlines()
    adds = [line for line in lines if '"add"' in line and "train-00001" in line]
    return "".join(f"{line}\n" for line in lines if line not in adds)


DAMAGE: dict[str, tuple[Callable[[str], str], int]] = {
    "emptied": (lambda _: "", 25),
    "blank": (lambda _: "\n\n", 25),
    "an entry of nothing": (lambda _: "{}\n", 25),
    "without its files": (without_adds, 25),
    "without one file": (without_one, 7),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_version_that_lost_rows_fails(committed: Path, how: str) -> None:
    damage, missing = DAMAGE[how]
    path = committed / LAST
    path.write_text(damage(path.read_text()))
    report = audit(str(committed), limits=Limits(min_rows_per_class={"train": 8}))
    assert (report.ok, report.verdict, report.to_json()["ok"]) == (False, "failed", False)
    (lost,) = [f for f in report.findings if f.check == "committed"]
    assert lost.n == missing
    assert lost.text == (
        f"job {JOB} says in _provenance/ that it wrote 25 rows, version 1 holds {25 - missing} of "
        "them: the log lost a version, or the job was stopped before its commit. Restore "
        "_delta_log/ from a copy, or run the job again, which commits what its records hold"
    )
    passed, said = check(report, "committed")
    assert (passed, said.endswith(f": {missing} rows are missing")) == (False, True)
    assert all(limit.ok is False for limit in report.limits if limit.class_name == "1")
    assert "verdict: FAILED" in render(report)


def test_a_version_that_is_gone_fails(committed: Path) -> None:
    (committed / LAST).unlink()
    report = audit(str(committed))
    assert (report.version, report.verdict) == (0, "failed")
    assert [f.n for f in report.findings] == [25]


def test_cubes_say_it_where_job_json_is_gone(committed: Path) -> None:
    (committed / "_provenance" / JOB / "job.json").unlink()
    assert check(audit(str(committed)), "committed") == (
        True,
        "the version holds every row that its jobs say they committed: 25 rows",
    )
    (committed / LAST).write_text("")
    assert [(f.check, f.n) for f in audit(str(committed)).findings] == [("committed", 25)]


def test_who_reads_rows_is_told_that_they_are_lost(committed: Path) -> None:
    assert open_dataset(str(committed), version=0).count_rows() == 0  # it never had any
    (committed / LAST).write_text("")
    with pytest.raises(StorageError, match=r"wrote 25 rows, version 1 holds 0 of them: the log"):
        open_dataset(str(committed))


def test_a_wrong_hint_of_the_log_is_named(committed: Path) -> None:
    hint = committed / "_delta_log/_last_checkpoint"
    hint.write_text(json.dumps({"version": 7, "size": 3}))
    with pytest.raises(StorageError, match=r"; remove _delta_log/_last_checkpoint, which only say"):
        audit(str(committed))
    hint.unlink()
    assert audit(str(committed)).ok


def test_a_lost_log_is_not_a_folder_of_files(committed: Path) -> None:
    shutil.rmtree(committed / "_delta_log")
    with pytest.raises(StorageError, match=r"the Delta log \(_delta_log/\), which says .* is gone"):
        audit(str(committed))
    with pytest.raises(StorageError, match=r"restore it from a copy, or run the job again"):
        open_dataset(str(committed))


def test_an_earlier_version_had_fewer_rows_by_right(committed: Path) -> None:
    report = audit(str(committed), version=0)
    assert (report.findings, report.verdict) == ((), "not judged")
    passed, said = check(report, "committed")
    assert passed is None
    assert said.endswith(
        ": not judged, version 0 is not the newest, which alone must hold them all"
    )


def test_a_job_that_stopped_before_its_commit_accuses_nobody_elses_version(
    committed: Path,
) -> None:
    """Another request may have taken the place of one that never committed."""
    other = committed / "_provenance" / "other-aaaaaaaaaaaa"
    other.mkdir()
    (other / "job.json").write_text(json.dumps({"cells": [{"written": 9}]}))
    assert audit(str(committed)).ok
    (other / "verdict.json").write_text("{}")  # left after a commit
    assert [f.n for f in audit(str(committed)).findings] == [9]


@pytest.mark.parametrize(
    "cells", [3, [7], [{"written": "many"}], [{"written": float("inf")}], [{}], [[]], {"a": 1}]
)
def test_a_damaged_job_json_is_told(committed: Path, cells: Any) -> None:
    path = committed / "_provenance" / JOB / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cells": cells}))
    with pytest.raises(StorageError, match=r"job.json: its cells are not what augment writes"):
        audit(str(committed))


@pytest.mark.parametrize("text", ["[]", "3", "[" * 100_000])
def test_a_job_json_that_is_no_object_is_told(committed: Path, text: str) -> None:
    (committed / "_provenance" / JOB / "job.json").write_text(text)
    with pytest.raises(StorageError, match=r"job.json (is not JSON|holds a )"):
        audit(str(committed))


# ---- what was planned ----------------------------------------------------------------


def told_cells(path: Path, cells: list[dict[str, Any]], **more: Any) -> AuditReport:
    """The audit where job.json has these cells beside its own."""
    job = path / "_provenance" / JOB / "job.json"
    known = json.loads(job.read_text())
    job.write_text(json.dumps(known | {"cells": known["cells"] + cells} | more))
    return audit(str(path))


def cell(label: str, origin: str, planned: int, split: str = "train") -> dict[str, Any]:
    return {
        "split": split, "label_name": label, "origin": origin, "planned": planned, "written": 0,
    }  # fmt: skip


def test_a_class_or_a_kind_of_rows_that_was_planned_and_is_not_there_fails(
    committed: Path,
) -> None:
    lost = [cell("9", "real", 4), cell("9", "augmented", 8), cell("1", "augmented", 2)]
    report = told_cells(committed, [*lost, cell("1", "translated", 0)])
    assert report.verdict == "failed"
    assert [(f.check, f.n, f.text) for f in report.findings] == [
        ("planned", 2, "split train, class '1': 2 augmented rows were planned, and there is none"),
        ("planned", 12, "split train, class '9': 12 rows were planned, and there is none"),
    ]
    passed, said = check(report, "planned")
    assert (passed, said.endswith(": not so for 2 of them")) == (False, True)


def test_a_source_without_a_row_fails(committed: Path) -> None:
    lost = [cell("1", "real", 4) | {"source": "more"}, cell("0", "real", 1) | {"source": "more"}]
    report = told_cells(committed, lost)
    assert [(f.n, f.text) for f in report.findings] == [
        (5, "source more: 5 untouched rows were planned, and there is none")
    ]
    assert not told_cells(committed, [], allow_empty_classes=["1"]).ok
    assert told_cells(committed, [], allow_empty_classes=["1", "0"]).ok


def test_a_source_that_goes_with_its_class_is_told_once(committed: Path) -> None:
    report = told_cells(committed, [cell("9", "real", 4) | {"source": "more"}])
    assert [f.text for f in report.findings] == [
        "split train, class '9': 4 rows were planned, and there is none"
    ]


def test_a_class_that_may_be_empty_is_counted(committed: Path) -> None:
    report = told_cells(committed, [cell("9", "real", 4)], allow_empty_classes=["9"])
    assert report.verdict == "ok"
    assert check(report, "planned")[1].endswith(": 10 cells, but for 1 that may have none")


def test_thousands_of_lost_classes_are_a_screen(committed: Path) -> None:
    report = told_cells(committed, [cell(f"class-{n}", "real", 1) for n in range(5000)])
    assert [f.n for f in report.findings] == [1] * 20 + [4980]
    assert len(render(report)) < 8000


# ---- over nothing --------------------------------------------------------------------


def assert_nothing_is_called_good(report: AuditReport) -> None:
    assert (report.verdict, report.ok, report.to_json()["verdict"]) == (
        "not judged", False, "not judged",
    )  # fmt: skip
    assert [c.text for c in report.checks if c.passed is not None] == []
    assert all("not judged" in c.text or "not checked" in c.text for c in report.checks[1:])
    text = render(report)
    assert text.endswith("verdict: not judged, there are no rows")
    assert "  ok  " not in text


def test_a_table_of_others_without_rows_is_not_judged(builder: TableBuilder) -> None:
    builder.commit([], SAMPLE_SCHEMA)
    assert_nothing_is_called_good(audit(builder.uri, deep=True))


def test_files_without_rows_are_not_judged(tmp_path: Path) -> None:
    pq.write_table(pa.table(CELL).slice(0, 0), tmp_path / "part-0.parquet")
    limits = Limits(synthetic_share={"max": 1.0, "per_class": 1.0})
    report = audit(str(tmp_path), deep=True, limits=limits)
    assert_nothing_is_called_good(report)
    assert [limit.ok for limit in report.limits] == [None, None]


def test_a_check_of_rows_that_are_not_there_is_not_judged(
    builder: TableBuilder, small_rows: Any
) -> None:
    """Real rows alone say nothing of generated ones."""
    only = {path: [r for r in rows if r.origin == "real"] for path, rows in small_rows.items()}
    report = audit(builder.build(only).uri, deep=True)
    assert report.ok
    nothing = {c.name: c.text.partition(": ")[2] for c in report.checks if c.passed is None}
    assert nothing == {
        "generator": "not judged, there are no generated rows",
        "checkpoint": "not judged, there are no rows that a model generated",
        "parents": "not judged, there are no rows made from images",
        "descent": "not judged, no row names a real parent",
        "marks": "not judged, there are no generated rows",
        "mark": "not judged, there are no generated rows",
        "procedural": "not judged, there are no generated rows",
        "real_pictures": "not judged, there are no generated rows",
        "different": "not judged, there are no generated rows",
        "copies": "not judged, there are no copies",
        "shortcut": "not judged, fewer than 40 real and 40 generated rows stand in classes that "
        "have both",
    }
    assert check(report, "source") == (
        True,
        "every untouched real row names its source: 16 untouched real rows",
    )


def test_counts_of_a_check_are_those_of_its_rows(digits_set: TableBuilder) -> None:
    texts = {c.name: c.text.rpartition(": ")[2] for c in audit(digits_set.uri, deep=True).checks}
    assert texts["marks"] == "7 generated rows"
    assert texts["mark"] == "7 rows"
    assert texts["parents"] == "3 rows made from images"
    assert texts["protected"] == "9 rows of protected splits"
    assert texts["label"] == "25 rows"
