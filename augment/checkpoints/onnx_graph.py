"""The facts of an ONNX file, read inertly: what goes in, what comes out, what it is made of.

A small reader of the protobuf wire format over a closed table of onnx.proto's fields: a
field that the table does not name is refused, because a runtime might know it. Refused is
also what could run or reach more than the standard operators do: operators of other domains,
data outside the file, training information, operators that draw their own random numbers.
Knows no runtime and no job.

Source of the format: onnx/onnx.proto of github.com/onnx/onnx (Apache-2.0), IR version 14.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from augment.checkpoints.blob import shown
from augment.errors import CheckpointError

MAX_DEPTH = 16
"""Graphs within graphs (bodies of If and Loop)."""
MAX_FIELDS = 2_000_000
_RANK = 16
"""Dimensions of a tensor that are looked at."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
RANDOM = (
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
)
TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
"""TensorProto.DataType -> numpy's name, of the types that an input or image may have."""

FIELDS: dict[str, dict[int, str]] = {
    "ModelProto": {
        1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain",
        5: "model_version", 6: "doc_string", 7: "graph", 8: "opset_import",
        14: "metadata_props", 20: "training_info", 25: "functions", 26: "configuration",
    },
    "GraphProto": {
        1: "node", 2: "name", 5: "initializer", 10: "doc_string", 11: "input", 12: "output",
        13: "value_info", 14: "quantization_annotation", 15: "sparse_initializer",
        16: "metadata_props",
    },
    "NodeProto": {
        1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute", 6: "doc_string",
        7: "domain", 8: "overload", 9: "metadata_props", 10: "device_configurations",
    },
    "AttributeProto": {
        1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 6: "g", 7: "floats", 8: "ints",
        9: "strings", 10: "tensors", 11: "graphs", 13: "doc_string", 14: "tp",
        15: "type_protos", 20: "type", 21: "ref_attr_name", 22: "sparse_tensor",
        23: "sparse_tensors",
    },
    "TensorProto": {
        1: "dims", 2: "data_type", 3: "segment", 4: "float_data", 5: "int32_data",
        6: "string_data", 7: "int64_data", 8: "name", 9: "raw_data", 10: "double_data",
        11: "uint64_data", 12: "doc_string", 13: "external_data", 14: "data_location",
        16: "metadata_props",
    },
    "SparseTensorProto": {1: "values", 2: "indices", 3: "dims"},
    "FunctionProto": {
        1: "name", 4: "input", 5: "output", 6: "attribute", 7: "node", 8: "doc_string",
        9: "opset_import", 10: "domain", 11: "attribute_proto", 12: "value_info",
        13: "overload", 14: "metadata_props",
    },
    "ValueInfoProto": {1: "name", 2: "type", 3: "doc_string", 4: "metadata_props"},
    "TypeProto": {
        1: "tensor_type", 4: "sequence_type", 5: "map_type", 6: "denotation",
        8: "sparse_tensor_type", 9: "optional_type",
    },
    "Tensor": {1: "elem_type", 2: "shape"},
    "TensorShapeProto": {1: "dim"},
    "Dimension": {1: "dim_value", 2: "dim_param", 3: "denotation"},
}  # fmt: skip
"""Message -> number -> field, of the messages that are looked into."""


@dataclass(frozen=True)
class Value:
    """An input or output. dtype: numpy's name, None where it is no tensor of `TYPES`.
    dims: None where one is open; None as a whole where the file does not say."""

    name: str
    dtype: str | None
    dims: tuple[int | None, ...] | None

    def showing(self, sizes: Sequence[int]) -> Value:
        """With these sizes (without the rows) where its own are open."""
        dims = (None, *sizes) if self.dims is None else self.dims
        if len(dims) != len(sizes) + 1:
            return self
        known = zip(dims[1:], sizes, strict=True)
        return replace(self, dims=(dims[0], *(b if a is None else a for a, b in known)))

    def __str__(self) -> str:
        dims = "?" if self.dims is None else ", ".join("?" if d is None else str(d)
                                                       for d in self.dims)  # fmt: skip
        return f"{shown(self.name)[1:-1]} ({self.dtype or 'no tensor'} [{dims}])"


