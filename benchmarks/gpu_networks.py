"""Networks of published sizes with random weights, one for each kind of generator, for GPUs.

`networks(small=True)` gives the same kinds at sizes that a CPU samples in a second, to try the
programs that measure. The pipelines of diffusers are in gpu_pipelines.py. Knows nothing of how
they are run or timed.

Sources: StyleGAN2 config-f (Karras et al., CVPR 2020), BigGAN-deep-256 of
pytorch-pretrained-BigGAN, LlamaGen-L and VQ-16 (Sun et al., 2024), the U-Net of 256 px of DDPM (Ho
et al., 2020) and a wider one of 64 px, CycleGAN's nine-block ResNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gpu_pipelines
import numpy as np
from host_networks import CLASSES, Words, Workload, checkpoint, spread

from augment.generators.families import biggan
from augment.generators.families.autoregressive import model as autoregressive_model
from augment.generators.families.diffusion import host as diffusion
from augment.generators.families.diffusion import unet2d
from augment.generators.families.stylegan import stylegan2
from augment.generators.families.translation.host import all_shapes
from augment.generators.families.translation.resnet_i2i import ResnetInit

_MANY = 1000
"""Classes of ImageNet."""


@dataclass(frozen=True)
class Network:
    """load: its checkpoint, batch and batches. eager_s, compiled_s: seconds that either is expected
    to take on an H100, loading and compiling included. fast: samples a second that are the goal on
    an H100. tried: whether a dry run compiles it."""

    load: Workload
    eager_s: float
    compiled_s: float
    diffusers: bool = False
    fast: float | None = None
    tried: bool = False


def networks(small: bool, device: str) -> Mapping[str, Network]:
    """The quickest first. device: where random weights of pipelines are made."""
    if small:
        return {
            name: Network(load, 2.0, 2.0, diffusers=piped, tried=name == "stylegan2-1024")
            for name, load, piped in _small(device)
        }
    piped = partial(_piped, device)
    return {
        "stylegan2-1024": Network(Workload(16, 12, partial(_stylegan2, _F_WIDTHS, 512)), 20, 45),
        "biggan-256": Network(Workload(32, 8, partial(_biggan, 128, _DEEP_256, 8)), 15, 45),
        "cyclegan-256": Network(Workload(16, 6, partial(_cyclegan, 64, 9, 256), 300), 15, 40),
        "unet-64": Network(Workload(64, 2, partial(_diffusion, _UNET_64)), 20, 50),
        "llamagen-l-256": Network(Workload(32, 2, partial(_llamagen, _LLAMAGEN_L, _VQ_16)), 25, 60),
        "unet-256": Network(Workload(16, 2, partial(_diffusion, _DDPM_256)), 20, 50),
        "dit-xl2-256": Network(piped(gpu_pipelines.DIT_XL2, 32, 2), 30, 60, True),
        "sd15-512": Network(piped(gpu_pipelines.SD15, 8, 2), 30, 75, True),
        "sdxl-1024": Network(piped(gpu_pipelines.SDXL, 4, 2), 120, 180, True, fast=1.9),
    }


def _piped(device: str, sizes: gpu_pipelines.Sizes, batch: int, batches: int) -> Workload:
    return Workload(batch, batches, partial(gpu_pipelines.write, sizes, device))


def _small(device: str) -> list[tuple[str, Workload, bool]]:
    piped = partial(_piped, device)
    tiny_unet = {**_UNET_64, "sample_size": [16, 16], "block_out_channels": [8, 16],
                 "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "layers_per_block": 1,
                 "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "norm_num_groups": 8,
                 "num_class_embeds": 10}  # fmt: skip
    llama = {**_LLAMAGEN_L, "grid": 4, "vocab_size": 64, "num_classes": 10, "dim": 32,
             "n_layer": 2, "n_head": 2, "n_kv_head": 2, "hidden": 64}  # fmt: skip
    codes = {**_VQ_16, "codebook_size": 64, "z_channels": 8, "widths": [8, 16, 16],
             "num_res_blocks": 1, "norm_groups": 8}  # fmt: skip
    return [
        ("stylegan2-1024", Workload(8, 4, partial(_stylegan2, [32, 32, 16, 16], 64)), False),
        ("biggan-256", Workload(8, 4, partial(_biggan, 8, _SHALLOW, 2)), False),
        ("cyclegan-256", Workload(4, 4, partial(_cyclegan, 8, 6, 64), 80), False),
        ("unet-64", Workload(4, 2, partial(_diffusion, tiny_unet)), False),
        ("llamagen-l-256", Workload(4, 2, partial(_llamagen, llama, codes)), False),
        ("unet-256", Workload(4, 2, partial(_diffusion, tiny_unet)), False),
        ("dit-xl2-256", piped(gpu_pipelines.DIT_SMALL, 4, 2), True),
        ("sd15-512", piped(gpu_pipelines.SD15_SMALL, 2, 2), True),
        ("sdxl-1024", piped(gpu_pipelines.SDXL_SMALL, 2, 2), True),
    ]


# ---- their checkpoints -----------------------------------------------------------------

_F_WIDTHS = [512, 512, 512, 512, 512, 256, 128, 64, 32]


def _stylegan2(widths: list[int], latent: int, folder: Path) -> Words:
    mapping = {"z_dim": latent, "c_dim": len(CLASSES), "w_dim": latent, "num_layers": 8,
               "w_avg": True, "embed_features": latent, "layer_features": latent,
               "lr_multiplier": 1.0}  # fmt: skip
    init = stylegan2.StyleGan2Init.model_validate({
        "mapping": mapping, "widths": widths, "img_channels": 3, "architecture": "skip",
        "use_noise": True, "taps": 4, "conv_clamp": 256.0, "activation": "lrelu",
    })  # fmt: skip
    arrays = spread(stylegan2.parameter_shapes(init))
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    arrays |= {key: taps for key in arrays if key.endswith("resample_filter")}
    return checkpoint(folder, "stylegan2", init, arrays, classes=CLASSES)


_DEEP_256 = [[False, 16, 16], [True, 16, 16], [False, 16, 16], [True, 16, 8], [False, 8, 8],
             [True, 8, 8], [False, 8, 8], [True, 8, 4], [False, 4, 4], [True, 4, 2],
             [False, 2, 2], [True, 2, 1]]  # fmt: skip
_SHALLOW = [[True, 8, 8], [True, 8, 4], [True, 4, 2], [True, 2, 1]]


def _biggan(width: int, layers: list[list[Any]], attended: int, folder: Path) -> Words:
    init = biggan.BigGanInit.model_validate({
        "z_dim": 128, "class_embed_dim": 128, "num_classes": len(CLASSES),
        "channel_width": width, "layers": layers, "attention_layer_position": attended,
        "eps": 1e-4, "n_stats": 51,
    })  # fmt: skip
    arrays = spread(biggan.parameter_shapes(init))
    for key, value in arrays.items():
        if key.endswith("running_vars"):
            arrays[key] = np.ones_like(value)
    words = checkpoint(folder, "biggan", init, arrays, classes=CLASSES)
    return {**words, "sampling": {"truncation": 0.5}}


_DDPM_256 = {
    "sample_size": [256, 256], "in_channels": 3, "num_class_embeds": len(CLASSES),
    "block_out_channels": [128, 128, 256, 256, 512, 512], "layers_per_block": 2,
    "down_block_types": [*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4],
}  # fmt: skip
_UNET_64 = {
    "sample_size": [64, 64], "in_channels": 3, "num_class_embeds": len(CLASSES),
    "block_out_channels": [192, 384, 576, 768], "layers_per_block": 3,
    "down_block_types": ["DownBlock2D", *["AttnDownBlock2D"] * 3],
    "up_block_types": [*["AttnUpBlock2D"] * 3, "UpBlock2D"],
}  # fmt: skip


def _diffusion(unet: Mapping[str, Any], folder: Path) -> Words:
    init = diffusion.DiffusionInit.model_validate({"unet": dict(unet), "schedule": {}})
    arrays = spread(unet2d.parameter_shapes(init.unet))
    words = checkpoint(folder, "diffusion", init, arrays, classes=CLASSES)
    return {**words, "sampling": {"scheduler": "ddim", "steps": 20}}


_LLAMAGEN_L = {
    "kind": "llamagen", "grid": 16, "vocab_size": 16384, "num_classes": _MANY, "dim": 1024,
    "n_layer": 24, "n_head": 16, "n_kv_head": 16, "hidden": 2816,
}  # fmt: skip
_VQ_16 = {
    "codebook_size": 16384, "codebook_embed_dim": 8, "z_channels": 256,
    "widths": [128, 128, 256, 256, 512],
}  # fmt: skip


def _llamagen(transformer: Mapping[str, Any], decoder: Mapping[str, Any], folder: Path) -> Words:
    init = autoregressive_model.AutoregressiveInit.model_validate(
        {"transformer": dict(transformer), "decoder": dict(decoder)}
    )
    arrays = spread(autoregressive_model.parameter_shapes(init))
    names = [str(k) for k in range(init.num_classes)]
    words = checkpoint(folder, "autoregressive", init, arrays, classes=names)
    return {**words, "sampling": {"temperature": 1.0}}


def _cyclegan(width: int, blocks: int, side: int, folder: Path) -> Words:
    init = ResnetInit(
        input_nc=3, output_nc=3, ngf=width, norm="instance", dropout=False, n_blocks=blocks
    )
    words = checkpoint(folder, "resnet_i2i", init, spread(all_shapes(init)))
    return {**words, "preprocess": {"load_size": side * 9 // 8, "crop_size": side}}
