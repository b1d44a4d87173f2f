"""What an audit knows of one row: narrow, flat columns, the same for our tables and foreign ones.

    split label_name origin generated generator source    always there, see `Layout`
    sample_id label checkpoint digital_source_type sha256 job_id rank parents transforms
    marks                                                 where the shard has them

parents, transforms and marks are the lengths of the lists; with marks there are said, the marks
themselves, and claims, whether one of them is of `codec.CLAIMS`. Images are read here only of
shards that do not say where their rows come from (`foreign`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.row_attributes import LIST, is_plain, names_in, values_of
from augment.audit.table import DataSet, Shard, class_names, column, leaf, open_shard, read_columns
from augment.codec import CLAIMS
from augment.errors import RequestError
from augment.sample import GENERATED_ORIGINS, LATER_COLUMNS, POOL_SCHEMA, Origin

CELL = ("split", "label_name", "origin", "generated", "generator", "source")
"""The columns that count: a cell is one combination of them."""

ALL_ROWS = "all"
"""The split of rows that have no split column."""

ATTRIBUTE = "attribute "
"""Before an attribute's name, the name of the column of its values."""

NO_LABEL = "(none)"
"""The class of rows whose label is null, or none of the class list."""

_WHERE = {
    "split": "split",
    "label_name": "label_name",
    "origin": "origin",
    "generated": "generated",
    "generator": "generator.id",
    "source": "source.name",
    "sample_id": "sample_id",
    "label": "label",
    "checkpoint": "generator.checkpoint_sha256",
    "digital_source_type": "digital_source_type",
    "sha256": "sha256",
    "job_id": "job_id",
    "parents": "parents",
    "transforms": "transforms",
    "marks": "marks",
    "rank": "rank",
    "pixels_sha256": "pixels_sha256",
    "locator": "source.locator",
}
_OF_CELLS = {*CELL, "label"}
_ALWAYS = frozenset(_WHERE) - {"pixels_sha256", "locator"}
_LISTS = ("parents", "transforms", "marks")
_CLAIMS = pa.array(sorted(CLAIMS))
_GENERATED = pa.array([origin.value for origin in GENERATED_ORIGINS])


@dataclass(frozen=True)
class Facts:
    """The rows of one batch of one shard. rows: flat columns; classes: the shard's class list;
    given: what the shard itself holds, the rest was filled in ("classes": its class list).
    seen: what was found in its images. attributes: names that rows have values of, where some were
    asked for."""

    shard: str
    rows: pa.Table
    classes: tuple[str, ...]
    given: frozenset[str]
    seen: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()

    def lacks(self, names: Iterable[str], seen: bool = False) -> list[str]:
        """Those of the names that the shard does not hold. seen: nor its images."""
        return [
            name for name in names if name not in self.given and not (seen and name in self.seen)
        ]


def named(rows: pa.Table, at: int, shard: str) -> str:
    """One of some rows of a shard, for people who must find it."""
    for key, what in (("sample_id", "sample"), ("locator", "image")):
        if key in rows.column_names and (value := rows[key][at].as_py()):
            return f"{what} {value}, {shard}"
    return f"a row of class {rows['label_name'][at].as_py()!r}, {shard}"


def read_facts(
    data: DataSet,
    shard: Shard,
    names: Collection[str] = _ALWAYS,
    attributes: Collection[str] = (),
) -> Iterator[Facts]:
    """The facts of a shard, batch by batch, in row order. names: the columns of them that are
    read; those of `CELL` always are. attributes: names of some, each a column with its values.

    Raises:
        RequestError: the shard does not say the class of a row or whether it is generated.
        StorageError: the shard vanished or is damaged.
    """
    with open_shard(data, shard) as file:
        schema, seen = file.schema_arrow, file.derived
    classes = class_names(schema)
    _check_columns(data, shard, schema, classes, seen)
    wanted = {name: path for name, path in _WHERE.items() if name in names or name in _OF_CELLS}
    held = frozenset(name for name, path in _WHERE.items() if leaf(schema, path) is not None)
    given = held - seen
    if classes:
        given |= {"classes"}
    own = [name for name in attributes if is_plain(name, leaf(schema, name))]
    more = [*own, LIST] if attributes else []
    for batch in read_columns(data, shard, tuple(dict.fromkeys((*wanted.values(), *more)))):
        rows = _flat(batch, classes)
        for name in attributes:
            values = values_of(batch, name, name in own)
            rows = rows.append_column(f"{ATTRIBUTE}{name}", pa.chunked_array([values]))
        there = names_in(batch, schema) if attributes else frozenset()
        yield Facts(shard.path, rows, classes, given, seen, there)


