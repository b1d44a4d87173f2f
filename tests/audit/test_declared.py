"""What files say of where they come from, counted: declared, undeclared and unknown."""

from __future__ import annotations

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import audit, audit_schema, render
from augment.audit.report.origins import Origins, provenance
from augment.sample import DigitalSourceType as Kind
from tests.audit.foreign.pictures import SETTINGS, digit, marked, put
from tests.codec.files import chunk, in_png

XMP_KEY = b"XML:com.adobe.xmp\0\0\0\0\0"
FILM = f'<x:xmpmeta DigitalSourceType="{Kind.NEGATIVE_FILM.value}"></x:xmpmeta>'.encode()


def kinds(report) -> dict[str, int]:
    jsonschema.validate(report.to_json(), audit_schema())
    found = report.to_json()["declared"]
    return {k: n for k, n in found.items() if k not in ("splits", "marks") and n}


def check(report, name="declared"):
    return next(one for one in report.checks if one.name == name)


def images(tmp_path):
    put(tmp_path, "train/a/0.png", digit(0))
    put(tmp_path, "train/a/1.png", digit(1, settings=SETTINGS))
    put(tmp_path, "train/a/2.png", marked(2, Kind.TRAINED_ALGORITHMIC_MEDIA))
    put(tmp_path, "test/a/3.jpg", digit(3, "JPEG"))
    put(tmp_path, "test/a/4.png", in_png(digit(4), chunk(b"iTXt", XMP_KEY + FILM)))


def test_a_folder_says_what_its_files_declare(tmp_path):
    images(tmp_path)
    report = audit(str(tmp_path))
    assert kinds(report) == {"machine": 2, "otherwise": 1, "unknown": 2}
    assert report.declared.splits["test"] == {"otherwise": 1, "unknown": 1}
    assert report.declared.marks["text:stable_diffusion"] == 1
    assert (report.whole.real, report.whole.generated) == (3, 2)
    assert check(report).passed is None
    assert "not judged, no row says where its image comes from" in check(report).text
    assert check(report, "claims").passed is None
    text = render(report)
    assert "2 say nothing, and no row says where they come from; they count as real here" in text
    assert "text:stable_diffusion 1" in text


def table(tmp_path, **columns) -> str:
    rows = [digit(0), digit(1, settings=SETTINGS), marked(2, Kind.TRAINED_ALGORITHMIC_MEDIA)]
    kept = {"image": rows, "label": ["a"] * 3, **columns}
    pq.write_table(pa.table(kept), tmp_path / "part.parquet")
    return str(tmp_path)


def test_a_table_that_says_nothing_is_judged_by_its_images(tmp_path):
    report = audit(table(tmp_path))
    assert kinds(report) == {"machine": 2, "unknown": 1}
    assert report.whole.generated == 2


def test_generated_rows_whose_files_are_silent_are_undeclared(tmp_path):
    report = audit(table(tmp_path, generated=[True, True, True]))
    assert kinds(report) == {"machine": 2, "undeclared": 1}
    (found,) = [f for f in report.findings if f.check == "declared"]
    assert (found.n, found.warns) == (1, True)
    assert check(report).passed is False
    assert report.verdict == "ok"


def test_generated_rows_that_all_say_so_pass(tmp_path):
    report = audit(table(tmp_path, generated=[False, True, True]))
    assert kinds(report) == {"machine": 2, "silent": 1}
    assert check(report).passed is True
    assert check(report, "claims").passed is True


def test_real_rows_that_say_otherwise_are_told_of(tmp_path):
    report = audit(table(tmp_path, origin=["real", "real", "synthetic"]))
    assert kinds(report) == {"machine": 2, "silent": 1}
    (found,) = [f for f in report.findings if f.check == "claims"]
    assert (found.n, found.warns) == (1, True)


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_no_image_says_nothing(tmp_path, deep):
    kept = {"image": [None, b"", b"no image"], "label": ["a"] * 3}
    pq.write_table(pa.table(kept), tmp_path / "part.parquet")
    report = audit(str(tmp_path), deep=deep)
    assert kinds(report) == {"unknown": 3}
    assert report.ok is not deep  # none of them can be decoded


def test_rows_without_images_or_marks_are_not_known(tmp_path):
    pq.write_table(pa.table({"label": ["a"], "origin": ["real"]}), tmp_path / "part.parquet")
    report = audit(str(tmp_path))
    assert report.declared is None
    assert "neither marks nor images" in check(report).text
    jsonschema.validate(report.to_json(), audit_schema())


def test_the_page_has_a_table_of_it(tmp_path):
    images(tmp_path)
    section = provenance(audit(str(tmp_path)).to_json(), Origins())
    declared = next(b for b in section.blocks if getattr(b, "name", "") == "declared")
    assert [row.cells[0] for row in declared.rows] == ["test", "train"]
