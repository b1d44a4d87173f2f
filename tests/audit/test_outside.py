"""What an audit writes stands outside of its data set, under whatever name that is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.audit.outside import check_outside
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
