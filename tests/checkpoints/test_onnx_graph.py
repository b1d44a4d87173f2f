"""The inert reader of ONNX files: it agrees with onnx, and hostile files end in one error."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from augment.checkpoints.onnx_graph import (
    DOMAINS,
    FIELDS,
    MAX_DEPTH,
    MAX_FIELDS,
    RANDOM,
    read_graph,
)
from augment.errors import CheckpointError
from tests.generators.onnx_graphs import by_index, by_onehot, plain, translating


def refused(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_graph(data, "model.onnx")
    said = str(caught.value)
    assert said.startswith("model.onnx: got ")
    return said.removeprefix("model.onnx: got ")


def changed(change: Callable[[onnx.ModelProto], Any]) -> bytes:
    model = plain()
    change(model)
    return bytes(model.SerializeToString())


# ---- the format ----------------------------------------------------------------------


def test_the_table_is_that_of_onnx() -> None:
    """All of it but opaque types, which only custom operators have."""
    kind, shape = onnx.TypeProto.DESCRIPTOR, onnx.TensorShapeProto.DESCRIPTOR
    nested = {
        "Tensor": kind.nested_types_by_name["Tensor"],
        "Dimension": shape.nested_types_by_name["Dimension"],
    }
    for message, fields in FIELDS.items():
        descriptor = nested[message] if message in nested else getattr(onnx, message).DESCRIPTOR
        theirs = {f.number: f.name for f in descriptor.fields if f.name != "opaque_type"}
        assert fields == theirs, message


@pytest.mark.parametrize("model", [plain(), plain(batch=4), by_index(), by_onehot(), translating()])
def test_facts_are_those_that_onnx_reads(model: onnx.ModelProto) -> None:
    graph = read_graph(model.SerializeToString(), "m")
    for ours, theirs in ((graph.inputs, model.graph.input), (graph.outputs, model.graph.output)):
        assert [v.name for v in ours] == [v.name for v in theirs]
        for value, proto in zip(ours, theirs, strict=True):
            tensor = proto.type.tensor_type
            numpys = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            assert value.dtype == np.dtype(numpys).name
            assert value.dims == tuple(d.dim_value or None for d in tensor.shape.dim)


def test_inputs_that_have_a_value_in_the_file_are_none() -> None:
    """Files of IR version 3 list their weights among the inputs."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [5, 48]))

    assert [v.name for v in read_graph(changed(change), "m").inputs] == ["z"]


def test_what_is_no_tensor_has_no_type() -> None:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.input[:]
        model.graph.input.append(
            helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [1])
        )
        model.graph.input.append(helper.make_tensor_value_info("t", TensorProto.STRING, None))

    graph = read_graph(changed(change), "m")
    assert [(v.name, v.dtype, v.dims) for v in graph.inputs] == [
        ("s", None, None),
        ("t", None, None),
    ]
    assert str(graph.inputs[0]) == "s (no tensor [?])"


# ---- what could run or reach more than standard operators do -------------------------


