"""The families that a job can name, in words: what each loads, takes and is conditioned on.

One table for `augment generators list` and for the docs. Pure: imports no family, no torch.
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """loads: files or folders, as their makers wrote them. takes: what a sample is made from.
    conditions: what steers it. extra: to be installed beside augment, as `augment-vision[extra]`.
    parts: of the family what else needs an extra, and which."""

    name: str
    loads: str
    takes: str
    conditions: str
    extra: str | None = None
    parts: tuple[tuple[str, str], ...] = ()


FAMILIES = (
    Family(
        "autoregressive",
        "ImageGPT (transformers), and LlamaGen's class-conditional transformer with its VQGAN",
        "noise",
        "class",
        "torch",
    ),
    Family(
        "biggan",
        "BigGAN-deep of huggingface/pytorch-pretrained-BigGAN, with its config.json",
        "noise",
        "class, truncation",
        "torch",
    ),
    Family(
        "custom",
        "a class of an installed package, where the operator's policy lists it",
        "what the class takes",
        "what the class knows",
    ),
    Family(
        "diffusers",
        "pipeline folders of diffusers: Stable Diffusion, SDXL, DiT, PixArt-alpha, Amused; "
        "single-file Stable Diffusion with a folder of settings",
        "noise; a source image, a source and a mask, or a control image",
        "prompts made of the class, or the class",
        "diffusers",
    ),
    Family(
        "diffusion",
        "class-conditional UNet2DModel folders of diffusers, with their noise schedule",
        "noise, or a source image",
        "class",
        "torch",
    ),
    Family(
        "onnx",
        "an ONNX graph of standard operators, in one file",
        "noise and/or a source image",
        "class",
        "onnx",
    ),
    Family("palette", "nothing: procedural patterns, for trying a job", "noise", "class"),
    Family(
        "resnet_i2i",
        "CycleGAN, CUT and pix2pix with a resnet: latest_net_G*.pth, safetensors",
        "a source image",
        "the source image",
        "torch",
    ),
    Family(
        "stylegan2",
        "NVIDIA .pkl of stylegan2-ada-pytorch and stylegan3, safetensors",
        "noise",
        "class, truncation, noise mode",
        "torch",
    ),
    Family(
        "stylegan3",
        "NVIDIA .pkl of stylegan3, T and R, safetensors",
        "noise",
        "class, truncation",
        "torch",
    ),
    Family("tint", "nothing: coloured light, for trying a job", "a source image", "nothing"),
    Family(
        "unet_i2i",
        "pix2pix and CycleGAN with a U-Net: latest_net_G*.pth, safetensors",
        "a source image or label map",
        "the source image",
        "torch",
    ),
    Family(
        "vae",
        "augment's conditional VAE, pythae folders, AutoencoderKL",
        "noise, or a source image (AutoencoderKL)",
        "class, or the source image and a variation",
        parts=(("pythae", "torch"), ("AutoencoderKL", "diffusers")),
    ),
)
