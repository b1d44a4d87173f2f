"""A table is made once; one of an earlier version gets the columns that came later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from augment.audit import open_dataset
from augment.errors import OutputConflictError
from augment.sample import LATER_COLUMNS, POOL_SCHEMA, SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write.creation import PROPERTIES, ensure_table, table_classes
from augment.write.shards import write_shard
from augment.write.table import Commit, commit_once, live_files, newest_version, open_table

CLASSES = ("0", "no|way", "cat")
Rows = Callable[..., pa.Table]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "out"))


def made(folder: Folder) -> DeltaTable:
    return ensure_table(folder, SAMPLE_SCHEMA, CLASSES)


def test_a_table_is_created_once_with_its_classes_and_properties(folder: Folder) -> None:
    assert open_table(folder) is None
    assert newest_version(folder) is None
    table = made(folder)
    assert made(folder).version() == table.version() == 0
    assert table_classes(table) == CLASSES
    assert PROPERTIES.items() <= table.metadata().configuration.items()
    assert pa.schema(table.schema()).equals(SAMPLE_SCHEMA)
    assert live_files(folder) == []


def test_a_pool_has_no_classes(folder: Folder) -> None:
    assert table_classes(ensure_table(folder, POOL_SCHEMA)) is None


def test_of_many_that_create_it_at_once_all_get_it(folder: Folder) -> None:
    with ThreadPoolExecutor(6) as pool:
        for i in range(20):  # delta-rs by default rebases a second creation: one race in ten
            place = folder.child(str(i))
            tables = list(pool.map(made, [place] * 6))
            assert {table.metadata().id for table in tables} == {tables[0].metadata().id}
            assert newest_version(place) == 0


def test_other_classes_or_columns_are_a_conflict(folder: Folder) -> None:
    made(folder)
    text = r"created with the classes 0, no\|way, cat; the job says 0, dog. A class list is fixed"
    with pytest.raises(OutputConflictError, match=text):
        ensure_table(folder, SAMPLE_SCHEMA, ("0", "dog"))
    with pytest.raises(OutputConflictError, match=r"the columns sample_id, .* stands there"):
        ensure_table(folder, POOL_SCHEMA)


# ---- tables of earlier versions -----------------------------------------------------


def earlier(schema: pa.Schema) -> pa.Schema:
    return pa.schema([f for f in schema if f.name not in LATER_COLUMNS])


def test_an_earlier_table_gets_the_columns_that_came_later(folder: Folder, rows: Rows) -> None:
    """Its rows stay, with nothing in them; readers see both kinds."""
    old = ensure_table(folder, earlier(SAMPLE_SCHEMA), CLASSES)
    first = write_shard(
        rows(4).select(earlier(SAMPLE_SCHEMA).names), folder, "data/train/job/u-0", CLASSES, (4,)
    )
    commit_once(folder, old, Commit("one", 1, [first]), lambda _: None)
    table = made(folder)
    assert sorted(pa.schema(table.schema()).names) == sorted(SAMPLE_SCHEMA.names)
    assert table_classes(table) == CLASSES
    assert [f.path for f in live_files(folder)] == [first.path]
    full = rows(3, start=4)
    place = full.schema.get_field_index("pixels_sha256")
    named = full.set_column(place, full.schema.field(place), pa.array(["a", "b", "c"]))
    second = write_shard(named, folder, "data/train/job/u-1", CLASSES, (3,))
    commit_once(folder, table, Commit("two", 1, [second]), lambda _: None)
    expected = ["a", "b", "c", None, None, None, None]
    found = pl.scan_delta(folder.uri).select("pixels_sha256").collect()["pixels_sha256"]
    assert found.sort(nulls_last=True).to_list() == expected
    column = open_dataset(folder.uri).to_table(["pixels_sha256"])["pixels_sha256"].to_pylist()
    assert sorted(column, key=lambda v: (v is None, v or "")) == expected


def test_of_many_that_extend_it_at_once_one_does(folder: Folder) -> None:
    with ThreadPoolExecutor(6) as pool:
        for i in range(10):
            place = folder.child(str(i))
            ensure_table(place, earlier(POOL_SCHEMA))
            tables = list(pool.map(ensure_table, [place] * 6, [POOL_SCHEMA] * 6))
            names = {tuple(sorted(pa.schema(table.schema()).names)) for table in tables}
            assert names == {tuple(sorted(POOL_SCHEMA.names))}
            assert ensure_table(place, POOL_SCHEMA).version() == newest_version(place)


@pytest.mark.parametrize("schema", [POOL_SCHEMA, earlier(POOL_SCHEMA)])
def test_a_table_of_other_columns_is_left_as_it_is(folder: Folder, schema: pa.Schema) -> None:
    ensure_table(folder, schema)
    with pytest.raises(OutputConflictError, match="stands there; expected sample_id"):
        made(folder)
    with pytest.raises(OutputConflictError, match="a table with the columns"):
        ensure_table(folder, pa.schema([*POOL_SCHEMA, pa.field("more", pa.string())]))
    assert newest_version(folder) == 0


def test_a_table_of_other_classes_is_left_as_it_is(folder: Folder) -> None:
    ensure_table(folder, earlier(SAMPLE_SCHEMA), ("0", "1"))
    with pytest.raises(OutputConflictError, match="created with the classes 0, 1"):
        made(folder)
    assert newest_version(folder) == 0


def test_a_job_of_an_earlier_version_finds_its_table_as_it_was(folder: Folder) -> None:
    old = ensure_table(folder, earlier(SAMPLE_SCHEMA), CLASSES)
    assert ensure_table(folder, earlier(SAMPLE_SCHEMA), CLASSES).version() == old.version() == 0
