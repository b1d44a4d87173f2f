"""Small generators with random weights in the files that their own programs write.

Each function writes one checkpoint below a folder and gives the path that an import takes.
The networks are built in code and trained on nothing: they show the way of a checkpoint into
a job, not pictures. Tensor names and shapes are those of the official programs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from augment.generators.families import biggan
from augment.generators.families.autoregressive import model as autoregressive_model
from augment.generators.families.stylegan import stylegan3_layers
from augment.generators.families.translation.unet_i2i import UnetInit

CLASSES = 10
Arrays = dict[str, np.ndarray]


def spread(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Arrays:
    """Normal numbers, scaled by the inputs of each value where a tensor has two axes or more."""
    rng = np.random.default_rng(seed)
    return {
        key: (rng.standard_normal(shape) / math.sqrt(max(1, math.prod(shape[1:])))).astype(
            np.float32
        )
        for key, shape in shapes.items()
    }


def saved(arrays: Arrays, path: Path) -> Path:
    """A state dict as torch.save writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: torch.from_numpy(value) for key, value in arrays.items()}, path)
    return path


# ---- biggan: a folder with pytorch_model.bin and config.json ---------------------------


def biggan_folder(folder: Path) -> Path:
    """BigGAN-deep of 32 x 32 pixels as pytorch-pretrained-BigGAN saves it."""
    config: dict[str, Any] = {
        "output_dim": 32, "z_dim": 16, "class_embed_dim": 8, "num_classes": CLASSES,
        "channel_width": 8, "layers": [[True, 4, 4], [True, 4, 2], [True, 2, 1]],
        "attention_layer_position": 2, "eps": 1e-4, "n_stats": 51,
    }  # fmt: skip
    known = {key: config[key] for key in config if key in biggan.BigGanInit.model_fields}
    arrays = spread(biggan.parameter_shapes(biggan.BigGanInit.model_validate(known)))
    for key in arrays:
        if key.endswith("running_means"):
            arrays[key] *= 0.1
        elif key.endswith("running_vars"):
            arrays[key] = np.full_like(arrays[key], 0.1)
    saved(_normalised(arrays), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


def _normalised(arrays: Arrays) -> Arrays:
    """Weights as spectral normalisation keeps them: the weight, and the two vectors between
    which it has its largest singular value."""
    found: Arrays = {}
    for key, value in arrays.items():
        if not key.endswith(".weight") or key in ("embeddings.weight", "generator.bn.weight"):
            found[key] = value
            continue
        u, _, v = np.linalg.svd(value.reshape(len(value), -1), full_matrices=False)
        found |= {f"{key}_orig": value, f"{key}_u": u[:, 0], f"{key}_v": v[0]}
    return found


# ---- stylegan3: the state dict of G_ema ------------------------------------------------


def stylegan3_file(folder: Path) -> Path:
    """StyleGAN3-T of 32 x 32 pixels, built with the official defaults but for its widths."""
    mapping = {
        "z_dim": 32, "c_dim": CLASSES, "w_dim": 32, "num_layers": 2, "embed_features": 32,
        "layer_features": 32, "lr_multiplier": 0.01, "w_avg": True,
    }  # fmt: skip
    init = stylegan3_layers.StyleGan3Init.model_validate({
        "mapping": mapping, "img_resolution": 32, "img_channels": 3, "widths": [16] * 6,
        "num_critical": 2, "first_cutoff": 2.0, "first_stopband": 2.0**2.1,
        "last_stopband_rel": 2.0**0.3, "margin_size": 10, "filter_size": 6,
        "lrelu_upsampling": 2, "conv_kernel": 3, "use_radial_filters": False,
        "conv_clamp": 256.0, "output_scale": 0.25,
    })  # fmt: skip
    rng = np.random.default_rng(0)
    arrays = {
        key: _stylegan3_tensor(key, shape, rng)
        for key, shape in stylegan3_layers.parameter_shapes(init).items()
    }
    return saved(arrays, folder / "G_ema.pt")


def _stylegan3_tensor(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """As the official program begins to train it; its filters are plain bumps."""
    if key.endswith("_filter"):
        bump = np.hanning(shape[0] + 2)[1:-1]
        return np.asarray(bump / bump.sum(), np.float32)
    match key.removeprefix("synthesis.input."):
        case "transform":
            return np.eye(3, dtype=np.float32)
        case "affine.weight":
            return np.zeros(shape, np.float32)
        case "affine.bias":
            return np.array([1, 0, 0, 0], np.float32)
        case "freqs":
            return rng.uniform(-1.4, 1.4, shape).astype(np.float32)
    if key.endswith((".affine.bias", "magnitude_ema")):
        return np.ones(shape, np.float32)
    if key.endswith(("bias", "w_avg")):
        return np.zeros(shape, np.float32)
    scale = 100.0 if key.startswith("mapping.fc") else 1.0  # divided by its learning rate's share
    return (rng.standard_normal(shape) * scale).astype(np.float32)


# ---- unet_i2i: latest_net_G.pth --------------------------------------------------------


def unet_file(folder: Path) -> Path:
    """pix2pix's U-Net with six halvings, so for sides that are multiples of 64."""
    init = UnetInit(input_nc=3, output_nc=3, ngf=8, norm="batch", dropout=True, num_downs=6)
    arrays = spread(init.shapes())
    for key in arrays:
        if key.endswith("running_var"):
            arrays[key] = np.ones_like(arrays[key])
        elif key.endswith("running_mean"):
            arrays[key] = np.zeros_like(arrays[key])
    return saved(arrays, folder / "latest_net_G.pth")


# ---- autoregressive: LlamaGen's two files in one ---------------------------------------


def llamagen_file(folder: Path) -> Path:
    """A transformer over 4 x 4 codes and the decoder that makes 16 x 16 pixels of them."""
    init = autoregressive_model.AutoregressiveInit.model_validate({
        "transformer": {
            "kind": "llamagen", "grid": 4, "vocab_size": 64, "num_classes": CLASSES, "dim": 32,
            "n_layer": 2, "n_head": 4, "n_kv_head": 4, "hidden": 64,
        },
        "decoder": {
            "codebook_size": 64, "codebook_embed_dim": 8, "z_channels": 16,
            "widths": [16, 16, 16], "num_res_blocks": 1, "norm_groups": 8,
        },
    })  # fmt: skip
    arrays = spread(autoregressive_model.parameter_shapes(init))
    parts = {
        part: {
            key.removeprefix(f"{part}."): value
            for key, value in arrays.items()
            if key.startswith(f"{part}.")
        }
        for part in ("transformer", "decoder")
    }
    path = folder / "llamagen.safetensors"
    join_llamagen(parts["transformer"], parts["decoder"], path, n_head=4, block_size=16,
                  norm_groups=8)  # fmt: skip
    return path


def join_llamagen(transformer: Arrays, decoder: Arrays, path: Path, **config: int) -> None:
    """The file that an import takes, from the state dicts of LlamaGen's two: `model` of
    c2i_*.pt and of vq_*.pt. config: n_head and block_size (tokens of an image), which no
    shape tells, and norm_groups where it is not 32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    joined = {f"transformer.{key}": value for key, value in transformer.items()}
    joined |= {f"decoder.{key}": value for key, value in decoder.items()}
    save_file(joined, path, metadata={"config": json.dumps(config)})


# ---- onnx: a graph ---------------------------------------------------------------------


def onnx_file(folder: Path) -> Path:
    """z and a class index to 32 x 32 grey pixels: an embedding, a dense layer and three
    transposed convolutions, as an exported decoder has them."""
    arrays = spread({
        "embedding": (CLASSES, 16), "dense": (32, 32 * 16), "up0": (32, 16, 4, 4),
        "up1": (16, 8, 4, 4), "up2": (8, 1, 4, 4),
    })  # fmt: skip
    arrays = {key: value * (4.0 if key.startswith("up") else 1.0) for key, value in arrays.items()}
    arrays["embedding"] *= 4.0
    stem = numpy_helper.from_array(np.array([-1, 32, 4, 4], np.int64), "stem")
    weights = [numpy_helper.from_array(value, key) for key, value in arrays.items()]
    nodes = [
        helper.make_node("Gather", ["embedding", "class"], ["embedded"]),
        helper.make_node("Concat", ["z", "embedded"], ["joined"], axis=1),
        helper.make_node("MatMul", ["joined", "dense"], ["flat"]),
        helper.make_node("Reshape", ["flat", "stem"], ["x0"]),
        *_doubling("x0", "up0", "x1", "Relu"),
        *_doubling("x1", "up1", "x2", "Relu"),
        *_doubling("x2", "up2", "image", "Tanh"),
    ]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 16]),
            helper.make_tensor_value_info("class", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 32, 32])],
        [*weights, stem],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "decoder.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _doubling(before: str, weight: str, after: str, activation: str) -> Sequence[Any]:
    """A transposed convolution that doubles the side, and what follows it."""
    wide = f"{after}_raw"
    return [
        helper.make_node(
            "ConvTranspose", [before, weight], [wide], strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        helper.make_node(activation, [wide], [after]),
    ]
