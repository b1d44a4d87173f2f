"""An audit by a property of rows: counts, skews, and what cannot be one."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import audit, audit_schema, render
from augment.audit.report.attributes import attributes as section_of
from augment.errors import RequestError
from tests.audit.conftest import JOB, TableBuilder, real, synthetic


def table(folder, night_of_made: int, n: int = 40) -> str:
    """n real rows, a half of them at night, and n generated ones."""
    folder.mkdir(exist_ok=True)
    columns = {
        "label": ["a"] * 2 * n,
        "split": ["train"] * 2 * n,
        "generated": [False] * n + [True] * n,
        "time_of_day": [*(["night", "day"] * (n // 2)), *["night"] * night_of_made,
                        *["day"] * (n - night_of_made)],
        "lens": [None, *[35] * (2 * n - 1)],
        "file": [f"{i}.png" for i in range(2 * n)][: 2 * n],
    }  # fmt: skip
    if 2 * n <= 100:
        columns["file"] = [f"{i}" for i in range(2 * n)]
    pq.write_table(pa.table(columns), folder / "part.parquet")
    return str(folder)


def test_a_column_is_an_attribute(tmp_path):
    report = audit(table(tmp_path, 20), attributes=["time_of_day", "lens"])
    jsonschema.validate(report.to_json(), audit_schema())
    first, second = report.attributes
    counts = {one.value: vars(one.shares["train"]) for one in first.slices}
    assert [(v, c["real"], c["generated"]) for v, c in counts.items()] == [
        ("day", 20, 20), ("night", 20, 20),
    ]  # fmt: skip
    assert [one.value for one in second.slices] == ["35", None]
    assert not [f for f in report.findings if f.check == "skew"]
    assert [c.passed for c in report.checks if c.name == "skew"] == [True]


def test_a_skew_warns_and_says_which_values(tmp_path):
    report = audit(table(tmp_path, 1), attributes=["time_of_day"])
    found = [f for f in report.findings if f.check == "skew"]
    assert [f.warns for f in found] == [True, True]  # of the class, and of all
    assert "class 'a', generated: of 40 rows the shares of 'time_of_day'" in found[1].text
    assert "day 0.97 to 0.50, night 0.03 to 0.50" in found[0].text
    assert report.verdict == "ok"
    text = render(report)
    assert "by time_of_day" in text
    section = section_of(report.to_json(), "")
    state = section.blocks[1].rows[0].cells[0]
    assert (state.text, state.state) == ("skewed", "warn")


def test_what_is_wrong_of_one_attribute_is_not_said_of_another(tmp_path):
    report = audit(table(tmp_path, 1), attributes=["lens", "time_of_day"])
    (check,) = [c for c in report.checks if c.name == "skew"]
    assert check.passed is False
    assert check.text.endswith("lens: so in 2 groups; time_of_day: not so in 2 of 2 groups")


def test_entries_of_the_rows_are_attributes(tmp_path):
    rows = [replace(real(n, "0"), attributes=(("site", "a"), ("site", "b"))) for n in range(3)]
    rows += [replace(real(9, "1"), attributes=(("other", "x"),)), synthetic(1, "0")]
    uri = TableBuilder(tmp_path / "set").build(
        {f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet": rows}
    ).uri  # fmt: skip
    (found,) = audit(uri, attributes=["site"]).attributes
    assert {one.value: one.rows for one in found.slices} == {"a": 3, None: 2}
    with pytest.raises(RequestError, match=r"attribute 'colour': no row has it.*other, site"):
        audit(uri, attributes=["colour"])


def test_rows_of_one_kind_alone_are_not_judged(tmp_path):
    rows = {"label": ["a"] * 3, "origin": ["real"] * 3, "site": ["x", "y", "y"]}
    pq.write_table(pa.table(rows), tmp_path / "part.parquet")
    report = audit(str(tmp_path), attributes=["site"])
    (check,) = [c for c in report.checks if c.name == "skew"]
    assert check.passed is None
    assert check.text.endswith("not judged, site: there are no generated rows")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nothing"], r"attribute 'nothing': no row has it; .* There are: file, lens, time_of_day"),
        (["label"], "no row has it"),
        ([""], "it is empty"),
        (["lens", "lens"], "it stands twice"),
        (["file"], "more than 100 different values, for example '0.png'"),
    ],
)
def test_what_is_no_attribute(tmp_path, asked, said):
    with pytest.raises(RequestError, match=said):
        audit(table(tmp_path, 20, n=60), attributes=asked)
