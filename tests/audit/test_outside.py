"""What an audit writes stands outside of its data set, under whatever name that is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.audit.outside import check_file, check_outside
from augment.errors import RequestError


def test_no_folder_of_the_data_set_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "set"
    (own / "data").mkdir(parents=True)
    (tmp_path / "link").symlink_to(own)
    for folder in (own, own / "data", own / "new", tmp_path / "link" / "data"):
        with pytest.raises(RequestError, match="which is the data set's own"):
            check_outside("sheet", str(folder), str(own))
    with pytest.raises(RequestError, match="which is the data set's own"):
        check_outside("sheet", str(own / "data"), str(tmp_path / "link"))
    check_outside("sheet", str(tmp_path), str(own))
    check_outside("sheet", str(tmp_path / "set-2"), str(own))


def test_names_of_one_store_are_one_place() -> None:
    for folder, own in (("s3a://b/set/x", "s3://b/set"), ("gcs://b/set", "gs://b/set")):
        with pytest.raises(RequestError, match="which is the data set's own"):
            check_outside("report", folder, own)
    check_outside("report", "s3://other/set", "s3://b/set")


def test_a_file_is_named_as_any_place(tmp_path: Path) -> None:
    own = str(tmp_path / "set")
    assert check_file("junit", f"file://{tmp_path}/a%20b.xml", own) == (str(tmp_path), "a b.xml")
    assert check_file("junit", "s3://b/out/a.xml", own) == ("s3://b/out", "a.xml")
    for file in ("s3://KEY:SECRET@b/a.xml", "https://h/a.xml?sig=SECRET", "hf://o/a.xml", "a\x1b"):
        with pytest.raises(RequestError, match="junit: got") as error:
            check_file("junit", file, own)
        assert "SECRET" not in str(error.value)
    with pytest.raises(RequestError, match="which is the data set's own"):
        check_file("junit", f"{own}/a.xml", own)
