"""Shards as other programs write them: rows come in plain types, and audits judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from augment.audit import audit, trace
from augment.audit.shard_file import ShardFile, plain
from tests.audit.conftest import small_set


def failed(report: Any) -> set[str]:
    return {finding.check for finding in report.findings}


def test_a_version_that_delta_rs_wrote_anew_is_judged(builder: Any, small_rows: Any) -> None:
    """It writes views, for which pyarrow lacks functions."""
    builder.build(small_rows)
    before = audit(builder.uri, deep=True)
    gone = small_rows["data/test/digits-0123456789ab/test-00000-cccccccccccc.parquet"][0]
    DeltaTable(builder.uri).delete(f"sample_id = '{gone.sample_id}'")
    new = next(builder.path.glob("part-*.parquet"))
    assert pa.types.is_string_view(pq.read_schema(new).field("split").type)
    report = audit(builder.uri, deep=True)
    assert failed(report) - failed(before) == {"committed", "log"}
    kept = next(r for rows in small_rows.values() for r in rows if r.sample_id != gone.sample_id)
    assert trace(builder.uri, kept.sample_id).sample.row["sha256"] == kept.sha256


@pytest.mark.parametrize("writer", ["polars", "pandas", "views"])
def test_a_folder_of_another_writer_is_judged(tmp_path: Path, writer: str) -> None:
    rows = [row for rows in small_set().values() for row in rows]
    path = tmp_path / "train-0.parquet"
    columns: dict[str, Any] = {
        "image": [row.image for row in rows],
        "label": [row.label_name for row in rows],
        "split": [row.split for row in rows],
        "generated": [row.generated for row in rows],
    }
    match writer:
        case "polars":
            pl.DataFrame(columns).write_parquet(path)
        case "pandas":
            frame = pd.DataFrame(columns).astype({"label": "category", "split": "category"})
            frame.to_parquet(path)
        case _:
            table = pa.table(columns)
            texts = {
                "image": pa.binary_view(),
                "label": pa.string_view(),
                "split": pa.string_view(),
            }
            for name, kind in texts.items():
                at = table.schema.get_field_index(name)
                table = table.set_column(at, name, table[name].cast(kind))
            pq.write_table(table, path)
    report = audit(str(tmp_path), deep=True)
    assert report.whole.rows == len(rows)
    assert report.ok


def test_what_is_plain_is_not_copied() -> None:
    table = pa.table({"a": ["x"], "b": [1], "c": pa.array([[{"d": "e"}]])})
    assert plain(table) is table


def test_texts_below_lists_and_structs_are_plain(tmp_path: Path) -> None:
    view = pa.string_view()
    kinds = [
        pa.struct([("a", view), ("b", pa.int64())]),
        pa.list_(pa.struct([("a", view)])),
        pa.large_list(pa.large_string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ]
    values: list[list[Any]] = [[{"a": "x", "b": 1}], [[{"a": "y"}]], [["z"]], ["w"]]
    arrays = [pa.array(v, k) for v, k in zip(values, kinds, strict=True)]
    table = pa.table(arrays, names=list("abcd")).replace_schema_metadata({"k": "v"})
    pq.write_table(table, tmp_path / "x.parquet")
    with ShardFile(tmp_path / "x.parquet") as file:
        assert [str(kind) for kind in file.schema_arrow.types] == [
            "struct<a: string, b: int64>",
            "list<element: struct<a: string>>",
            "large_list<element: string>",
            "string",
        ]
        assert file.schema_arrow.metadata[b"k"] == b"v"
        batch = next(file.iter_batches())
        for read in (batch, file.read(), file.read_row_group(0)):
            assert read.schema.equals(file.schema_arrow)
            assert read.to_pylist() == table.to_pylist()
