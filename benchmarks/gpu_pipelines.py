"""Pipelines of diffusers of published sizes with random weights, as diffusers saves them.

Weights are made where they are sampled, in half precision: on a CPU alone the largest would take
minutes. diffusers and transformers are imported inside functions.

Sources: DiT-XL/2 (Peebles and Xie, ICCV 2023), the configurations that Stable Diffusion 1.5 and
Stable Diffusion XL 1.0 are published with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_networks import CLASSES, Words

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Sizes:
    """kind: dit, sd or sdxl. denoiser, vae: their settings. texts: of each text encoder. call:
    what the pipeline is called with."""

    kind: str
    denoiser: Settings
    vae: Settings
    texts: tuple[Settings, ...] = ()
    call: Settings = field(default_factory=dict)


_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_VAE_8 = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
_VAE_SMALL = {
    "block_out_channels": (8, 16), "norm_num_groups": 4, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "sample_size": 32,
}  # fmt: skip
_DIT = {
    "out_channels": 8, "in_channels": 4, "attention_bias": True, "norm_type": "ada_norm_zero",
    "activation_fn": "gelu-approximate", "num_embeds_ada_norm": 1000,
    "norm_elementwise_affine": False, "patch_size": 2,
}  # fmt: skip
DIT_XL2 = Sizes(
    "dit",
    {**_DIT, "sample_size": 32, "num_layers": 28, "attention_head_dim": 72,
     "num_attention_heads": 16},
    {**_VAE_8, "sample_size": 256},
    call={"num_inference_steps": 20, "guidance_scale": 4.0},
)  # fmt: skip
DIT_SMALL = Sizes(
    "dit",
    {**_DIT, "sample_size": 16, "num_layers": 2, "attention_head_dim": 16,
     "num_attention_heads": 2},
    _VAE_SMALL,
    call={"num_inference_steps": 2, "guidance_scale": 4.0},
)  # fmt: skip

_CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
           "num_hidden_layers": 12, "projection_dim": 768}  # fmt: skip
_CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20,
           "num_hidden_layers": 32, "projection_dim": 1280, "hidden_act": "gelu"}  # fmt: skip
_CLIP_SMALL = {"hidden_size": 32, "intermediate_size": 36, "num_attention_heads": 4,
               "num_hidden_layers": 2, "projection_dim": 32}  # fmt: skip
_CROSS_DOWN, _CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
SD15 = Sizes(
    "sd",
    {"sample_size": 64, "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768,
     "attention_head_dim": 8, "layers_per_block": 2,
     "down_block_types": (*[_CROSS_DOWN] * 3, "DownBlock2D"),
     "up_block_types": ("UpBlock2D", *[_CROSS_UP] * 3)},
    {**_VAE_8, "sample_size": 512},
    (_CLIP_L,),
    {"num_inference_steps": 20, "guidance_scale": 7.5},
)  # fmt: skip
SD15_SMALL = Sizes(
    "sd",
    {"sample_size": 8, "block_out_channels": (8, 16), "cross_attention_dim": 32,
     "attention_head_dim": 4, "layers_per_block": 1, "norm_num_groups": 4,
     "down_block_types": ("DownBlock2D", _CROSS_DOWN), "up_block_types": (_CROSS_UP, "UpBlock2D")},
    _VAE_SMALL,
    (_CLIP_SMALL,),
    {"num_inference_steps": 2, "guidance_scale": 7.5},
)  # fmt: skip
_TEXT_TIME = {"addition_embed_type": "text_time", "use_linear_projection": True}
SDXL = Sizes(
    "sdxl",
    {**_TEXT_TIME, "sample_size": 128, "block_out_channels": (320, 640, 1280),
     "cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20), "layers_per_block": 2,
     "transformer_layers_per_block": (1, 2, 10), "addition_time_embed_dim": 256,
     "projection_class_embeddings_input_dim": 6 * 256 + 1280,
     "down_block_types": ("DownBlock2D", *[_CROSS_DOWN] * 2),
     "up_block_types": (*[_CROSS_UP] * 2, "UpBlock2D")},
    {**_VAE_8, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": False},
    (_CLIP_L, _CLIP_G),
    {"num_inference_steps": 20, "guidance_scale": 8.0},
)  # fmt: skip
SDXL_SMALL = Sizes(
    "sdxl",
    {**SD15_SMALL.denoiser, **_TEXT_TIME, "cross_attention_dim": 64,
     "transformer_layers_per_block": (1, 1), "addition_time_embed_dim": 8,
     "projection_class_embeddings_input_dim": 6 * 8 + 32},
    {**_VAE_SMALL, "force_upcast": False},
    (_CLIP_SMALL, _CLIP_SMALL),
    {"num_inference_steps": 2, "guidance_scale": 8.0},
)  # fmt: skip


def write(sizes: Sizes, device: str, folder: Path) -> Words:
    """Save the pipeline below the folder; the words that name it in a job."""
    import torch

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            pipeline = _pipeline(sizes, folder.parent / "words")
    finally:
        torch.set_default_dtype(before)
    pipeline.save_pretrained(folder, safe_serialization=True)
    words: Words = {"family": "diffusers", "checkpoint": str(folder)}
    if sizes.kind == "dit":
        words["class_index"] = {name: int(name) for name in CLASSES}
    else:
        words["classes"] = CLASSES
    return {**words, "sampling": {"call": dict(sizes.call)}}


def _pipeline(sizes: Sizes, folder: Path) -> Any:
    import diffusers

    vae = diffusers.AutoencoderKL(**sizes.vae)
    if sizes.kind == "dit":
        return diffusers.DiTPipeline(
            transformer=diffusers.DiTTransformer2DModel(**sizes.denoiser),
            vae=vae,
            scheduler=diffusers.DDIMScheduler(),
        )
    unet = diffusers.UNet2DConditionModel(in_channels=4, out_channels=4, **sizes.denoiser)
    words = _tokenizer(folder)
    scheduler = diffusers.EulerDiscreteScheduler(
        **_BETAS, steps_offset=1, timestep_spacing="leading"
    )
    if sizes.kind == "sd":
        return diffusers.StableDiffusionPipeline(
            vae=vae, text_encoder=_text_encoder(sizes.texts[0], "CLIPTextModel"), tokenizer=words,
            unet=unet, scheduler=scheduler, safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=vae, text_encoder=_text_encoder(sizes.texts[0], "CLIPTextModel"), tokenizer=words,
        text_encoder_2=_text_encoder(sizes.texts[1], "CLIPTextModelWithProjection"),
        tokenizer_2=words, unet=unet, scheduler=scheduler, add_watermarker=False,
    )  # fmt: skip


def _text_encoder(settings: Settings, kind: str) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=514, max_position_embeddings=77, bos_token_id=512, eos_token_id=513,
        pad_token_id=513, **settings,
    )  # fmt: skip
    return getattr(transformers, kind)(config)


def _tokenizer(folder: Path) -> Any:
    """Every byte is a token, with and without the end of a word; no merges."""
    from transformers import CLIPTokenizer

    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in shown] + [chr(256 + n) for n in range(256 - len(shown))]
    tokens = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )
