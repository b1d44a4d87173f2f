"""Copies that show what their parents or one another show: warned of, and failed where a class has
hardly any other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from augment.audit import AuditReport, audit, render
from augment.sample import SampleRow
from tests.audit.conftest import JOB, TableBuilder, copy_of, real, synthetic

TRAIN, TEST = f"data/train/{JOB}/a-000000000000.parquet", f"data/test/{JOB}/b-000000000000.parquet"


def build(builder: TableBuilder, train: Sequence[SampleRow], test: Sequence[SampleRow] = ()) -> str:
    return builder.build({TRAIN: train, TEST: test or [real(500, "0", "test")]}).uri


def copies_found(report: AuditReport) -> list[str]:
    return [f.text for f in report.findings if f.check == "copies"]


def test_copies_that_are_no_pictures_of_their_own_warn(builder: TableBuilder) -> None:
    parent = real(1, "0")
    same = replace(copy_of(parent, 0), pixels_sha256=parent.pixels_sha256)
    twins = [replace(copy_of(parent, n), pixels_sha256="ab" * 32) for n in (1, 2, 3)]
    report = audit(build(builder, [parent, same, *twins, copy_of(parent, 4)]))
    assert report.verdict == "ok"
    (text,) = copies_found(report)
    assert text.startswith(
        "class '0': of 5 copies 1 show the picture of an untouched row, 2 that of another copy, "
    )
    assert [f.warns for f in report.findings] == [True]


@pytest.mark.parametrize(
    ("twins", "verdict", "text"),
    [
        (19, "ok", "of 19 copies 0 show the picture of an untouched row, 18 that of another copy"),
        (
            20,
            "failed",
            "of 20 copies 0 show the picture of an untouched row, 19 that of another copy; with "
            "the untouched rows beside them 21 rows show at most 2 different pictures (0.095; "
            "expected at least 0.1)",
        ),
    ],
)
def test_copies_of_one_look_warn_and_many_of_them_fail(
    builder: TableBuilder, twins: int, verdict: str, text: str
) -> None:
    """Images of the test split, which has no copies, do not count beside them."""
    parent = real(1, "0")
    rows = [replace(copy_of(parent, n), pixels_sha256="ab" * 32) for n in range(twins)]
    tests = [real(n, "0", "test") for n in range(500, 540)]
    report = audit(build(builder, [parent, *rows], tests))
    assert report.verdict == verdict
    (found,) = copies_found(report)
    assert found.partition(", for")[0] == f"class '0': {text}"
    assert ("verdict: ok" in render(report)) is (verdict == "ok")


def test_copies_that_all_show_their_parent_fail_where_they_are_most(builder: TableBuilder) -> None:
    parents = [real(n, "0") for n in (1, 2, 3)]
    rows = [
        replace(copy_of(p, n), pixels_sha256=p.pixels_sha256) for n in range(28) for p in parents
    ]
    report = audit(build(builder, [*parents, *rows]))
    assert report.verdict == "failed"
    (found,) = copies_found(report)
    assert "87 rows show at most 3 different pictures (0.034; expected at least 0.1)" in found


def test_copies_of_generated_rows_are_copies(builder: TableBuilder) -> None:
    """They say nothing of what the generator made."""
    made = synthetic(1, "0")
    same = replace(copy_of(made, 0), pixels_sha256=made.pixels_sha256)
    report = audit(build(builder, [made, same, synthetic(2, "0")]))
    (different,) = [c for c in report.checks if c.name == "different"]
    assert different.passed is True
    assert copies_found(report)[0].startswith("class '0': of 1 copies 1 show the picture of an ")
