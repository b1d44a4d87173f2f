"""The report as text and as JSON: what a person and a program read."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from augment.audit import audit, audit_schema, render
from augment.spec.models import Limits, ShareLimit

LIMITS = Limits(synthetic_share=ShareLimit(max=0.5, per_class=0.5), min_rows_per_class={"train": 2})


def test_the_composition_shows_counts_and_ratios_in_aligned_columns(digits_set: Any) -> None:
    lines = render(audit(digits_set.uri)).splitlines()
    assert lines[0] == (
        f"{digits_set.uri}, version 0: 25 rows in 3 shards, 3 classes; "
        "counts from the rows, the log agrees"
    )
    assert lines[2].split("  ")[0] == "split"
    body = [line.split() for line in lines[3:12]]
    assert body[3] == ["train", "0", "9", "4", "2", "3", "0.333", "0.750", "4"]
    assert body[5] == ["train", "7", "5", "1", "0", "4", "0.800", "4.000", "1"]
    assert body[8] == ["all", "all", "25", "16", "2", "7", "0.280", "0.438", "16"]
    assert len({len(line) for line in lines[2:12]}) == 1
    assert lines[-1] == "verdict: ok"


def test_generators_stand_by_the_name_that_the_job_gave(digits_set: Any) -> None:
    text = render(audit(digits_set.uri, by="generator"))
    assert "digits-vae  " in text
    assert "infinite" in text
    assert "ae" * 32 not in text


def test_limits_show_what_is_broken_and_where_it_is_close(digits_set: Any) -> None:
    text = render(audit(digits_set.uri, limits=LIMITS))
    assert (
        "  FAIL  limits.synthetic_share.per_class 0.5: split train, class '7': 4 of 5 rows are "
        "generated (0.800), 0.300 too much\n"
    ) in text
    assert (
        "  ok    limits.min_rows_per_class.train 2: split train, class '1': 2 rows, enough; "
        "kept in 3 of 3 places\n"
    ) in text
    assert text.endswith("verdict: FAILED, 0 findings, 1 limits broken")


def test_findings_are_shown(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.log.pop()
    builder.write_cube()
    text = render(audit(builder.uri))
    assert "counts from the rows, the log DIFFERS" in text
    assert "  FAIL  counts from the rows and from the log agree: they differ\n" in text
    assert "3 rows, the log says 0" in text
    assert text.endswith("verdict: FAILED, 1 findings, 0 limits broken")


@pytest.mark.parametrize("by", ["", "class,generator"])
def test_the_json_report_is_as_its_schema_says(digits_set: Any, by: str) -> None:
    report = audit(digits_set.uri, limits=LIMITS, by=by, deep=True)
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(audit_schema())
    jsonschema.Draft202012Validator(audit_schema()).validate(value)
    assert value["rows"] == 25
    assert value["ok"] is False


def test_the_schema_refuses_keys_that_it_does_not_know(digits_set: Any) -> None:
    value = audit(digits_set.uri).to_json() | {"extra": 1}
    with pytest.raises(jsonschema.ValidationError, match="'extra' was unexpected"):
        jsonschema.validate(value, audit_schema())
