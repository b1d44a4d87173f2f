"""Counts, quarantine and job beside the rows; counts must agree with the log."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.errors import StorageError
from augment.sample import (
    COUNTS_SCHEMA,
    QUARANTINE_SCHEMA,
    Origin,
    QuarantinedRow,
)
from augment.storage import Folder
from augment.write.provenance import (
    count_cells,
    counts_table,
    read_counts,
    read_job,
    write_counts,
    write_job,
    write_quarantine,
)

Rows = Callable[..., pa.Table]


def test_cells_count_the_rows(rows: Rows) -> None:
    table = rows(8)
    expected = Counter(
        (r["label_name"], r["split"], r["origin"], r["generator"] and r["generator"]["id"])
        for r in table.to_pylist()
    )
    cells = count_cells(table)
    assert {tuple(c[k] for k in c if k != "n"): c["n"] for c in cells} == dict(expected)
    assert [c["label_name"] for c in cells] == ["0", "cat", "no|way"]
    assert count_cells(rows(0)) == []


def test_counts_are_published_by_content_and_read_for_live_shards(
    rows: Rows, tmp_path: Path
) -> None:
    folder = Folder(str(tmp_path))
    cells = count_cells(rows(8))
    cube = counts_table([("b", cells), ("a", count_cells(rows(2)))])
    assert cube.schema.equals(COUNTS_SCHEMA)
    path = write_counts(folder, "job", cube)
    assert path.startswith("_provenance/job/counts-")
    assert write_counts(folder, "job", cube) == path
    write_counts(folder, "job", counts_table([("b", cells)]))  # a later generation repeats b
    assert read_counts(folder, {"b": 8}).to_pylist() == [{"shard": "b", **c} for c in cells]
    assert read_counts(folder, {}).num_rows == 0


@pytest.mark.parametrize("live", [{"a": 2, "b": 8}, {"a": 3}])
def test_counts_that_disagree_with_the_log_are_refused(
    rows: Rows, tmp_path: Path, live: dict[str, int]
) -> None:
    folder = Folder(str(tmp_path))
    write_counts(folder, "job", counts_table([("a", count_cells(rows(2)))]))
    text = r"have (0 rows of b, the log has 8|2 rows of a, the log has 3); run the job that made"
    with pytest.raises(StorageError, match=text):
        read_counts(folder, live)


def test_damaged_counts_name_the_file(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.create("_provenance/job/counts-x.parquet", b"half")
    with pytest.raises(StorageError, match=r"counts-x\.parquet: no Parquet file of counts"):
        read_counts(folder, {"a": 1})


def test_quarantine_is_written_also_where_it_is_empty(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    path = write_quarantine(folder, "job", [])
    assert pq.read_table(io.BytesIO(folder.read(path))).schema.equals(QUARANTINE_SCHEMA)
    row = QuarantinedRow("id", "train", "cat", Origin.REAL, "truncated", "ends early")
    lost = asdict(row) | {"unit": "train-00001"}
    table = pa.Table.from_pylist([lost], schema=QUARANTINE_SCHEMA)
    assert write_quarantine(folder, "job", [table]) == path
    found = pq.read_table(io.BytesIO(folder.read(path))).to_pylist()
    assert [(r["sample_id"], r["reason"], r["unit"]) for r in found] == [
        ("id", "truncated", "train-00001")
    ]


def test_the_job_stays_as_first_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert read_job(folder, "job") is None
    write_job(folder, "job", {"digest": "d", "text": "name: é"})
    write_job(folder, "job", {"digest": "other"})
    assert read_job(folder, "job") == {"digest": "d", "text": "name: é"}


@pytest.mark.parametrize("data", [b"{", b"[]"])
def test_a_damaged_job_is_told(tmp_path: Path, data: bytes) -> None:
    folder = Folder(str(tmp_path))
    folder.create("_provenance/job/job.json", data)
    with pytest.raises(StorageError, match=r"job/job\.json: not a JSON object; it was damaged"):
        read_job(folder, "job")