def with_domain(domain: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].domain = domain

    return change


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.training", "evil", "ai.onnx.ml.x"])
def test_other_domains(domain: str) -> None:
    assert refused(changed(with_domain(domain))) == (
        f"an operator of the domain '{domain}'; expected standard operators (ai.onnx, "
        "ai.onnx.ml): export it without custom or fused ones"
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_standard_domains(domain: str) -> None:
    assert read_graph(changed(with_domain(domain)), "m").inputs


def branching(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node inside both branches of an If."""
    body = helper.make_graph([node], "body", [], [])
    return helper.make_node("If", ["c"], ["o"], then_branch=body, else_branch=body)


def custom() -> onnx.NodeProto:
    return helper.make_node("Run", ["z"], ["o"], domain="evil")


def test_other_domains_inside_a_branch() -> None:
    data = changed(lambda m: m.graph.node.append(branching(branching(custom()))))
    assert refused(data).startswith("an operator of the domain 'evil'; expected")


def function(domain: str, node: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function(domain, "F", ["x"], ["o"], [node], [helper.make_opsetid("", 17)])


def test_functions() -> None:
    harmless = helper.make_node("Identity", ["x"], ["o"])
    other = changed(lambda m: m.functions.append(function("evil", harmless)))
    assert refused(other).startswith("a function of the domain 'evil'; expected")
    inside = changed(lambda m: m.functions.append(function("", custom())))
    assert refused(inside).startswith("an operator of the domain 'evil'; expected")
    good = changed(lambda m: m.functions.append(function("", harmless)))
    assert read_graph(good, "m").inputs


def outside(name: str = "w", path: str = "../../etc/passwd") -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), name)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=path)
    return tensor


def in_attribute(**attribute: Any) -> Callable[[onnx.ModelProto], None]:
    return lambda m: m.graph.node.append(helper.make_node("Constant", [], ["k"], **attribute))


def half_outside(model: onnx.ModelProto) -> None:
    """Only the location says so, only the key says so."""
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def only_key(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="x")


def sparse(part: str) -> onnx.SparseTensorProto:
    values, indices = numpy_helper.from_array(np.zeros(1, np.float32), "s"), constant_index()
    tensors = {"values": values, "indices": indices, part: outside("s")}
    return helper.make_sparse_tensor(tensors["values"], tensors["indices"], [4])


def constant_index() -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(1, np.int64), "i")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.graph.initializer.append(outside()),
        half_outside,
        only_key,
        in_attribute(value=outside()),
        lambda m: m.graph.sparse_initializer.append(sparse("values")),
        lambda m: m.graph.sparse_initializer.append(sparse("indices")),
        in_attribute(sparse_value=sparse("values")),
        lambda m: m.graph.node.append(
            branching(helper.make_node("Constant", [], ["k"], value=outside()))
        ),
    ],
)
def test_data_outside_the_file(change: Callable[[onnx.ModelProto], Any]) -> None:
    assert refused(changed(change)) == (
        "a tensor whose data lies outside the file; expected one file: export it again so"
    )


def test_a_message_in_two_parts_hides_nothing() -> None:
    """A parser merges the parts of one attribute: the reader looks into each."""
    data = bytearray(changed(in_attribute(value=numpy_helper.from_array(np.zeros(1)))))
    plainly = onnx.AttributeProto(name="value", t=outside()).SerializeToString()
    node = onnx.NodeProto(op_type="Constant").SerializeToString()
    node += b"\x2a" + bytes([len(plainly)]) + plainly
    graph = onnx.GraphProto().SerializeToString() + b"\x0a" + bytes([len(node)]) + node
    data = bytearray(b"\x3a" + bytes([len(graph)]) + graph)
    assert refused(bytes(data)).startswith("a tensor whose data lies outside the file")


def test_training_information() -> None:
    data = changed(lambda m: m.training_info.add())
    assert refused(data).startswith("it holds training information; expected a graph for inference")


@pytest.mark.parametrize("kind", RANDOM)
def test_operators_that_draw_their_own_random_numbers(kind: str) -> None:
    data = changed(lambda m: m.graph.node.append(branching(helper.make_node(kind, ["z"], ["n"]))))
    assert refused(data) == (
        f"its operator {kind} draws random numbers that no seed here steers; expected a graph "
        "with its noise as an input: export it so"
    )


def test_dropout_is_refused_only_where_it_can_be_on() -> None:
    off = changed(lambda m: m.graph.node.append(helper.make_node("Dropout", ["z", "r"], ["o"])))
    assert read_graph(off, "m").inputs
    on = changed(lambda m: m.graph.node.append(helper.make_node("Dropout", ["z", "r", "t"], ["o"])))
    assert refused(on).startswith("its operator Dropout draws random numbers")


def test_a_field_that_is_not_known_here() -> None:
    data = plain().SerializeToString() + b"\xfa\x06\x00"  # field 111, no bytes
    assert refused(data).startswith("a field 111 of ModelProto that is not known here; expected an")


# ---- what is no ONNX file ------------------------------------------------------------


class Canary:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def nested(depth: int) -> bytes:
    node = helper.make_node("Identity", ["z"], ["o"])
    for _ in range(depth):
        node = branching(node) if depth < 4 else alone(node)
    return changed(lambda m: m.graph.node.append(node))


def alone(node: onnx.NodeProto) -> onnx.NodeProto:
    return helper.make_node("Loop", ["c"], ["o"], body=helper.make_graph([node], "b", [], []))


def test_depth_is_bounded() -> None:
    assert read_graph(nested(MAX_DEPTH), "m").inputs
    assert refused(nested(MAX_DEPTH + 1)).startswith(f"graphs nested deeper than {MAX_DEPTH}")


def test_a_pickle_is_not_even_looked_into(tmp_path: Path) -> None:
    refused(pickle.dumps(Canary(tmp_path / "canary")))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "0 graphs; expected an ONNX file, which has one"),
        (b"\x08\x07", "0 graphs; expected"),
        (b"\x3a\x00\x3a\x00", "2 graphs; expected an ONNX file, which has one"),
        (b"PK\x03\x04" + bytes(50), "a field 10 of ModelProto that is not known here"),
        (b"\x08\x95", "a number that is cut off; expected an ONNX file; fetch it again"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "a number of more than 10 bytes"),
        (b"\x3b\x00", "the wire type 3"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "a field that is longer than the file"),
        (b"\x3a\x05\x00", "a field that is longer than the file"),
        (b"\x38\x07", "a number in the place of a message"),
        (b"\x3a\x05\x0a\x03\x3a\x01\xff", "a name that is not UTF-8"),
        (b"\x3a\x00" + b"\x08\x01" * (MAX_FIELDS + 1), f"more than {MAX_FIELDS} fields; expected"),
    ],
    ids=range(12),
)
def test_what_is_no_onnx_file(data: bytes, text: str) -> None:
    assert refused(data).startswith(text)


def test_cut_anywhere_it_is_one_error_or_none() -> None:
    data = by_index().SerializeToString()
    outcomes = {outcome(data[:n]) for n in range(0, len(data), 3)}
    assert outcomes == {"refused"}


def test_flipped_bytes_are_one_error_or_none() -> None:
    rng, data = random.Random(0), translating().SerializeToString()
    found = []
    for _ in range(2000):
        spoilt = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        found.append(outcome(bytes(spoilt)))
    assert {"refused", "read"} == set(found)


def outcome(data: bytes) -> str:
    try:
        read_graph(data, "m")
    except CheckpointError:
        return "refused"
    return "read"
