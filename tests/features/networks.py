"""Files of tiny or random networks, made here: nothing is fetched."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from augment.seeds import stream


def random_tensors(shapes: dict[str, tuple[int, ...]], seed: str = "test") -> dict[str, Any]:
    """torch tensors that keep what passes through them of a sensible size."""
    import torch

    found = {}
    for name, shape in shapes.items():
        rng, fan = stream(seed, name), max(1, int(np.prod(shape[1:])))
        values = np.sqrt(2.0 / fan) * rng.standard_normal(shape)
        if name.endswith("running_var"):
            values = np.ones(shape)
        elif len(shape) == 1:
            values = np.ones(shape) if name.endswith("weight") else 0.1 * rng.standard_normal(shape)
        found[name] = torch.from_numpy(np.asarray(values, np.float32))
    return found


def of_module(module: Any) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@cache
def inception_tensors() -> dict[str, Any]:
    """Of torch-fidelity's network: its names and shapes, random numbers."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Blank(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, state_dict: Any, *more: Any, **named: Any) -> None:
            """It begins with what it drew."""

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        torch.save({}, f"{folder}/empty.pth")
        blank = Blank("inception", ["2048"], feature_extractor_weights_path=f"{folder}/empty.pth")
    found = random_tensors(of_module(blank))
    counted = {
        name: torch.tensor(0) for name in blank.state_dict() if name.endswith("num_batches_tracked")
    }
    return {**found, **counted}


def write_dinov2(folder: Path, **settings: Any) -> Path:
    """A DINOv2 of 42 px with patches of 14."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    model = Dinov2Model(Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=42, patch_size=14,
        mlp_ratio=2,
    ))  # fmt: skip
    return _write(model, folder, {
        "size": {"shortest_edge": 48}, "crop_size": {"height": 42, "width": 42},
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], **settings,
    })  # fmt: skip


def write_clip(folder: Path, **settings: Any) -> Path:
    """A CLIP of 32 px with patches of 8, text tower included."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(1)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=100, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=8,
    )  # fmt: skip
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=24
    )
    return _write(CLIPModel(config), folder, {"size": {"shortest_edge": 32},
                                               "crop_size": 32, **settings})  # fmt: skip


def _write(model: Any, folder: Path, settings: dict[str, Any]) -> Path:
    model.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def write_onnx(path: Path, side: int | str = 16, *, last: bool = False, rows: Any = "N") -> Path:
    """A graph of one layer: means of the colours over the picture, and their doubles as a second
    output."""
    import onnx
    from onnx import TensorProto, helper

    shape = [rows, side, side, 3] if last else [rows, 3, side, side]
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2] if last else [2, 3])
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("Mul", ["means", "two"], ["doubled"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 3])
         for name in ("means", "doubled")],
        [axes, two],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return path


def photos() -> list[np.ndarray]:
    """Pictures of different sizes and shapes, (H, W, 3) uint8."""
    rng = np.random.default_rng(5)
    sizes = [(40, 40), (70, 50), (33, 90), (40, 40), (120, 121)]
    coarse = [rng.integers(0, 256, (h // 5 + 1, w // 5 + 1, 3)) for h, w in sizes]
    return [
        np.kron(image, np.ones((5, 5, 1)))[:h, :w].astype(np.uint8)
        for image, (h, w) in zip(coarse, sizes, strict=True)
    ]
