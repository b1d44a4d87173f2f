"""The value of an attribute in every row of a batch: of a column of its name, else of the entry of
that name in the rows' list `attributes`, the first where there are several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LIST = "attributes"
"""The column that lists (name, value) pairs."""
_IDS = ("sample_id", "sha256", "pixels_sha256", "job_id", "rank")
_TOLD = ("label", "label_name", "split", "generated", "origin", "digital_source_type", "license")
_NOT = frozenset((*_IDS, *_TOLD, "weight", "width", "height"))
"""Columns that mean something else."""


def is_plain(name: str, kind: pa.DataType | None) -> bool:
    """Whether a column can be an attribute: of texts, truth values or numbers."""
    if kind is None or name in _NOT:
        return False
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_boolean(kind) or types.is_integer(kind)
        or types.is_floating(kind)
    )  # fmt: skip


def names_in(batch: pa.RecordBatch, schema: pa.Schema) -> frozenset[str]:
    """Names of which the rows of a batch, or columns of their shard, have values."""
    columns = {field.name for field in schema if is_plain(field.name, field.type)}
    found = _pairs(batch)
    return frozenset(columns if found is None else columns | set(pc.unique(found[1]).to_pylist()))


def values_of(batch: pa.RecordBatch, name: str, own: bool) -> pa.Array:
    """Texts, null where a row has none. own: whether there is a column of that name."""
    if own:
        return batch.column(name).cast(pa.string())
    found = _pairs(batch)
    if found is None:
        return pa.nulls(batch.num_rows, pa.string())
    rows, names, values = found
    mine = pc.equal(names, name)
    at, first = np.unique(rows.filter(mine).to_numpy(), return_index=True)
    taken = np.full(batch.num_rows, -1)
    taken[at] = first
    index = pa.array(taken, mask=taken < 0)
    return values.filter(mine).cast(pa.string()).take(index)


def _pairs(batch: pa.RecordBatch) -> tuple[Any, Any, Any] | None:
    """(row, name, value) of every entry; None where the batch has no such list."""
    if LIST not in batch.schema.names:
        return None
    lists = batch.column(LIST)
    if not pa.types.is_list(lists.type) or not pa.types.is_struct(lists.type.value_type):
        return None
    entries = lists.flatten()
    if {"name", "value"} - {field.name for field in entries.type.fields}:
        return None
    return pc.list_parent_indices(lists), entries.field("name"), entries.field("value")
