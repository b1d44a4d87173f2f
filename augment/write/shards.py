"""Parquet shards: one table in, one file whose bytes are a pure function of the table.

Row groups are cut by image bytes, so readers hold one at a time. Everything is zstd, but
large images are stored as they are: they are compressed already. The schema metadata lets
`datasets` show decoded images and class names. Knows nothing of Delta or of jobs.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from augment.sample import SCHEMA_VERSION
from augment.seeds import canonical_json
from augment.storage import Folder

_IMAGES = ("image", "mask")
_CATEGORIES = (
    "label", "label_name", "weight", "split", "origin", "generated", "digital_source_type",
    "width", "height", "license", "source.name", "generator.id", "generator.checkpoint_sha256",
    "generator.family", "generator.conditioning", "job_id", "generated_at",
    "attributes.list.element.name", "attributes.list.element.value",
    "parents.list.element.role", "transforms.list.element.op",
    "scores.list.element.name", "marks.list.element",
)  # fmt: skip
_BLOBS = ("image.bytes", "mask.bytes")

SMALL_IMAGE_BYTES = 16 << 10
"""Up to this mean size image bytes go through zstd too: their headers and XMP marks repeat.
Measured: JPEGs of 9 KB shrink by 6 % for 9 us each; PNGs of 87 KB not at all for 40 us."""


@dataclass(frozen=True)
class ShardEntry:
    """One published shard. path: relative to the table. size: bytes. group_rows: rows of
    each row group, in order."""

    path: str
    size: int
    sha256: str
    rows: int
    group_rows: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "group_rows": list(self.group_rows)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ShardEntry:
        return cls(**{**value, "group_rows": tuple(value["group_rows"])})

    def stats(self) -> str:
        """The statistics of a Delta log entry: the number of rows."""
        return json.dumps({"numRecords": self.rows})


def write_shard(
    table: pa.Table,
    folder: Folder,
    prefix: str,
    class_names: Sequence[str] | None,
    group_rows: Sequence[int],
) -> ShardEntry:
    """Publish `table` as `<prefix>-<first 12 hex digits of its sha256>.parquet`.

    prefix: for example `data/train/<job>/<unit>`. class_names: of ClassLabel, row order =
    label; None for a pool. group_rows: rows of each row group; `cut_by_bytes` makes them.
    Equal input gives equal bytes and so the same name; a name that exists is success.

    Raises:
        StorageError: the shard could not be written.
    """
    data = parquet_bytes(table, class_names, group_rows)
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"{prefix}-{sha256[:12]}.parquet"
    folder.publish(path, memoryview(data))
    return ShardEntry(path, data.size, sha256, table.num_rows, tuple(group_rows))


def parquet_bytes(
    table: pa.Table, class_names: Sequence[str] | None, group_rows: Sequence[int]
) -> pa.Buffer:
    """The Parquet file of `table`; deterministic for the same pyarrow build.

    Raises:
        ValueError: group_rows do not add up to the rows of the table, or one is not > 0.
    """
    if sum(group_rows) != table.num_rows or any(n < 1 for n in group_rows):
        raise ValueError(f"row groups {list(group_rows)} do not cut {table.num_rows} rows")
    schema = table.schema.with_metadata(schema_metadata(table.schema, class_names))
    sink = pa.BufferOutputStream()  # its buffer is handed on without a copy
    with pq.ParquetWriter(sink, schema, **_options(table)) as writer:
        start = 0
        for n in group_rows:
            rows = table.slice(start, n).replace_schema_metadata(schema.metadata)
            writer.write_table(rows, row_group_size=n)
            start += n
    return sink.getvalue()


def cut_by_bytes(sizes: Sequence[int], target_bytes: int) -> tuple[int, ...]:
    """Rows of each row group: a group is closed before the row that would take its sum of
    `sizes` over `target_bytes`; a larger row stands alone."""
    groups: list[int] = []
    rows = total = 0
    for size in sizes:
        if rows and total + size > target_bytes:
            groups.append(rows)
            rows = total = 0
        rows, total = rows + 1, total + size
    return (*groups, rows) if rows else tuple(groups)


def image_sizes(table: pa.Table) -> list[int]:
    """Bytes of each row's image."""
    lengths = pc.binary_length(pc.struct_field(table.column("image"), "bytes"))
    return [n or 0 for n in lengths.to_pylist()]


def schema_metadata(schema: pa.Schema, class_names: Sequence[str] | None) -> dict[str, str]:
    """Metadata of the file: `huggingface` (what `datasets` 4 and later reads) and `augment`."""
    features = {f.name: _feature(f.name, f.type, class_names) for f in schema}
    return {
        "huggingface": json.dumps({"info": {"features": features}}, ensure_ascii=False),
        "augment": canonical_json({"schema": SCHEMA_VERSION}),
    }


def _feature(name: str, kind: pa.DataType, class_names: Sequence[str] | None) -> Any:
    if name in _IMAGES:
        return {"_type": "Image"}
    if name == "label" and class_names is not None:
        return {"names": list(class_names), "_type": "ClassLabel"}
    if pa.types.is_list(kind):
        return {"feature": _feature("", kind.value_type, None), "_type": "List"}
    if pa.types.is_struct(kind):
        return {f.name: _feature("", f.type, None) for f in kind}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


@lru_cache(maxsize=8)
def _leaves(schema: pa.Schema) -> tuple[str, ...]:
    """Parquet paths of the leaf columns, asked of Parquet itself."""
    sink = io.BytesIO()
    pq.ParquetWriter(sink, schema).close()
    leaves = pq.ParquetFile(sink).schema
    return tuple(leaves.column(i).path for i in range(len(leaves)))


def _options(table: pa.Table) -> dict[str, Any]:
    leaves = _leaves(table.schema.remove_metadata())
    small = sum(image_sizes(table)) <= SMALL_IMAGE_BYTES * table.num_rows
    plain = () if small else _BLOBS
    return {
        "compression": {name: "NONE" if name in plain else "ZSTD" for name in leaves},
        "use_dictionary": [name for name in leaves if name in _CATEGORIES],
        "write_statistics": [name for name in leaves if name not in _BLOBS],
    }
