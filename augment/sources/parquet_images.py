"""Image columns of Parquet files: which types hold images, and values as bytes or paths.

Knows nothing of labels, splits or storage.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from augment.errors import SampleError


class ImagePath(NamedTuple):
    """An image that stands in a file of its own, as its column names it."""

    text: str


Item = bytes | ImagePath | SampleError
EXPECTED = "binary, a struct of bytes and path, or a string column of paths"
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
           pa.types.is_fixed_size_binary)  # fmt: skip
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _TEXT)


def is_binary(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _BINARY)


def holds_image(kind: pa.DataType) -> bool:
    """Whether a column of this type may hold encoded images or paths of them."""
    kind = plain_type(kind)
    if pa.types.is_struct(kind):
        fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        data, path = fields.get("bytes"), fields.get("path")
        return (data is not None and is_binary(plain_type(data))) or (
            data is None and path is not None and is_text(plain_type(path))
        )
    return is_text(kind) or is_binary(kind) or _is_octets(kind)


def holds_paths(kind: pa.DataType) -> bool:
    """Whether every value of a column of this type is a text."""
    kind = plain_type(kind)
    if pa.types.is_struct(kind):
        return "bytes" not in kind.names
    return is_text(kind)


def _is_octets(kind: pa.DataType) -> bool:
    """Lists of single bytes, as Spark and Java write them."""
    lists = any(test(kind) for test in _LISTS)
    return lists and (pa.types.is_uint8(kind.value_type) or pa.types.is_int8(kind.value_type))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """What a dictionary or an extension type holds."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return plain_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that rows can be taken from: pyarrow takes none from views."""
    kind = _takeable(column.type)
    return column if kind == column.type else column.cast(kind)


def _takeable(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([field.with_type(_takeable(field.type)) for field in fields])
    return kind


def items(column: pa.ChunkedArray, where: str) -> list[Item]:
    """What each row holds. where: of the rows, for errors."""
    kind = plain_type(column.type)
    if _is_octets(kind):
        return [_octets(scalar, where) for scalar in column]
    return [_item(value, where) for value in column.to_pylist()]


def _item(value: Any, where: str) -> Item:
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        value = path if data is None else data
    if isinstance(value, bytes):
        return value
    return ImagePath(value) if value else SampleError("empty", f"{where}: the row holds no image")


def _octets(scalar: Any, where: str) -> Item:
    if not scalar.is_valid:
        return SampleError("empty", f"{where}: the row holds no image")
    values = scalar.values
    if values.null_count:
        return SampleError("unreadable", f"{where}: a list of bytes with gaps")
    return bytes(np.asarray(values).astype(np.uint8).tobytes())
