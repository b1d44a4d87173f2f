"""open_dataset: exactly the version's files, with class names; splits and versions by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import open_dataset
from augment.errors import RequestError
from augment.sample import SAMPLE_SCHEMA


def ids(dataset: Any) -> set[str]:
    return set(dataset.to_table(columns=["sample_id"])["sample_id"].to_pylist())


def test_the_version_s_rows_and_no_orphans(builder: Any, small_rows: Any) -> None:
    builder.build(small_rows)
    builder.shard("data/train/other/orphan-000000000000.parquet", next(iter(small_rows.values())))
    found = open_dataset(builder.uri)
    assert found.count_rows() == 25
    assert ids(found) == {row.sample_id for rows in small_rows.values() for row in rows}


def test_the_schema_is_ours_with_class_names(digits_set: Any) -> None:
    schema = open_dataset(digits_set.uri).schema
    assert schema.names == SAMPLE_SCHEMA.names
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == ["0", "1", "7"]


def test_images_are_read_as_written(digits_set: Any, small_rows: Any) -> None:
    table = open_dataset(digits_set.uri, split="test").to_table(columns=["sample_id", "image"])
    read = {row["sample_id"]: row["image"]["bytes"] for row in table.to_pylist()}
    assert read == {row.sample_id: row.image for row in [*small_rows.values()][2]}


def test_versions_and_splits(builder: Any, small_rows: Any) -> None:
    (first, rows), *rest = small_rows.items()
    builder.build({first: rows})
    builder.commit([builder.shard(path, more) for path, more in rest])
    assert open_dataset(builder.uri, version=0).count_rows() == 9
    assert open_dataset(builder.uri, split="test").count_rows() == 9
    assert open_dataset(builder.uri, split="train").count_rows() == 16
    with pytest.raises(RequestError, match="version 5 does not exist; it has versions 0 to 1"):
        open_dataset(builder.uri, version=5)


def test_a_split_that_is_not_there(digits_set: Any) -> None:
    with pytest.raises(RequestError) as caught:
        open_dataset(digits_set.uri, split="val")
    assert str(caught.value) == (
        f"{digits_set.uri} (version 0): got split 'val'; expected one of test, train"
    )


def test_a_table_without_splits(builder: Any) -> None:
    builder.commit([builder.shard("x.parquet", pa.table({"a": [1]}), classes=(), cube=False)])
    assert open_dataset(builder.uri).count_rows() == 1
    with pytest.raises(RequestError, match=r"has no column split; leave the split out$"):
        open_dataset(builder.uri, split="train")


def test_a_folder_without_a_log(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(RequestError) as caught:
        open_dataset(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: has no Delta log, so nothing says which files belong to it; "
        "open a folder of Parquet files with pyarrow.dataset.dataset(...)"
    )
