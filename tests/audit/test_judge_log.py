"""Composition and limits by the log alone: the figures of an audit that reads the rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment.audit import audit, audit_log, render
from augment.errors import RequestError
from augment.spec.models import Limits

TRAIN_1 = "data/train/digits-0123456789ab/train-00001-bbbbbbbbbbbb.parquet"
LIMITS = Limits.model_validate(
    {
        "synthetic_share": {"max": 0.9, "per_class": 0.4},
        "min_rows_per_class": {"train": 3},
        "min_unique_real_per_class": {"train": 2},
    }
)


@pytest.fixture
def without_rows(digits_set: Any, tmp_path: Path) -> str:
    """A copy whose shards are gone: whoever opens one fails."""
    shutil.copytree(digits_set.path, tmp_path / "set")
    shutil.rmtree(tmp_path / "set/data")
    return str(tmp_path / "set")


@pytest.mark.parametrize("by", ["", "class", "split,origin", "generator,class"])
def test_it_says_what_the_rows_say(digits_set: Any, without_rows: str, by: str) -> None:
    rows, log = audit(digits_set.uri, by=by, limits=LIMITS), audit_log(
        without_rows, by=by, limits=LIMITS
    )  # fmt: skip
    assert (log.counts_from, rows.counts_from) == ("log", "rows")
    for name in ("cells", "splits", "groups"):
        expected = [replace(share, unique_real=None) for share in getattr(rows, name)]
        assert list(getattr(log, name)) == expected
    assert log.whole.rows == rows.whole.rows > 0
    assert (log.classes, log.generators, log.jobs) == (rows.classes, rows.generators, rows.jobs)
    counted = [one for one in log.limits if "unique_real" not in one.limit]
    assert counted == [one for one in rows.limits if "unique_real" not in one.limit]
    assert {one.ok for one in counted} == {True, False}
    assert log.verdict == "failed"


def test_what_it_cannot_know_is_not_judged(without_rows: str) -> None:
    unique = Limits.model_validate({"min_unique_real_per_class": {"train": 2}})
    report = audit_log(without_rows, limits=unique)
    assert {one.ok for one in report.limits} == {None}
    assert report.verdict == "ok"
    assert {check.name: check.passed for check in report.checks}["rows"] is None
    told = render(report)
    assert "counts from the log, no row was read" in told
    assert "not judged, the log does not count different real images" in told
    assert told.endswith("verdict: ok, by counts alone")


def test_a_shard_whose_rows_nobody_counted_fails(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log[:] = [line for line in builder.log if line["shard"] != TRAIN_1]
    builder.write_cube()
    report = audit_log(builder.uri)
    (finding,) = report.findings
    assert report.verdict == "failed"
    assert finding.text == (
        f"shard {TRAIN_1}: its counts in _provenance/ say 0 rows, the Delta log says "
        f"{len(small_rows[TRAIN_1])}"
    )
    assert finding.n == len(small_rows[TRAIN_1])


def test_a_shard_that_two_cubes_name_counts_once(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.write_cube("counts-bbbbbbbbbbbb")
    assert audit_log(builder.uri).whole.rows == audit(builder.uri).whole.rows


def test_what_has_no_counts_is_refused(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    for by, what in (("source", "got source, which the log"), ("colour", "got 'colour'")):
        with pytest.raises(RequestError, match=what):
            audit_log(builder.uri, by=by)
    shutil.rmtree(builder.path / "_provenance")
    with pytest.raises(RequestError, match="got a data set that augment did not write"):
        audit_log(builder.uri)
