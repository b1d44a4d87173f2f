"""Tiny pipelines with random weights, built in code and saved as diffusers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

_BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
_XL: dict[str, Any] = {
    "cross_attention_dim": 64,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "transformer_layers_per_block": (1, 1),
    "use_linear_projection": True,
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
}


def tokenizer(folder: Path) -> Any:
    """Every byte is a token, with and without the end of a word; no merges."""
    from transformers import CLIPTokenizer

    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in shown] + [chr(256 + n) for n in range(256 - len(shown))]
    tokens = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=24
    )


def text_encoder(cls: str = "CLIPTextModel", width: int = 32, seed: int = 0) -> Any:
    import transformers

    torch.manual_seed(seed)
    config = transformers.CLIPTextConfig(
        vocab_size=514, hidden_size=width, intermediate_size=36, num_attention_heads=4,
        num_hidden_layers=2, max_position_embeddings=24, bos_token_id=512, eos_token_id=513,
        pad_token_id=513, projection_dim=width,
    )  # fmt: skip
    return getattr(transformers, cls)(config).eval()


def vae() -> Any:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, sample_size=32,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    ).eval()  # fmt: skip


def unet(**changed: Any) -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    config: dict[str, Any] = {
        "block_out_channels": (8, 16), "layers_per_block": 1, "sample_size": 8, "in_channels": 4,
        "out_channels": 4, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 32,
        "attention_head_dim": 4, "norm_num_groups": 4,
    }  # fmt: skip
    return UNet2DConditionModel(**{**config, **changed}).eval()


def stable_diffusion(folder: Path) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=vae(), text_encoder=text_encoder(), tokenizer=tokenizer(folder / "words"), unet=unet(),
        scheduler=DDIMScheduler(
            **_BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def controlnet(*, xl: bool = False) -> Any:
    from diffusers import ControlNetModel

    torch.manual_seed(3)
    network = ControlNetModel(
        **(_XL if xl else {"cross_attention_dim": 32}),
        block_out_channels=(8, 16), layers_per_block=1, in_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), attention_head_dim=4,
        conditioning_embedding_out_channels=(4, 8), norm_num_groups=4,
    ).eval()  # fmt: skip
    for out in network.controlnet_down_blocks:  # zeros, until it is trained
        torch.nn.init.normal_(out.weight, std=0.1)
    torch.nn.init.normal_(network.controlnet_cond_embedding.conv_out.weight, std=0.1)
    return network


def stable_diffusion_xl(folder: Path) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    words = tokenizer(folder / "words")
    return StableDiffusionXLPipeline(
        vae=vae(), text_encoder=text_encoder(), tokenizer=words, tokenizer_2=words,
        text_encoder_2=text_encoder("CLIPTextModelWithProjection", seed=1),
        unet=unet(**_XL),
        scheduler=EulerDiscreteScheduler(**_BETAS, steps_offset=1, timestep_spacing="leading"),
        add_watermarker=False,
    )  # fmt: skip


def dit(folder: Path) -> Any:
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    torch.manual_seed(0)
    network = DiTTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=4, attention_head_dim=8, num_attention_heads=2,
        in_channels=4, out_channels=8, attention_bias=True, activation_fn="gelu-approximate",
        num_embeds_ada_norm=10, norm_type="ada_norm_zero", norm_elementwise_affine=False,
    ).eval()  # fmt: skip
    return DiTPipeline(transformer=network, vae=vae(), scheduler=DDIMScheduler())


def amused(folder: Path) -> Any:
    from diffusers import AmusedPipeline, AmusedScheduler, UVit2DModel, VQModel

    torch.manual_seed(0)
    network = UVit2DModel(
        hidden_size=8, use_bias=False, hidden_dropout=0.0, cond_embed_dim=8,
        micro_cond_encode_dim=2, micro_cond_embed_dim=10, encoder_hidden_size=8, vocab_size=32,
        codebook_size=32, in_channels=8, block_out_channels=8, num_res_blocks=1, downsample=True,
        upsample=True, block_num_heads=1, num_hidden_layers=1, num_attention_heads=1,
        attention_dropout=0.0, intermediate_size=8, layer_norm_eps=1e-6, ln_elementwise_affine=True,
        sample_size=8,
    ).eval()  # fmt: skip
    codes = VQModel(
        act_fn="silu", block_out_channels=[8], down_block_types=["DownEncoderBlock2D"],
        in_channels=3, latent_channels=8, layers_per_block=1, norm_num_groups=8,
        num_vq_embeddings=32, out_channels=3, sample_size=8, mid_block_add_attention=False,
        up_block_types=["UpDecoderBlock2D"], lookup_from_codebook=True,
    ).eval()  # fmt: skip
    return AmusedPipeline(
        scheduler=AmusedScheduler(mask_token_id=31), vqvae=codes, transformer=network,
        tokenizer=tokenizer(folder / "words"),
        text_encoder=text_encoder("CLIPTextModelWithProjection", width=8),
    )  # fmt: skip


def pixart(folder: Path) -> Any:
    from diffusers import (
        DPMSolverMultistepScheduler,
        PixArtAlphaPipeline,
        PixArtTransformer2DModel,
    )
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    torch.manual_seed(0)
    network = PixArtTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=3,
        caption_channels=32, in_channels=4, cross_attention_dim=24, out_channels=8,
        attention_bias=True, activation_fn="gelu-approximate", num_embeds_ada_norm=1000,
        norm_type="ada_norm_single", norm_elementwise_affine=False, norm_eps=1e-6,
    ).eval()  # fmt: skip
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=64,
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            is_gated_act=False,
        )
    ).eval()
    letters = {
        c: n for n, c in enumerate(["<pad>", "</s>", *"abcdefghijklmnopqrstuvwxyz0123456789"])
    }
    spelled = Tokenizer(models.WordLevel(letters, unk_token="<pad>"))
    spelled.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words = PreTrainedTokenizerFast(
        tokenizer_object=spelled, pad_token="<pad>", eos_token="</s>", model_max_length=24
    )
    return PixArtAlphaPipeline(
        transformer=network, vae=vae(), text_encoder=encoder, tokenizer=words,
        scheduler=DPMSolverMultistepScheduler(),
    )  # fmt: skip


# ---- one file, under the names of the original program ---------------------------------

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET = {
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
}
_VAE = {
    "down_blocks.0.resnets": "down.0.block",
    "down_blocks.1.resnets": "down.1.block",
    "down_blocks.0.downsamplers.0": "down.0.downsample",
    "up_blocks.0.resnets": "up.1.block",
    "up_blocks.1.resnets": "up.0.block",
    "up_blocks.0.upsamplers.0": "up.1.upsample",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
}


def single_file(pipe: Any) -> dict[str, torch.Tensor]:
    """The tensors of `stable_diffusion` as its original program names them."""
    found = {}
    for key, value in pipe.unet.state_dict().items():
        place = next(p for p in _UNET if key.startswith(f"{p}."))
        rest = key.removeprefix(f"{place}.")
        if "resnets" in place:
            part, _, rest = rest.rpartition(".")
            rest = f"{_RESNET[part]}.{rest}"
        found[f"model.diffusion_model.{_UNET[place]}.{rest}"] = value
    for key, value in pipe.vae.state_dict().items():
        for ours, theirs in _VAE.items():
            key = key.replace(ours, theirs)
        dense = ".mid.attn_1." in key and value.dim() == 2
        found[f"first_stage_model.{key}"] = value[:, :, None, None] if dense else value
    for key, value in pipe.text_encoder.state_dict().items():
        inner = key.removeprefix("text_model.")
        found[f"cond_stage_model.transformer.text_model.{inner}"] = value
    return {key: value.contiguous() for key, value in found.items()}
