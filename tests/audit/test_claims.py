"""What files say of themselves, and whether their readers open them: told, and no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augment.audit import AuditReport, Check, Finding, audit, render
from tests.audit.conftest import JOB_FACTS


def with_marks(rows: Any, marks: dict[int, tuple[str, ...]]) -> Any:
    """The marks of some untouched real rows, counted over all shards."""
    n, out = 0, {}
    for path, some in rows.items():
        out[path] = []
        for row in some:
            if row.origin == "real":
                row, n = replace(row, marks=marks.get(n, ())), n + 1
            out[path].append(row)
    return out


def told(report: AuditReport, name: str) -> tuple[Check, tuple[Finding, ...]]:
    (check,) = [c for c in report.checks if c.name == name]
    return check, tuple(f for f in report.findings if f.check == name)


def test_real_rows_that_say_they_are_made_are_counted_by_class(
    builder: Any, small_rows: Any
) -> None:
    rows = with_marks(
        small_rows,
        {
            0: ("xmp:trainedAlgorithmicMedia",),
            1: ("c2pa", "c2pa:compositeWithTrainedAlgorithmicMedia"),
            2: ("xmp:digitalCapture", "c2pa"),  # a camera's own
            4: ("xmp:AISystemUsed",),
        },
    )
    report = audit(builder.build(rows).uri)
    check, (found,) = told(report, "claims")
    assert (check.passed, found.n, found.warns) == (False, 3, True)
    assert "3 of 16 untouched real images say of themselves that a machine made them" in found.text
    assert "(by class '0': 2, '1': 1)" in found.text
    assert report.ok
    text = render(report)
    assert "  warn  no untouched real image says of itself" in text
    assert "\nwarnings\n  claims: 3 of 16" in text
    assert text.endswith("verdict: ok, 1 warning")


def test_marks_of_generated_rows_are_no_claim(digits_set: Any) -> None:
    check, found = told(audit(digits_set.uri), "claims")
    assert (check.passed, found) == (True, ())
    assert check.text.endswith("16 untouched real rows")


def test_where_there_is_no_real_row_nothing_is_said(builder: Any, small_rows: Any) -> None:
    made = {p: [r for r in rows if r.origin != "real"] for p, rows in small_rows.items()}
    report = audit(builder.build({p: rows for p, rows in made.items() if rows}).uri)
    check, found = told(report, "claims")
    assert (check.passed, found) == (None, ())
    assert "not judged, there are no untouched real rows" in check.text


def test_a_warning_beside_a_finding_fails_for_the_finding_alone(
    builder: Any, small_rows: Any
) -> None:
    rows = with_marks(small_rows, {0: ("xmp:trainedAlgorithmicMedia",)})
    path = next(iter(rows))
    rows[path][0] = replace(rows[path][0], label=5)
    report = audit(builder.build(rows).uri)
    assert report.verdict == "failed"
    assert render(report).endswith("verdict: FAILED, 1 findings, 0 limits broken, 1 warning")


@pytest.mark.parametrize(
    ("refused", "passed", "text"),
    [
        ({"n": 0, "first": []}, True, "opens every untouched image: 1 jobs say so"),
        (None, None, "not judged, no job says so"),
        ({"n": "many"}, None, "not judged, no job says so"),
        ({"n": 3, "first": []}, None, "not judged, no job says so"),
        ([1, 2], None, "not judged, no job says so"),
        ({"n": 2, "first": [["s", "a/b.png", "its text"]]}, False, "not so for 2"),
    ],
)
def test_what_jobs_say_of_their_readers(
    builder: Any, small_rows: Any, refused: Any, passed: bool | None, text: str
) -> None:
    builder.build(small_rows)
    builder.job({**JOB_FACTS, "refused": refused})
    report = audit(builder.uri)
    check, found = told(report, "readers")
    assert (check.passed, report.ok) == (passed, True)
    assert text in check.text
    assert [f.n for f in found] == ([2] if passed is False else [])
    if found:
        assert "the first: s: a/b.png: its text. Save those files" in found[0].text