@dataclass(frozen=True)
class Graph:
    """inputs: without those that have a value of their own in the file. parameters: numbers
    that it holds, in whatever place."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: int = 0

    def showing(self, output: str | None, sizes: Sequence[int] | None) -> Graph:
        """With these sizes (without the rows) where those of an output are open; of the only
        one where `output` names none."""
        only = self.outputs[0].name if len(self.outputs) == 1 else None
        if sizes is None:
            return self
        outputs = [v.showing(sizes) if v.name == (output or only) else v for v in self.outputs]
        return replace(self, outputs=tuple(outputs))


def read_graph(data: bytes | memoryview, place: str) -> Graph:
    """The facts of an ONNX file. place: its name, for errors.

    Raises:
        CheckpointError: it is no ONNX file, or holds what is refused.
    """
    return _Reader(place).model(memoryview(data))


class _Reader:
    def __init__(self, place: str) -> None:
        self._place = place
        self._fields = 0
        self._numbers = 0

    # ---- messages ----

    def model(self, data: memoryview) -> Graph:
        graphs: list[memoryview] = []
        for field, value in self._messages(data, "ModelProto"):
            if field == "graph":
                graphs.append(self._bytes(value))
            elif field == "functions":
                self._function(self._bytes(value))
            elif field == "training_info":
                raise self._refuse(
                    "it holds training information", "a graph for inference: export it again"
                )
        if len(graphs) != 1:
            raise self._refuse(f"{len(graphs)} graphs", "an ONNX file, which has one")
        found = self._graph(graphs[0], 0)
        return replace(found, parameters=self._numbers)

    def _graph(self, data: memoryview, depth: int) -> Graph:
        if depth > MAX_DEPTH:
            raise self._refuse(f"graphs nested deeper than {MAX_DEPTH}", "a flatter graph")
        inputs, outputs, known = list[Value](), list[Value](), set[str]()
        for field, value in self._messages(data, "GraphProto"):
            if field == "node":
                self._node(self._bytes(value), depth)
            elif field == "initializer":
                known.add(self._tensor(self._bytes(value)))
            elif field == "sparse_initializer":
                known.add(self._sparse(self._bytes(value)))
            elif field == "input":
                inputs.append(self._value(self._bytes(value)))
            elif field == "output":
                outputs.append(self._value(self._bytes(value)))
        return Graph(tuple(v for v in inputs if v.name not in known), tuple(outputs))

    def _node(self, data: memoryview, depth: int) -> None:
        kind, inputs = "", 0
        for field, value in self._messages(data, "NodeProto"):
            if field == "op_type":
                kind = self._text(value)
            elif field == "domain":
                self._domain(self._text(value), "an operator")
            elif field == "input":
                inputs += 1
            elif field == "attribute":
                self._attribute(self._bytes(value), depth)
        if kind in RANDOM or (kind == "Dropout" and inputs > 2):
            raise self._refuse(
                f"its operator {kind} draws random numbers that no seed here steers",
                "a graph with its noise as an input: export it so",
            )

    def _attribute(self, data: memoryview, depth: int) -> None:
        for field, value in self._messages(data, "AttributeProto"):
            if field in ("g", "graphs"):
                self._graph(self._bytes(value), depth + 1)
            elif field in ("t", "tensors"):
                self._tensor(self._bytes(value))
            elif field in ("sparse_tensor", "sparse_tensors"):
                self._sparse(self._bytes(value))

    def _function(self, data: memoryview) -> None:
        for field, value in self._messages(data, "FunctionProto"):
            if field == "domain":
                self._domain(self._text(value), "a function")
            elif field == "node":
                self._node(self._bytes(value), 0)
            elif field == "attribute_proto":
                self._attribute(self._bytes(value), 0)

    def _domain(self, domain: str, what: str) -> None:
        if domain not in DOMAINS:
            raise self._refuse(
                f"{what} of the domain {domain!r:.80}",
                "standard operators (ai.onnx, ai.onnx.ml): export it without custom or fused ones",
            )

    def _tensor(self, data: memoryview) -> str:
        """Its name."""
        name, sizes = "", list[int]()
        for field, value in self._messages(data, "TensorProto"):
            if field == "name":
                name = self._text(value)
            elif field == "dims":
                sizes += self._whole_numbers(value)
            elif field == "external_data" or (field == "data_location" and value != 0):
                raise self._refuse(
                    "a tensor whose data lies outside the file", "one file: export it again so"
                )
        self._numbers += min(math.prod(sizes[:_RANK]), len(data))
        return name

    def _whole_numbers(self, value: int | memoryview) -> list[int]:
        """Of a field that holds one, or several in a row."""
        if isinstance(value, int):
            return [value]
        found, at = list[int](), 0
        while at < len(value) and len(found) <= _RANK:
            number, at = self._varint(value, at)
            found.append(number)
        return found

    def _sparse(self, data: memoryview) -> str:
        """The name of its values."""
        name = ""
        for field, value in self._messages(data, "SparseTensorProto"):
            if field in ("values", "indices"):
                found = self._tensor(self._bytes(value))
                name = found if field == "values" else name
        return name

    def _value(self, data: memoryview) -> Value:
        name, dtype, dims = "", None, None
        for field, value in self._messages(data, "ValueInfoProto"):
            if field == "name":
                name = self._text(value)
            elif field == "type":
                dtype, dims = self._type(self._bytes(value))
        return Value(name, dtype, dims)

    def _type(self, data: memoryview) -> tuple[str | None, tuple[int | None, ...] | None]:
        dtype: str | None = None
        dims: tuple[int | None, ...] | None = None
        for field, value in self._messages(data, "TypeProto"):
            if field != "tensor_type":
                continue
            for inner, found in self._messages(self._bytes(value), "Tensor"):
                if inner == "elem_type":
                    dtype = TYPES.get(found) if isinstance(found, int) else None
                else:
                    dims = self._shape(self._bytes(found))
        return dtype, dims

    def _shape(self, data: memoryview) -> tuple[int | None, ...]:
        dims: list[int | None] = []
        for _, value in self._messages(data, "TensorShapeProto"):
            size: int | None = None
            for field, found in self._messages(self._bytes(value), "Dimension"):
                if field == "dim_value" and isinstance(found, int) and 0 < found < 1 << 31:
                    size = found
            dims.append(size)
        return tuple(dims)

    # ---- the wire ----

    def _messages(self, data: memoryview, message: str) -> Iterator[tuple[str, int | memoryview]]:
        """Name and value of every field: a number, or the bytes of text, message or list."""
        known, at = FIELDS[message], 0
        while at < len(data):
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise self._refuse(f"more than {MAX_FIELDS} fields", "a smaller graph")
            tag, at = self._varint(data, at)
            name = known.get(tag >> 3)
            if name is None:
                raise self._refuse(
                    f"a field {tag >> 3} of {message} that is not known here",
                    "an ONNX file, of IR version 14 or older",
                )
            value, at = self._field(data, at, tag & 7)
            yield name, value

    def _field(self, data: memoryview, at: int, wire: int) -> tuple[int | memoryview, int]:
        if wire == 0:
            return self._varint(data, at)
        if wire == 2:
            size, at = self._varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise self._no_onnx(f"the wire type {wire}")
        if size > len(data) - at:
            raise self._no_onnx("a field that is longer than the file")
        return data[at : at + size], at + size

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= len(data):
                raise self._no_onnx("a number that is cut off")
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
        raise self._no_onnx("a number of more than 10 bytes")

    def _bytes(self, value: int | memoryview) -> memoryview:
        if isinstance(value, int):
            raise self._no_onnx("a number in the place of a message")
        return value

    def _text(self, value: int | memoryview) -> str:
        try:
            return bytes(self._bytes(value)).decode()
        except UnicodeDecodeError:
            raise self._no_onnx("a name that is not UTF-8") from None

    def _no_onnx(self, found: str) -> CheckpointError:
        return self._refuse(found, "an ONNX file; fetch it again")

    def _refuse(self, found: str, expected: str) -> CheckpointError:
        return CheckpointError(f"{self._place}: got {found}; expected {expected}")
