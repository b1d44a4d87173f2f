"""Networks of realistic shape with random weights, one for each family, as a job names them.

Each is small enough for one CPU thread and large enough that a batch takes as long as one
of a small trained network does. Knows nothing of how they are run or timed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import save

from augment.generators.families import biggan
from augment.generators.families.autoregressive import model as autoregressive_model
from augment.generators.families.diffusion import host as diffusion
from augment.generators.families.diffusion import unet2d
from augment.generators.families.stylegan import stylegan2, stylegan3_layers
from augment.generators.families.translation import unet_i2i
from augment.generators.families.translation.host import all_shapes
from augment.generators.families.translation.resnet_i2i import ResnetInit

Words = dict[str, Any]
"""What a job says of a generator."""
CLASSES = [str(k) for k in range(10)]
DIGITS = Path(__file__).parent.parent / "examples" / "digits" / "checkpoint"


@dataclass(frozen=True)
class Workload:
    """One family's part of the benchmark.

    batch: rows. batches: of one measured run. write: its checkpoint below a folder. source:
    side in pixels of the JPEG images that it is made from, 0 where it takes none.
    """

    batch: int
    batches: int
    write: Callable[[Path], Words]
    source: int = 0


def spread(shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0) -> dict[str, np.ndarray]:
    """Normal numbers, scaled by the inputs of each value where a tensor has two axes or more."""
    rng = np.random.default_rng(0)
    return {
        key: np.asarray(
            rng.standard_normal(shape) * gain / math.sqrt(max(1, math.prod(shape[1:]))), np.float32
        )
        for key, shape in shapes.items()
    }


def checkpoint(
    folder: Path, family: str, init: BaseModel, arrays: dict[str, np.ndarray], **more: Any
) -> Words:
    """An imported folder and the words that name it."""
    weights = save(arrays)
    document = {
        "format": "augment-generator/1",
        "family": family,
        "init": init.model_dump(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "generator.json").write_text(json.dumps(document))
    return {"family": family, "checkpoint": str(folder)}


# ---- noise and class to image ----------------------------------------------------------


def _vae(folder: Path) -> Words:
    """The shipped decoder of 32 x 32 digits."""
    return {"family": "vae", "checkpoint": str(DIGITS)}


def _mapping(lr_multiplier: float) -> dict[str, Any]:
    return {
        "z_dim": 128, "c_dim": len(CLASSES), "w_dim": 128, "num_layers": 2, "w_avg": True,
        "embed_features": 128, "layer_features": 128, "lr_multiplier": lr_multiplier,
    }  # fmt: skip


def _stylegan2(folder: Path) -> Words:
    init = stylegan2.StyleGan2Init.model_validate({
        "mapping": _mapping(1.0), "widths": [64, 64, 64, 32, 16], "img_channels": 3,
        "architecture": "skip", "use_noise": True, "taps": 4, "conv_clamp": None,
        "activation": "lrelu",
    })  # fmt: skip
    arrays = spread(stylegan2.parameter_shapes(init))
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    arrays |= {key: taps for key in arrays if key.endswith("resample_filter")}
    return checkpoint(folder, "stylegan2", init, arrays, classes=CLASSES)


def _stylegan3(folder: Path) -> Words:
    init = stylegan3_layers.StyleGan3Init.model_validate({
        "mapping": _mapping(1.0), "img_resolution": 32, "img_channels": 3, "widths": [32] * 6,
        "num_critical": 2, "first_cutoff": 2.0, "first_stopband": 2.0**2.1,
        "last_stopband_rel": 2.0**0.3, "margin_size": 10, "filter_size": 6,
        "lrelu_upsampling": 2, "conv_kernel": 3, "use_radial_filters": False,
        "conv_clamp": 256.0, "output_scale": 0.25,
    })  # fmt: skip
    arrays = spread(stylegan3_layers.parameter_shapes(init))
    for key, value in arrays.items():
        if key.endswith("_filter"):
            bump = np.hanning(len(value) + 2)[1:-1]
            arrays[key] = np.asarray(bump / bump.sum(), np.float32)
        elif key.endswith("magnitude_ema"):
            arrays[key] = np.ones((), np.float32)
    return checkpoint(folder, "stylegan3", init, arrays, classes=CLASSES)


def _biggan(folder: Path) -> Words:
    init = biggan.BigGanInit.model_validate({
        "z_dim": 64, "class_embed_dim": 64, "num_classes": len(CLASSES), "channel_width": 16,
        "layers": [[True, 8, 8], [True, 8, 4], [True, 4, 2], [True, 2, 1]],
        "attention_layer_position": 2, "eps": 1e-4, "n_stats": 51,
    })  # fmt: skip
    arrays = spread(biggan.parameter_shapes(init))
    for key, value in arrays.items():
        if key.endswith("running_vars"):
            arrays[key] = np.ones_like(value)
    words = checkpoint(folder, "biggan", init, arrays, classes=CLASSES)
    return {**words, "sampling": {"truncation": 0.8}}


def _diffusion(folder: Path) -> Words:
    init = diffusion.DiffusionInit.model_validate({
        "unet": {
            "sample_size": [32, 32], "in_channels": 3, "block_out_channels": [16, 32],
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "layers_per_block": 1,
            "norm_num_groups": 8, "num_class_embeds": len(CLASSES),
        },
        "schedule": {},
    })  # fmt: skip
    arrays = spread(unet2d.parameter_shapes(init.unet))
    words = checkpoint(folder, "diffusion", init, arrays, classes=CLASSES)
    return {**words, "sampling": {"scheduler": "ddim", "steps": 8}}


def _autoregressive(folder: Path) -> Words:
    init = autoregressive_model.AutoregressiveInit.model_validate({
        "transformer": {
            "kind": "llamagen", "grid": 8, "vocab_size": 1024, "num_classes": len(CLASSES),
            "dim": 128, "n_layer": 4, "n_head": 4, "n_kv_head": 4, "hidden": 384,
        },
        "decoder": {
            "codebook_size": 1024, "codebook_embed_dim": 8, "z_channels": 32,
            "widths": [16, 32, 32], "num_res_blocks": 1, "norm_groups": 8,
        },
    })  # fmt: skip
    arrays = spread(autoregressive_model.parameter_shapes(init))
    words = checkpoint(folder, "autoregressive", init, arrays, classes=CLASSES)
    return {**words, "sampling": {"top_k": 256, "temperature": 0.9}}


def _onnx(folder: Path) -> Words:
    """A decoder of 64 x 64 pixels: a dense layer and four transposed convolutions."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    widths = [256, 128, 64, 32, 3]
    arrays = spread({"embedding": (10, 64), "dense": (128, widths[0] * 16)})
    sizes = {f"up{i}": (a, b, 4, 4) for i, (a, b) in enumerate(pairwise(widths))}
    arrays |= spread(sizes, gain=2.0)
    nodes = [
        helper.make_node("Gather", ["embedding", "class"], ["embedded"]),
        helper.make_node("Concat", ["z", "embedded"], ["joined"], axis=1),
        helper.make_node("MatMul", ["joined", "dense"], ["flat"]),
        helper.make_node("Reshape", ["flat", "stem"], ["x0"]),
    ]
    for i in range(len(widths) - 1):
        last = i == len(widths) - 2
        convolved = helper.make_node(
            "ConvTranspose", [f"x{i}", f"up{i}"], [f"y{i}"], strides=[2, 2], pads=[1, 1, 1, 1]
        )
        after = "image" if last else f"x{i + 1}"
        nodes += [convolved, helper.make_node("Tanh" if last else "Relu", [f"y{i}"], [after])]
    stem = numpy_helper.from_array(np.array([-1, widths[0], 4, 4], np.int64), "stem")
    graph = helper.make_graph(
        nodes,
        "decoder",
        [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 64]),
            helper.make_tensor_value_info("class", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 64, 64])],
        [*(numpy_helper.from_array(value, key) for key, value in arrays.items()), stem],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    document = {
        "format": "augment-generator/1",
        "family": "onnx",
        "init": {"num_classes": len(CLASSES)},
        "classes": CLASSES,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps(document))
    return {"family": "onnx", "checkpoint": str(folder)}


