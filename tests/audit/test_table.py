"""Data sets that cannot be read say so, with the place and the way out; foreign ones count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import audit, trace
from augment.audit.table import open_data_set
from augment.errors import RequestError, StorageError
from augment.sample import POOL_SCHEMA
from augment.storage import Folder

CELL = {"label_name": ["a", "a", "b"], "origin": ["real", "synthetic", "real"]}


def told(error: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def foreign(folder: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns).replace_schema_metadata(metadata)
    pq.write_table(table, folder / "part-0.parquet")
    return str(folder)


# ---- errors --------------------------------------------------------------------------


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    assert told(RequestError, lambda: audit(str(tmp_path))) == (
        f"{tmp_path}: is not a data set: neither a Delta log (_delta_log/) nor Parquet files nor "
        "images are there; give the folder that the job names as output.uri, or a folder of images"
    )
    assert "is not a data set" in told(RequestError, lambda: audit(str(tmp_path / "nothing")))


def test_a_job_that_has_not_committed_yet(tmp_path: Path) -> None:
    foreign(tmp_path / "_work" / "job", CELL)
    foreign(tmp_path / "data" / "train", CELL)  # a finished unit: no version names it yet
    assert told(RequestError, lambda: audit(str(tmp_path))) == (
        f"{tmp_path}: a job has begun here but nothing is committed yet; "
        "run the same job again to finish it"
    )


def test_a_version_that_does_not_exist(builder: Any, small_rows: Any) -> None:
    (first, rows), (second, more), _ = small_rows.items()
    uri = builder.build({first: rows}).uri
    text = told(RequestError, lambda: audit(uri, version=4))
    assert text == f"{uri}: version 4 does not exist; it has version 0 only"
    builder.commit([builder.shard(second, more)])
    text = told(RequestError, lambda: audit(uri, version=-1))
    assert text == f"{uri}: version -1 does not exist; it has versions 0 to 1"


def test_a_version_of_a_folder_without_versions(tmp_path: Path) -> None:
    uri = foreign(tmp_path, CELL)
    assert told(RequestError, lambda: audit(uri, version=0)) == (
        f"{uri}: version 0 was asked for, but there is no Delta log here and so no versions; "
        "leave the version out or point at a table"
    )


def test_a_log_that_cannot_be_read(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    (builder.path / "_delta_log" / f"{0:020}.json").write_text("{no json")
    text = told(StorageError, lambda: audit(uri))
    assert text.startswith(f"{uri}: the Delta log cannot be read (")
    assert text.endswith("); restore _delta_log/ from a copy, or audit another version")
    assert "\n" not in text


def test_a_shard_that_vanished(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    path = next(iter(small_rows))
    (builder.path / path).unlink()
    expected = (
        f"{uri} (version 0): shard {path} is named by the version but is not there; "
        "restore it from a copy, or audit an older version"
    )
    assert told(StorageError, lambda: audit(uri)) == expected
    assert told(StorageError, lambda: trace(uri, "0" * 32)) == expected


@pytest.mark.parametrize("kept", [0, 3, 500])
def test_a_shard_that_is_cut_short(builder: Any, small_rows: Any, kept: int) -> None:
    uri = builder.build(small_rows).uri
    path = next(iter(small_rows))
    place = builder.path / path
    place.write_bytes(place.read_bytes()[:kept])
    text = told(StorageError, lambda: audit(uri))
    assert text.startswith(f"{uri} (version 0): shard {path} is not readable Parquet (")
    assert text.endswith("); restore it from a copy, or audit an older version")


def test_a_shard_with_damaged_pages(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    path = next(iter(small_rows))
    place = builder.path / path
    raw = bytearray(place.read_bytes())
    raw[4:2000] = bytes(1996)
    place.write_bytes(raw)
    text = told(StorageError, lambda: audit(uri))
    assert text.startswith(f"{uri} (version 0): shard {path} is not readable Parquet (")


def test_a_job_json_that_is_none(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    path = "_provenance/digits-0123456789ab/job.json"
    (builder.path / path).write_text("{")
    text = told(StorageError, lambda: audit(uri))
    assert text.startswith(f"{uri} (version 0): {path} is not JSON (")
    assert text.endswith("); restore it from a copy")


def test_paths_with_spaces_and_percent_signs_are_found(builder: Any, small_rows: Any) -> None:
    rows = next(iter(small_rows.values()))
    builder.build({"data/train/a b%20c/x.parquet": rows})
    assert audit(builder.uri).whole.rows == len(rows)


# ---- foreign data sets ---------------------------------------------------------------


def test_a_plain_folder_is_counted_with_what_is_there(tmp_path: Path) -> None:
    report = audit(foreign(tmp_path / "set" / "inner", CELL))
    assert report.ok
    assert (report.version, report.log) == (None, "none")
    counts = {tuple(v for _, v in s.group): (s.real, s.generated) for s in report.cells}
    assert counts == {("all", "a"): (1, 1), ("all", "b"): (1, 0)}
    assert report.whole.unique_real is None
    assert {c.name for c in report.checks if c.passed is None} >= {"log", "sample_id", "marks"}


def test_labels_are_named_by_the_datasets_metadata(tmp_path: Path) -> None:
    features = '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    columns = {"label": [1, 0, 1, 5], "generated": [False, True, True, False]}
    report = audit(foreign(tmp_path, columns, {"huggingface": features}))
    counts = {s.group[1][1]: (s.real, s.generated) for s in report.cells}
    assert counts == {"cat": (0, 1), "dog": (1, 1), "(none)": (1, 0)}
    assert report.classes == ("cat", "dog")


def test_labels_as_text_are_class_names(tmp_path: Path) -> None:
    report = audit(foreign(tmp_path, {"label": ["x", None], "origin": ["real", "augmented"]}))
    assert {s.group[1][1]: s.rows for s in report.cells} == {"x": 1, "(none)": 1}


def test_hidden_folders_hold_no_rows(tmp_path: Path) -> None:
    uri = foreign(tmp_path, CELL)
    foreign(tmp_path / "_temporary", CELL)
    foreign(tmp_path / ".cache", CELL)
    assert [shard.path for shard in open_data_set(uri).shards] == ["part-0.parquet"]


def test_a_delta_table_of_others_has_no_log_of_ours(builder: Any) -> None:
    builder.commit([builder.shard("x.parquet", pa.table(CELL), classes=(), cube=False)])
    report = audit(builder.uri)
    assert (report.version, report.log, report.ok) == (0, "none", True)
    check = next(c for c in report.checks if c.name == "log")
    assert check.text.endswith("the log: none, augment did not write it")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    uri = foreign(tmp_path, {"image": [b""], "label": [3]})
    assert told(RequestError, lambda: audit(uri)) == (
        f"{uri}: shard part-0.parquet has no column label_name (or label as text, or label with "
        "`datasets` class names), so its rows cannot be "
        "counted by class and origin; it has image, label. Audit a data set that `augment` "
        "wrote, or add the columns"
    )


def test_a_pool_is_not_taken_for_a_data_set(tmp_path: Path) -> None:
    tmp_path.joinpath("pool").mkdir()
    pq.write_table(POOL_SCHEMA.empty_table(), tmp_path / "pool" / "a.parquet")
    assert told(RequestError, lambda: audit(str(tmp_path / "pool"))) == (
        f"{tmp_path}/pool: is a pool, which holds what generators made, not a data set; "
        "give the folder that the job names as output.uri"
    )


def test_images_of_others_are_decoded_and_hashes_not_claimed(
    tmp_path: Path, small_rows: Any
) -> None:
    image = next(iter(small_rows.values()))[0].image
    report = audit(foreign(tmp_path, {**CELL, "image": [image, image, image[:50]]}), deep=True)
    checks = {c.name: c for c in report.checks}
    assert checks["hash"].passed is None
    assert checks["hash"].text.endswith(": not checked, 3 rows have none")
    assert checks["decode"].text.endswith(": not so for 1 of 3 rows")
    assert checks["mark"].passed is False


def test_other_file_systems_are_read_as_well(tmp_path: Path) -> None:
    place = Path(foreign(tmp_path, CELL)) / "part-0.parquet"
    Folder("memory://audit-table").publish("a/x.parquet", place.read_bytes())
    assert audit("memory://audit-table").whole.rows == 3


def test_ids_of_any_form_are_compared(tmp_path: Path) -> None:
    columns = {**CELL, "sample_id": ["x", "0" * 32, "x"]}
    report = audit(foreign(tmp_path, columns))
    assert [f.text for f in report.findings] == [
        "1 rows repeat the sample_id of another row, for example x"
    ]


# ---- links ---------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A shard that is somebody else's."""
    return Path(foreign(tmp_path / "private", CELL)) / "part-0.parquet"


