"""A shard as it is read: texts and bytes in the plain types of Arrow, whoever wrote it.

delta-rs and polars write views, pandas dictionaries and large texts, for which pyarrow lacks
half of its functions. Knows nothing of columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class ShardFile(pq.ParquetFile):  # type: ignore[misc]
    """A Parquet file whose rows come in plain types: `string` for every text, no views, no
    dictionaries. Other types are as they stand. derived: columns that the file does not hold."""

    derived: frozenset[str] = frozenset()

    def rows_in(self, group: int) -> int:
        """Rows of a row group."""
        return int(self.metadata.row_group(group).num_rows)

    def paths(self) -> list[str]:
        """All leaves, as columns are asked for by them."""
        return [self.schema.column(i).path for i in range(len(self.schema))]

    def leaves(self, name: str) -> list[str]:
        """Those to read for a column. Of a list of structs one short leaf is enough to know how
        long each list is."""
        found = [path for path in self.paths() if path == name or path.startswith(f"{name}.")]
        short = [path for path in found if path.endswith((".role", ".op"))]
        return short or found

    @property
    def schema_arrow(self) -> pa.Schema:
        return plain_schema(super().schema_arrow)

    def iter_batches(self, *args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in super().iter_batches(*args, **kwargs):
            yield plain(batch)

    def read_row_group(self, *args: Any, **kwargs: Any) -> pa.Table:
        return plain(super().read_row_group(*args, **kwargs))

    def read(self, *args: Any, **kwargs: Any) -> pa.Table:
        return plain(super().read(*args, **kwargs))


def image_bytes(value: Any) -> bytes:
    """Encoded bytes of an image cell: our struct of bytes and path, or plain bytes; b"" where
    it holds none."""
    found = value.get("bytes") if isinstance(value, dict) else value
    return found if isinstance(found, bytes) else b""


def plain(rows: Any) -> Any:
    """rows: a table or a batch. The same rows in plain types; the very object where they are."""
    schema = plain_schema(rows.schema)
    return rows if schema.equals(rows.schema) else rows.cast(schema)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    fields = [field.with_type(_plain(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def _plain(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_string_view(kind) or types.is_large_string(kind):
        return pa.string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([f.with_type(_plain(f.type)) for f in kind.fields])
    for test, made in ((types.is_list, pa.list_), (types.is_large_list, pa.large_list)):
        if test(kind):
            return made(kind.value_field.with_type(_plain(kind.value_type)))
    return kind