def _check_columns(
    data: DataSet,
    shard: Shard,
    schema: pa.Schema,
    classes: tuple[str, ...],
    seen: frozenset[str],
) -> None:
    of_pools = set(POOL_SCHEMA.names).difference(LATER_COLUMNS)
    if of_pools <= set(schema.names) and "split" not in schema.names:
        raise RequestError(
            f"{data.name}: is a pool, which holds what generators made, not a data set; "
            "give the folder that the job names as output.uri"
        )
    missing = []
    if "label_name" not in schema.names and not _label_is_enough(schema, classes):
        missing.append("label_name (or label as text, or label with `datasets` class names)")
    if "origin" not in schema.names and "generated" not in schema.names:
        missing.append("origin or generated")
    if missing:
        own = [name for name in schema.names if name not in seen]
        raise RequestError(
            f"{data.name}: shard {shard.path} has no column {' and no column '.join(missing)}, so "
            f"its rows cannot be counted by class and origin; it has {', '.join(own)}. "
            "Audit a data set that `augment` wrote, or add the columns"
        )


def _label_is_enough(schema: pa.Schema, classes: tuple[str, ...]) -> bool:
    if "label" not in schema.names:
        return False
    return bool(classes) or pa.types.is_string(schema.field("label").type)


def _flat(batch: pa.RecordBatch, classes: tuple[str, ...]) -> pa.Table:
    n = batch.num_rows
    label_name = _label_name(batch, classes)
    origin, generated = _origin(batch)
    columns = {
        "split": _text(column(batch, "split"), n, ALL_ROWS),
        "label_name": _text(label_name, n, NO_LABEL),
        "origin": _text(origin, n, "(none)"),
        "generated": pc.fill_null(generated, False),
        "generator": _or_null(column(batch, "generator.id"), n),
        "source": _or_null(column(batch, "source.name"), n),
    }
    for name, path in _WHERE.items():
        if name not in columns and (found := column(batch, path)) is not None:
            is_list = name in _LISTS
            columns[name] = pc.fill_null(pc.list_value_length(found), 0) if is_list else found
            if name == "marks":
                columns["claims"], columns["said"] = _claims(found), found
    return pa.table(columns)


def _claims(marks: pa.Array) -> pa.Array:
    """Whether a mark of the row says that a machine made it."""
    said = pc.is_in(pc.list_flatten(marks), value_set=_CLAIMS)
    rows = pc.list_parent_indices(marks).filter(said)
    return pc.is_in(pa.array(np.arange(len(marks))), value_set=rows)


def _label_name(batch: pa.RecordBatch, classes: tuple[str, ...]) -> pa.Array:
    if (names := column(batch, "label_name")) is not None:
        return names
    label: Any = column(batch, "label")
    if pa.types.is_string(label.type):
        return label
    known = pc.and_(pc.greater_equal(label, 0), pc.less(label, len(classes)))
    return pa.array(classes, pa.string()).take(pc.if_else(known, label, None))


def _origin(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
    origin, generated = column(batch, "origin"), column(batch, "generated")
    if origin is None:
        origin = pc.if_else(generated, Origin.SYNTHETIC.value, Origin.REAL.value)
    if generated is None:
        generated = pc.is_in(origin, value_set=_GENERATED)
    return origin, generated


def _text(array: pa.Array | None, n: int, otherwise: str) -> pa.Array:
    return pc.fill_null(_or_null(array, n), otherwise)


def _or_null(array: pa.Array | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.string()) if array is None else array.cast(pa.string())
