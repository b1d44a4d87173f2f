"""Two files in a folder: both whole, JSON as published, nothing put into the data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from augment.api import write_report
from augment.audit import audit, audit_schema
from augment.errors import RequestError, StorageError


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_report_is_two_files_and_says_where_they_are(digits_set: Any, tmp_path: Path) -> None:
    before = files(digits_set.path)
    report = audit(digits_set.uri)
    written = write_report(report, str(tmp_path / "new" / "report"))
    folder = tmp_path / "new" / "report"
    assert files(folder) == {"audit.html", "audit.json"}
    assert (written.page, written.value) == (str(folder / "audit.html"), str(folder / "audit.json"))
    value = json.loads((folder / "audit.json").read_text())
    jsonschema.validate(value, audit_schema())
    assert value == report.to_json()
    page = (folder / "audit.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count('<img src="data:image/webp;base64,') == 16
    assert files(digits_set.path) == before


def test_the_same_version_gives_the_same_files(digits_set: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(audit(digits_set.uri), str(tmp_path / name))
    for name in ("audit.html", "audit.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("inside", ["", "data", "_provenance/report", "data/../report"])
def test_a_report_never_stands_in_the_data_set(digits_set: Any, inside: str) -> None:
    place = f"{digits_set.uri}/{inside}".rstrip("/")
    before = files(digits_set.path)
    with pytest.raises(RequestError) as caught:
        write_report(audit(digits_set.uri), place)
    assert "which is the data set's own; expected one outside of" in str(caught.value)
    assert files(digits_set.path) == before


def test_nor_through_a_link(digits_set: Any, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(digits_set.path / "data")
    with pytest.raises(RequestError, match="which is the data set's own"):
        write_report(audit(digits_set.uri), str(tmp_path / "link"))


def test_a_folder_that_cannot_be_made_is_told(digits_set: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_report(audit(digits_set.uri), str(tmp_path / "file" / "report"))
