"""A network that never ends costs its time and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augment.audit.table import DataSet
from augment.errors import CheckpointError, UnitFailed
from augment.features import describe, read_asked
from augment.features.kept import Shelf, shard_name
from augment.run.extraction.extract_unit import ExtractTask, unit_text
from augment.run.extraction.slow import described, too_slow
from augment.storage import Folder
from augment.write import Work
from tests.run.extraction.conftest import RANDOM

ALONE = """
import sys
from augment.features import read_asked
from augment.run.extraction.slow import described
described(read_asked(f"onnx={sys.argv[1]}"), None, float(sys.argv[2]))
"""


def write_looping(path: Path) -> Path:
    """A graph of 300 bytes that squares an image's mean colour 2^62 times."""
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Mul", ["v", "v"], ["w"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("on", TensorProto.BOOL, []),
         value("v", TensorProto.FLOAT, None)],
        [value("still", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, None)],
    )  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Loop", ["times", "yes", "mean"], ["y"], body=body),
        ],
        "graph",
        [value("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [value("y", TensorProto.FLOAT, ["N", 3])],
        initializer=[
            numpy_helper.from_array(np.int64(1 << 62), "times"),
            numpy_helper.from_array(np.bool_(True), "yes"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return path


def test_what_ends_is_described_as_ever() -> None:
    assert described(RANDOM[0], None, 600.0) == describe(RANDOM[0])


def test_a_graph_without_an_end_ends_the_process_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    graph = write_looping(tmp_path / "loop.onnx")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(graph), "5"], capture_output=True, text=True, check=False
    )
    assert done.returncode == CheckpointError.exit_code
    assert f"augment: {too_slow('onnx', 5)}\n" in done.stderr


def test_a_unit_whose_extractor_was_too_slow_in_this_run_is_not_tried_again(
    data: DataSet, tmp_path: Path
) -> None:
    (info,) = infos = (describe(read_asked("random")),)
    shelf = Shelf(Folder(f"{tmp_path}/shelf"))
    task = ExtractTask(replace(data, shards=()), RANDOM, infos, shelf, "run-1", extractor_s=7.0)
    shard = data.shards[0]
    work = Work(shelf.folder.child("tries"))
    note = {"run": "run-1", "stage": "make", "positions": [], "reason": "timeout"}
    work.note(work.begin(shard_name(shard.path).partition(".")[0]), note)
    with pytest.raises(UnitFailed, match="extractor random: loading it, or one batch of images"):
        task.worker()(unit_text(shard))
    other = replace(task, run="run-2").worker()
    assert json.loads(other(unit_text(shard)))["made"] == [info.name]
