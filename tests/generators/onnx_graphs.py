"""Tiny ONNX graphs and the folders that hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from augment.errors import CheckpointError
from augment.generators import describe
from augment.spec.generators import OnnxGenerator

CLASSES = ["no", "12:30", "0"]
Z, SIDE = 5, 4
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def weight(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    values = np.random.default_rng(seed).normal(0.0, 0.7, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def constant(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def model(nodes: Any, inputs: Any, outputs: Any, weights: Any) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 10
    onnx.checker.check_model(made)
    return made


def plain(batch: int | str = "b", z_shape: Sequence[int] = (Z,), seed: int = 0) -> onnx.ModelProto:
    """tanh(z W), reshaped: no class."""
    nodes = [
        helper.make_node("Flatten", ["z"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["m"]),
        helper.make_node("Tanh", ["m"], ["t"]),
        helper.make_node("Reshape", ["t", "shape"], ["image"]),
    ]
    weights = [weight("w", Z, 3 * SIDE * SIDE, seed=seed), constant("shape", -1, 3, SIDE, SIDE)]
    inputs = [("z", FLOAT, [batch, *z_shape])]
    return model(nodes, inputs, [("image", FLOAT, [batch, 3, SIDE, SIDE])], weights)


def by_index(
    table: np.ndarray | None = None, rank: int = 1, batch: int | str = "b"
) -> onnx.ModelProto:
    """tanh(z W + E[class])."""
    rows = numpy_helper.to_array(weight("e", 3, 48, seed=1)) if table is None else table
    embed = [helper.make_node("Gather", ["e", "y"], ["g"])]
    if rank == 2:
        embed = [
            helper.make_node("Squeeze", ["y", "axis"], ["flat"]),
            helper.make_node("Gather", ["e", "flat"], ["g"]),
        ]
    nodes = [
        *embed,
        helper.make_node("MatMul", ["z", "w"], ["m"]),
        helper.make_node("Add", ["m", "g"], ["s"]),
        helper.make_node("Tanh", ["s"], ["t"]),
        helper.make_node("Reshape", ["t", "shape"], ["image"]),
    ]
    weights = [
        weight("w", Z, 48),
        numpy_helper.from_array(rows.astype(np.float32), "e"),
        constant("shape", -1, 3, SIDE, SIDE),
        constant("axis", 1),
    ]
    inputs = [("z", FLOAT, [batch, Z]), ("y", INT, [batch] if rank == 1 else [batch, 1])]
    return model(nodes, inputs, [("image", FLOAT, [batch, 3, SIDE, SIDE])], weights)


def by_onehot() -> onnx.ModelProto:
    """The same, the class as a row of floats, the image channels last in [0, 255]."""
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["m"]),
        helper.make_node("MatMul", ["y", "e"], ["g"]),
        helper.make_node("Add", ["m", "g"], ["s"]),
        helper.make_node("Sigmoid", ["s"], ["t"]),
        helper.make_node("Mul", ["t", "white"], ["bright"]),
        helper.make_node("Reshape", ["bright", "shape"], ["image"]),
    ]
    white = numpy_helper.from_array(np.array(255.0, dtype=np.float32), "white")
    weights = [
        weight("w", Z, 48), weight("e", 3, 48, seed=1), white, constant("shape", -1, SIDE, SIDE, 3),
    ]  # fmt: skip
    inputs = [("z", FLOAT, ["b", Z]), ("y", FLOAT, ["b", 3])]
    return model(nodes, inputs, [("image", FLOAT, ["b", SIDE, SIDE, 3])], weights)


def translating(with_noise: bool = True) -> onnx.ModelProto:
    """Half the source plus a little noise, a value a row."""
    nodes = [helper.make_node("Mul", ["source", "half"], ["image" if not with_noise else "m"])]
    inputs = [("source", FLOAT, ["b", 3, 6, 5])]
    if with_noise:
        nodes += [
            helper.make_node("Tanh", ["z"], ["t"]),
            helper.make_node("Mul", ["t", "half"], ["n"]),
            helper.make_node("Add", ["m", "n"], ["image"]),
        ]
        inputs.append(("z", FLOAT, ["b", 1, 1, 1]))
    half = numpy_helper.from_array(np.array(0.5, dtype=np.float32), "half")
    return model(nodes, inputs, [("image", FLOAT, ["b", 3, 6, 5])], [half])


def greedy(values: int) -> onnx.ModelProto:
    """The mean of `values` equal values a row, on the way to its image."""
    nodes = [
        helper.make_node("Shape", ["z"], ["rows"], end=1),
        helper.make_node("Concat", ["rows", "values"], ["wide"], axis=0),
        helper.make_node("Expand", ["z", "wide"], ["many"]),
        helper.make_node("ReduceMean", ["many"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["rows", "size"], ["shape"], axis=0),
        helper.make_node("Expand", ["mean4", "shape"], ["flat"]),
        helper.make_node("Tanh", ["flat"], ["image"]),
    ]
    nodes.insert(4, helper.make_node("Unsqueeze", ["mean", "axes"], ["mean4"]))
    weights = [constant("values", values), constant("size", 3, 4, 4), constant("axes", 2, 3)]
    inputs, outputs = [("z", FLOAT, ["b", 1])], [("image", FLOAT, ["b", 3, 4, 4])]
    return model(nodes, inputs, outputs, weights)


def write(folder: Path, made: onnx.ModelProto | bytes, **keys: Any) -> OnnxGenerator:
    """A checkpoint folder and the spec that names it; `config_KEY` goes into generator.json."""
    folder.mkdir(parents=True, exist_ok=True)
    data = made if isinstance(made, bytes) else made.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    config = {
        "format": "augment-generator/1",
        "family": "onnx",
        "init": {},
        "license": "CC0-1.0",
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    config |= {k.removeprefix("config_"): v for k, v in keys.items() if k.startswith("config_")}
    (folder / "generator.json").write_text(json.dumps(config))
    more = {k: v for k, v in keys.items() if not k.startswith("config_")}
    return OnnxGenerator.model_validate({"family": "onnx", "checkpoint": str(folder), **more})


def shaped(inputs: Any, output: Any = ("image", FLOAT, ["b", 3, 4, 4])) -> bytes:
    """A file whose graph only declares; nothing here runs it."""
    graph = helper.make_graph(
        [helper.make_node("Identity", [inputs[0][0]], [output[0]])],
        "g",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*output)],
    )
    return bytes(helper.make_model(graph).SerializeToString())


def refused(spec: OnnxGenerator) -> str:
    with pytest.raises(CheckpointError) as caught:
        describe("mine", spec)
    return str(caught.value)