def _diffusers(folder: Path) -> Words:
    """A DiT over the latents of an autoencoder, as diffusers saves both."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    torch.manual_seed(0)
    network = DiTTransformer2DModel(
        sample_size=16, num_layers=4, patch_size=2, attention_head_dim=32, num_attention_heads=4,
        in_channels=4, out_channels=8, attention_bias=True, activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000, norm_type="ada_norm_zero", norm_elementwise_affine=False,
    )  # fmt: skip
    autoencoder = AutoencoderKL(
        block_out_channels=(16, 32), norm_num_groups=8, latent_channels=4, sample_size=32,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    )  # fmt: skip
    pipeline = DiTPipeline(transformer=network, vae=autoencoder, scheduler=DDIMScheduler())
    pipeline.save_pretrained(folder, safe_serialization=True)
    return {
        "family": "diffusers",
        "checkpoint": str(folder),
        "class_index": {name: int(name) for name in CLASSES},
        "sampling": {"call": {"num_inference_steps": 4, "guidance_scale": 1.0}},
    }


# ---- image to image --------------------------------------------------------------------


def _resnet(folder: Path) -> Words:
    init = ResnetInit(input_nc=3, output_nc=3, ngf=16, norm="instance", dropout=False, n_blocks=6)
    words = checkpoint(folder, "resnet_i2i", init, spread(all_shapes(init)))
    return {**words, "preprocess": {"load_size": 72, "crop_size": 64}}


def _unet(folder: Path) -> Words:
    init = unet_i2i.UnetInit(
        input_nc=3, output_nc=3, ngf=16, norm="batch", dropout=True, num_downs=6
    )
    arrays = spread(all_shapes(init))
    for key, value in arrays.items():
        if key.endswith("running_var"):
            arrays[key] = np.ones_like(value)
    words = checkpoint(folder, "unet_i2i", init, arrays)
    return {
        **words,
        "preprocess": {"load_size": 64, "crop_size": 64},
        "sampling": {"norm_mode": "per_sample", "dropout": "seeded"},
    }


WORKLOADS: Mapping[str, Workload] = {
    "autoregressive": Workload(16, 6, _autoregressive),
    "biggan": Workload(16, 32, _biggan),
    "diffusers": Workload(8, 12, _diffusers),
    "diffusion": Workload(8, 8, _diffusion),
    "onnx": Workload(32, 24, _onnx),
    "resnet_i2i": Workload(8, 32, _resnet, source=128),
    "stylegan2": Workload(16, 24, _stylegan2),
    "stylegan3": Workload(8, 6, _stylegan3),
    "unet_i2i": Workload(16, 48, _unet, source=128),
    "vae": Workload(64, 64, _vae),
}
