"""ONNX files: a protobuf of graphs within graphs, and what its inputs are for."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import onnx
from onnx import helper

from augment.checkpoints.onnx_graph import read_graph
from augment.checkpoints.sniff import sniff
from augment.errors import CheckpointError
from augment.generators.families.onnx.roles import roles_of
from augment.spec.generators import OnnxGenerator
from tests.generators import onnx_graphs

TOKENS = (b"\x0a\x02", b"\x3a\x04", b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"Loop",
          b"RandomNormal", b"com.evil", b"\x32", b"\x72\x01\x01", b"\x6a\x02\x0a\x00")  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    made = {
        "plain": onnx_graphs.plain(), "class": onnx_graphs.by_index(), "looped": looped(),
        "onehot": onnx_graphs.by_onehot(), "image": onnx_graphs.translating(),
    }  # fmt: skip
    return {name: model.SerializeToString() for name, model in made.items()}


def looped() -> onnx.ModelProto:
    """A graph in an attribute of a node, as If and Loop have them."""
    model = onnx_graphs.plain()
    inner = helper.make_node("If", ["c"], ["o"], then_branch=model.graph, else_branch=model.graph)
    model.graph.node.append(inner)
    return model


def one(data: bytes) -> None:
    sniff(data)
    with contextlib.suppress(CheckpointError):
        roles_of("m", OnnxGenerator(family="onnx", checkpoint="."), read_graph(data, "m"))
