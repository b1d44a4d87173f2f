"""Generated rows that no model has made: told, and no verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.audit import AuditReport, audit, render
from augment.sample import DigitalSourceType

PROCEDURAL = DigitalSourceType.ALGORITHMIC_MEDIA.value


def found_in(report: AuditReport) -> tuple[bool | None, list[str]]:
    (check,) = [one for one in report.checks if one.name == "procedural"]
    return check.passed, [f.text for f in report.findings if f.check == "procedural"]


def made_by_a_procedure(rows: Any, label: str) -> Any:
    """Generated rows of a class, as a procedural family makes them."""

    def change(row: Any) -> Any:
        if not row.generated or row.label_name != label:
            return row
        made_by = replace(row.generator, checkpoint_sha256="")
        return replace(row, generator=made_by, digital_source_type=PROCEDURAL)

    return {path: [change(row) for row in some] for path, some in rows.items()}


def test_rows_of_a_procedure_are_counted_by_class(builder: Any, small_rows: Any) -> None:
    rows = made_by_a_procedure(small_rows, "7")
    report = audit(builder.build(rows).uri)
    assert report.ok
    passed, (text,) = found_in(report)
    assert passed is False
    assert text.startswith(
        "4 of 7 generated rows come from a procedural family, there to try a job with"
    )
    assert "(by class '7': 4): they teach a classifier nothing" in text
    assert "  warn  a trained model made every generated row: not so for 4 rows" in render(report)


def test_rows_of_a_model_pass(digits_set: Any) -> None:
    assert found_in(audit(digits_set.uri)) == (True, [])


def test_a_foreign_table_that_does_not_say_is_not_checked(tmp_path: Path) -> None:
    table = {"label_name": ["a", "b"], "origin": ["real", "synthetic"], "generated": [False, True]}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    assert found_in(audit(str(tmp_path))) == (None, [])
