"""A graph in the ONNX format as an extractor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.errors import CheckpointError
from augment.features import build, read_asked
from augment.features.resizing import resized
from tests.features.networks import photos, write_onnx


def means(side: int) -> np.ndarray:
    return (resized(photos(), side) / 255).mean((1, 2))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("rows", ["N", 2])
def test_the_last_output_unless_another_is_named(tmp_path: Path, last: bool, rows: Any) -> None:
    file = write_onnx(tmp_path / "m.onnx", last=last, rows=rows)
    usual = build(read_asked(f"onnx={file}"))
    np.testing.assert_allclose(usual(photos()), 2 * means(16), atol=1e-6)
    other = build(read_asked(f"onnx={file},output=means,input=pixels,size=16"))
    np.testing.assert_allclose(other(photos()), means(16), atol=1e-6)
    assert usual.info.digest != other.info.digest
    assert (usual.info.name, usual.info.version, usual.info.dimensions) == ("onnx", 1, 3)


def test_mean_and_deviation(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "m.onnx", side="S")
    text = f"onnx={file},output=means,size=20,mean=0.5/0.4/0.3,std=0.5/1/2"
    expected = (means(20) - [0.5, 0.4, 0.3]) / [0.5, 1, 2]
    np.testing.assert_allclose(build(read_asked(text))(photos()), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "keys", "text"),
    [
        ("S", "", "which takes any size; expected size=N"),
        (16, ",size=20", "and the size asked for is 20; expected one square"),
        (16, ",output=x", r"output: got x; expected one of its outputs; the graph has means"),
        (16, ",input=x", r"input: got x; expected one input, the images; the graph has pixels"),
        (4096, "", "expected float32 images"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, side: Any, keys: str, text: str) -> None:
    file = write_onnx(tmp_path / "m.onnx", side=side)
    with pytest.raises(CheckpointError, match=text):
        build(read_asked(f"onnx={file}{keys}"))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"extractor onnx: m\.onnx"):
        build(read_asked(f"onnx={tmp_path}/m.onnx"))


def test_an_output_that_is_no_vector_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "same",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 8, 8])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(tmp_path / "m.onnx"))
    with pytest.raises(CheckpointError, match=r"came out as \(1, 3, 8, 8\) for 1 images; expected"):
        build(read_asked(f"onnx={tmp_path}/m.onnx"))
