"""A version of a data set as a `pyarrow.dataset.Dataset`: exactly its live files, no orphans."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from augment.audit.promised import refuse_lost
from augment.audit.table import DataSet, Options, open_data_set, open_delta, open_shard
from augment.errors import RequestError


def open_dataset(
    uri: str,
    version: int | None = None,
    split: str | None = None,
    options: Options | None = None,
) -> Any:
    """The rows of a version (None: the newest) as a `pyarrow.dataset.Dataset`, with the class
    names in its schema's `huggingface` metadata. split: only its rows; its row groups are
    told apart by their statistics, so others are not read.

    Raises:
        RequestError: no data set, no Delta log, no such version or no such split.
        StorageError: the log or the first shard cannot be read, or the log has lost all rows.
    """
    data = open_data_set(uri, version, options)
    if data.version is None:
        raise RequestError(
            f"{data.folder.uri}: has no Delta log, so nothing says which files belong to it; "
            "open a folder of Parquet files with pyarrow.dataset.dataset(...)"
        )
    refuse_lost(data)
    table = open_delta(data.folder, data.version)
    schema = _schema(data, pa.schema(table.schema().to_arrow()))
    found = table.to_pyarrow_dataset(schema=schema, filesystem=_files(data))
    return found if split is None else _only(data, found, split)


def _files(data: DataSet) -> fs.FileSystem | None:
    """Where the shards are read from, None for delta-rs's own way: it reads the names of some
    local folders as others."""
    if not data.folder.is_local:
        return None
    return fs.SubTreeFileSystem(data.folder.uri, fs.LocalFileSystem())


def _schema(data: DataSet, logged: pa.Schema) -> pa.Schema:
    """The shards' own schema where it has the log's columns: the log keeps no metadata."""
    if not data.shards:
        return logged
    with open_shard(data, data.shards[0]) as file:
        own = file.schema_arrow
    return own if own.names == logged.names else logged


def _only(data: DataSet, found: Any, split: str) -> Any:
    if "split" not in found.schema.names:
        raise RequestError(f"{data.name}: has no column split; leave the split out")
    part = found.filter(pc.field("split") == split)
    if part.head(1, columns=["split"]).num_rows:
        return part
    names = pc.unique(found.to_table(columns=["split"])["split"]).to_pylist()
    raise RequestError(
        f"{data.name}: got split {split!r}; expected one of {', '.join(sorted(map(str, names)))}"
    )
