"""onnx: which input is which, as the job or the graph says, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from augment.spec.generators import OnnxGenerator
from tests.generators.onnx_graphs import (
    CLASSES,
    FLOAT,
    INT,
    by_index,
    by_onehot,
    plain,
    refused,
    shaped,
    translating,
    write,
)


@pytest.mark.parametrize(
    ("made", "keys", "text"),
    [
        (plain(), {}, "generators.mine: the checkpoint is unconditional; say which class its"),
        (
            by_index(),
            {},
            "generators.mine: the graph knows its classes only as indexes; say which is which with "
            "generators.mine.class_index ({name: index} or {file: FILE}), or import it again with "
            "--classes FILE",
        ),
        (
            by_onehot(),
            {"range": [0, 255]},
            "generators.mine.inputs: got no mapping, and z (float32 [?, 5]), y (float32 [?, 3]) "
            "can be read in several ways; expected inputs: {z: NAME, class: NAME, image: NAME}, "
            "as far as the graph has them",
        ),
        (
            plain(),
            {"label": "x", "inputs": {"z": "noise"}},
            "generators.mine.inputs.z: got 'noise'; expected z, the graph's inputs",
        ),
        (
            by_index(),
            {"inputs": {"z": "z"}, "label": "x"},
            "generators.mine.inputs: got no role for y (int64 [?]), which the graph needs; "
            "expected a graph that needs z, class and image only, each named here",
        ),
        (
            by_index(),
            {"inputs": {"z": "z", "class": "z"}},
            "generators.mine.inputs: got one input in two roles; expected one input for each role",
        ),
        (
            by_index(),
            {"class_as": "onehot", "config_classes": CLASSES},
            "generators.mine.class_as: got onehot for y (int64 [?]); expected an input of shape "
            "[rows, classes] with onehot",
        ),
        (
            by_onehot(),
            {"inputs": {"z": "z", "class": "y"}, "class_as": "index", "config_classes": CLASSES},
            "generators.mine.class_as: got index for y (float32 [?, 3]); expected an input of "
            "shape [rows] or [rows, 1] with index",
        ),
        (
            plain(),
            {"label": "x", "class_as": "index"},
            "generators.mine.class_as: has no effect, the graph takes no class; expected no such "
            "key",
        ),
        (
            plain(),
            {"label": "x", "image_range": [0, 1]},
            "generators.mine.image_range: has no effect, the graph takes no image; expected no "
            "such key",
        ),
        (
            translating(),
            {"label": "x"},
            "generators.mine.label: has no effect, the graph takes an image and so any class; "
            "expected no such key",
        ),
        (
            translating(with_noise=False),
            {"sampling": {"temperature": 0.5}},
            "generators.mine.sampling.temperature: has no effect, the graph takes no latent; "
            "expected no such key",
        ),
        (
            plain(),
            {"label": "x", "output": "imgae"},
            "generators.mine.output: got 'imgae'; expected image, the graph's outputs. Did you "
            "mean 'image'?",
        ),
        (
            plain(),
            {"label": "x", "layout": "NHWC"},
            "generators.mine.output: got image (float32 [?, 3, 4, 4]) as NHWC; expected 1 or 3 "
            "channels and sides of at most 16384",
        ),
        (
            by_index(),
            {
                "class_index": {"a": 0},
                "config_classes": CLASSES[:2],
                "config_init": {"num_classes": 3},
            },
            "generators.mine: generator.json: classes: 2 names, expected 3, the classes of the "
            "graph; import it again with --classes FILE",
        ),
        (
            by_index(),
            {"class_index": {"a": 3}, "config_init": {"num_classes": 3}},
            "generators.mine.class_index.a: got 3; expected 0 to 2, the checkpoint's indexes",
        ),
    ],
)
def test_what_the_job_must_say(
    tmp_path: Path, made: onnx.ModelProto, keys: dict[str, Any], text: str
) -> None:
    said = refused(write(tmp_path, made, **keys))
    assert said.startswith(text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            shaped([("y", INT, ["b"])]),
            "inputs: got no latent and no image, so every sample of a class would be the same; "
            "expected a graph that takes a latent z or a source image",
        ),
        (
            shaped([("z", FLOAT, ["b", "n"])]),
            "inputs.z: got z (float32 [?, ?]); expected floats of a fixed size for each row: "
            "export it so",
        ),
        (
            shaped([("z", FLOAT, ["b", 1 << 21])]),
            "inputs.z: got z (float32 [?, 2097152]); exp",
        ),
        (
            shaped([("z", FLOAT, [2, 4]), ("y", INT, [3])]),
            "inputs: got different numbers of rows: z (float32 [2, 4]), y (int64 [3]); expected",
        ),
        (
            shaped([("z", FLOAT, ["b", 4])], ("image", FLOAT, ["b", 3, "h", "w"])),
            "output: got image (float32 [?, 3, ?, ?]) as NCHW; expected fixed channels, height and",
        ),
        (
            shaped([("z", FLOAT, ["b", 4])], ("image", FLOAT, ["b", 3, 4, 3])),
            "output: got image (float32 [?, 3, 4, 3]), whose channels cannot be told; expected "
            "layout: NCHW or NHWC",
        ),
        (
            shaped([("z", FLOAT, ["b", 4])], ("image", INT, ["b", 3, 4, 4])),
            "output: got image (int64",
        ),
        (
            shaped([("z", FLOAT, ["b", 4])], ("image", FLOAT, ["b", 48])),
            "output: got image (float",
        ),
        (
            shaped([("x", FLOAT, ["b", 3, "h", "w"])]),
            "inputs.image: got x (float32 [?, 3, ?, ?]) as NCHW; expected fixed channels, height",
        ),
        (
            shaped([("psi", FLOAT, [])]),
            "inputs: got no mapping, and psi (float32 []) can be",
        ),
    ],
)
def test_graphs_whose_shapes_do_not_say_enough(tmp_path: Path, data: bytes, text: str) -> None:
    assert refused(write(tmp_path, data)).startswith(f"generators.mine.{text}")


@pytest.mark.parametrize("value", [[-1, 2], [1, 0], [0], [0, 1, 2], "[0, 1]"])
def test_ranges_are_three(value: Any) -> None:
    with pytest.raises(ValueError, match="range"):
        OnnxGenerator.model_validate({"family": "onnx", "checkpoint": "c", "range": value})
