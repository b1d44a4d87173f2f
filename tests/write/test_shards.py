"""Shards: equal tables give equal bytes, and `datasets` sees images and class names."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.sample import POOL_SCHEMA, SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write.shards import (
    ShardEntry,
    cut_by_bytes,
    image_sizes,
    parquet_bytes,
    schema_metadata,
    write_shard,
)

CLASSES = ["0", "no|way", "cat"]
Rows = Callable[..., pa.Table]


def test_equal_tables_give_equal_bytes_whatever_their_chunks(rows: Rows) -> None:
    whole = rows(12)
    pieces = pa.concat_tables([rows(5), rows(7, start=5)])
    assert pieces.column("image").num_chunks == 2
    assert parquet_bytes(whole, CLASSES, (8, 4)) == parquet_bytes(pieces, CLASSES, (8, 4))


def test_a_shard_is_published_under_its_hash(rows: Rows, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    entry = write_shard(rows(9), folder, "data/train/job/train-00001", CLASSES, (4, 5))
    data = (tmp_path / entry.path).read_bytes()
    assert entry.path == f"data/train/job/train-00001-{entry.sha256[:12]}.parquet"
    assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (entry.rows, entry.group_rows) == (9, (4, 5))
    assert write_shard(rows(9), folder, "data/train/job/train-00001", CLASSES, (4, 5)) == entry
    assert ShardEntry.from_json(json.loads(json.dumps(entry.to_json()))) == entry
    assert json.loads(entry.stats()) == {"numRecords": 9}


def test_rows_come_back_and_groups_are_as_asked(rows: Rows) -> None:
    table = rows(9)
    file = pq.ParquetFile(io.BytesIO(parquet_bytes(table, CLASSES, (2, 6, 1))))
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [2, 6, 1]
    assert file.read().replace_schema_metadata(None).equals(table)
    assert json.loads(file.schema_arrow.metadata[b"augment"]) == {"schema": "1"}
    assert all(
        not f.nullable for f in file.schema_arrow if not SAMPLE_SCHEMA.field(f.name).nullable
    )


def test_large_images_are_stored_as_they_are_and_the_rest_compressed(rows: Rows) -> None:
    def codecs(table: pa.Table) -> dict[str, str]:
        group = pq.ParquetFile(io.BytesIO(parquet_bytes(table, None, (table.num_rows,))))
        columns = [group.metadata.row_group(0).column(i) for i in range(group.metadata.num_columns)]
        return {c.path_in_schema: c.compression for c in columns}

    table = rows(3)
    image = [{"bytes": bytes(17 << 10), "path": "a.png"}] * 3
    place = table.schema.get_field_index("image")
    large = table.set_column(
        place, table.schema.field(place), pa.array(image, table.schema.field(place).type)
    )
    assert set(codecs(table).values()) == {"ZSTD"}
    assert codecs(large)["image.bytes"] == "UNCOMPRESSED"
    assert codecs(large)["label_name"] == "ZSTD"


def test_categories_are_dictionary_encoded_and_ids_are_not(rows: Rows) -> None:
    group = pq.ParquetFile(io.BytesIO(parquet_bytes(rows(9), CLASSES, (9,)))).metadata.row_group(0)
    encoded = {
        group.column(i).path_in_schema: group.column(i).has_dictionary_page
        for i in range(group.num_columns)
    }
    assert encoded["label_name"]
    assert encoded["generator.id"]
    assert not encoded["sample_id"]
    assert not encoded["image.bytes"]


@pytest.mark.parametrize("schema", [SAMPLE_SCHEMA, POOL_SCHEMA])
def test_metadata_is_what_datasets_itself_would_write(schema: pa.Schema) -> None:
    features = datasets.Features.from_arrow_schema(schema)
    for name in {"image", "mask"} & set(schema.names):
        features[name] = datasets.Image()
    if "label" in schema.names:
        features["label"] = datasets.ClassLabel(names=CLASSES)
    expected = json.loads(features.arrow_schema.metadata[b"huggingface"])
    assert json.loads(schema_metadata(schema, CLASSES)["huggingface"]) == expected


def test_datasets_shows_decoded_images_and_class_names(rows: Rows, tmp_path: Path) -> None:
    entry = write_shard(rows(6), Folder(str(tmp_path)), "a", CLASSES, (6,))
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / entry.path), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert loaded[1]["image"].size == (64, 64)
    assert loaded.features["label"].int2str(loaded[1]["label"]) == "no|way"


def test_groups_must_cut_the_rows(rows: Rows) -> None:
    with pytest.raises(ValueError, match=r"row groups \[2, 2\] do not cut 5 rows"):
        parquet_bytes(rows(5), CLASSES, (2, 2))
    with pytest.raises(ValueError, match=r"row groups \[5, 0\] do not cut 5 rows"):
        parquet_bytes(rows(5), CLASSES, (5, 0))


def test_a_shard_may_be_empty(rows: Rows) -> None:
    assert pq.read_table(io.BytesIO(parquet_bytes(rows(0), CLASSES, ()))).num_rows == 0


def test_image_sizes_are_of_the_bytes(rows: Rows) -> None:
    table = rows(3)
    expected = [len(image["bytes"]) for image in table.column("image").to_pylist()]
    assert image_sizes(table) == expected


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.integers(0, 100), max_size=40), st.integers(1, 150))
def test_groups_hold_at_most_the_target_or_one_row(sizes: list[int], target: int) -> None:
    groups = cut_by_bytes(sizes, target)
    assert sum(groups) == len(sizes)
    start = 0
    for i, n in enumerate(groups):
        held = sum(sizes[start : start + n])
        assert n == 1 or held <= target
        if i + 1 < len(groups):  # nothing more would have fitted
            assert held + sizes[start + n] > target
        start += n
