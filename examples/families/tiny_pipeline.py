"""A whole Stable Diffusion pipeline with random weights, small enough for a CPU in seconds.

Written with `save_pretrained`, safetensors only, which is the form that a job names directly.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

_WORDS = 40
"""Tokens of a prompt."""
_WIDTH = 32
"""Of the vectors that a prompt becomes."""


def pipeline_folder(folder: Path) -> Path:
    """The folder of a pipeline of 32 x 32 pixels."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as words:
        pipeline = StableDiffusionPipeline(
            vae=_autoencoder(),
            unet=_unet(),
            text_encoder=_text_encoder(),
            tokenizer=_tokenizer(Path(words)),
            scheduler=DDIMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                clip_sample=False, set_alpha_to_one=False, steps_offset=1,
            ),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _autoencoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, sample_size=32,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    ).eval()  # fmt: skip


def _unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=16, in_channels=4,
        out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=_WIDTH,
        attention_head_dim=4, norm_num_groups=4,
    ).eval()  # fmt: skip


def _text_encoder() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(
        vocab_size=514, hidden_size=_WIDTH, intermediate_size=36, num_attention_heads=4,
        num_hidden_layers=2, max_position_embeddings=_WORDS, bos_token_id=512, eos_token_id=513,
        pad_token_id=513, projection_dim=_WIDTH,
    )).eval()  # fmt: skip


def _tokenizer(folder: Path) -> Any:
    """Every byte is a token, with and without the end of a word; no merges."""
    from transformers import CLIPTokenizer

    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in shown] + [chr(256 + n) for n in range(256 - len(shown))]
    tokens = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=_WORDS)