def test_a_shard_behind_a_link_that_leaves_is_not_read(
    builder: Any, small_rows: Any, elsewhere: Path
) -> None:
    (path, rows), *_ = small_rows.items()
    data = builder.build({path: rows})
    shard = Path(data.uri) / path
    shard.unlink()
    shard.symlink_to(elsewhere)
    for verb in (audit, lambda uri: trace(uri, rows[0].sample_id)):
        text = told(StorageError, lambda verb=verb: verb(data.uri))  # type: ignore[misc]
        assert text == (
            f"{shard} is not read: it leads to {elsewhere}, outside the data set; where you trust "
            "that, copy the data set with its links followed (cp -rL) and audit the copy"
        )


def test_what_a_job_left_behind_a_link_that_leaves_is_not_read(
    builder: Any, small_rows: Any, tmp_path: Path
) -> None:
    data = builder.build(small_rows)
    kept = Path(data.uri) / "_provenance"
    kept.rename(tmp_path / "kept")
    kept.symlink_to(tmp_path / "kept")
    assert "outside the data set" in told(StorageError, lambda: audit(data.uri))


@pytest.mark.parametrize("folder", [True, False])
def test_a_folder_with_a_link_that_leaves_is_not_counted_in_part(
    tmp_path: Path, elsewhere: Path, folder: bool
) -> None:
    uri = foreign(tmp_path / "set", CELL)
    link = Path(uri) / ("more" if folder else "more.parquet")
    link.symlink_to(elsewhere.parent if folder else elsewhere)
    assert told(StorageError, lambda: audit(uri)).startswith(f"{link} is not read (link that")


def test_a_shard_that_is_a_link_to_nothing_is_not_left_out(tmp_path: Path) -> None:
    uri = foreign(tmp_path / "set", CELL)
    link = Path(uri) / "more.parquet"
    link.symlink_to("nothing")
    assert told(StorageError, lambda: audit(uri)) == (
        f"{link} is not read (link to nothing): restore what it stands for, or remove it"
    )


def test_links_inside_and_to_the_data_set_are_names_like_others(tmp_path: Path) -> None:
    uri = foreign(tmp_path / "set", CELL)
    (Path(uri) / "notes.txt").symlink_to("nothing")
    (Path(uri) / "again").symlink_to(".")
    (tmp_path / "link").symlink_to(uri)
    assert audit(str(tmp_path / "link")).whole.rows == audit(uri).whole.rows == 3


@pytest.mark.parametrize("said", ["8", [8], 8.5, -8])
def test_sizes_of_any_type_are_compared(tmp_path: Path, small_rows: Any, said: object) -> None:
    (rows, *_) = small_rows.values()
    images = [row.image for row in rows[:3]]
    uri = foreign(tmp_path, {**CELL, "image": images, "width": [said] * 3, "height": [8] * 3})
    texts = [finding.text for finding in audit(uri, deep=True).findings]
    assert any("the row says" in text and f"{said}" in text for text in texts)
