"""The U-Net of class-conditional pixel diffusion: its tensors and its arithmetic.

The network of diffusers' `UNet2DModel`, so that its checkpoints load under their own names,
as plain functions over a mapping of tensors. Hosted are convolutional stages with and
without self-attention, sinusoidal time embedding and a class embedding that is added to it.
Knows nothing of noise schedules, sampling, or files. torch is imported inside functions.

Shape letters: B batch, C channels, H height, W width, E embedding, L = H * W.
Sources: Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020
(the network); names of tensors and options: huggingface/diffusers, models/unets/unet_2d.py
(Apache-2.0). Written anew; it differs in that dropout is not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch

Width = Annotated[int, Field(ge=1, le=4096)]
Side = Annotated[int, Field(ge=4, le=2048)]
DownBlock = Literal["DownBlock2D", "AttnDownBlock2D"]
UpBlock = Literal["UpBlock2D", "AttnUpBlock2D"]


class UnetInit(BaseModel):
    """The architecture, in the words of diffusers' `UNet2DModel` config.

    sample_size: height and width in pixels. num_class_embeds: rows of the class embedding,
    None for an unconditional network. attention_head_dim: channels of a head, None for one
    head. The last down block has no downsampler, the last up block no upsampler.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sample_size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    in_channels: Annotated[int, Field(ge=1, le=4)]
    block_out_channels: Annotated[list[Width], Field(min_length=1, max_length=8)]
    down_block_types: list[DownBlock]
    up_block_types: list[UpBlock]
    layers_per_block: Annotated[int, Field(ge=1, le=16)] = 2
    add_attention: bool = True
    attention_head_dim: Width | None = 8
    norm_num_groups: Width = 32
    norm_eps: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-5
    downsample_padding: Literal[0, 1] = 1
    flip_sin_to_cos: bool = True
    freq_shift: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    num_class_embeds: Annotated[int, Field(ge=1, le=100_001)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> UnetInit:
        stages = len(self.block_out_channels)
        if not stages == len(self.down_block_types) == len(self.up_block_types):
            raise ValueError(
                f"{stages} block_out_channels, {len(self.down_block_types)} down_block_types and "
                f"{len(self.up_block_types)} up_block_types; expected equally many"
            )
        for width in self.block_out_channels:
            if width % self.norm_num_groups or width % (self.attention_head_dim or 1):
                raise ValueError(
                    f"block_out_channels: {width} is not a multiple of norm_num_groups "
                    f"({self.norm_num_groups}) and attention_head_dim ({self.attention_head_dim})"
                )
        if any(side % (1 << (stages - 1)) for side in self.sample_size):
            raise ValueError(f"sample_size: {self.sample_size} cannot be halved {stages - 1} times")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return (self.in_channels, self.sample_size[0], self.sample_size[1])


@dataclass(frozen=True)
class _Stage:
    """One resolution on the way down or up. resnets: (channels in, channels out) of each."""

    at: str
    resnets: tuple[tuple[int, int], ...]
    attends: bool
    resamples: bool

    @property
    def width(self) -> int:
        return self.resnets[-1][1]


def _down(init: UnetInit) -> list[_Stage]:
    stages = []
    before = init.block_out_channels[0]
    last = len(init.block_out_channels) - 1
    for i, width in enumerate(init.block_out_channels):
        resnets = [(before, width)] + [(width, width)] * (init.layers_per_block - 1)
        attends = init.down_block_types[i] == "AttnDownBlock2D"
        stages.append(_Stage(f"down_blocks.{i}", tuple(resnets), attends, i != last))
        before = width
    return stages


def _up(init: UnetInit) -> list[_Stage]:
    """Each resnet takes what comes from below beside what was kept on the way down."""
    stages = []
    widths = init.block_out_channels[::-1]
    before = widths[0]
    last = len(widths) - 1
    for i, width in enumerate(widths):
        kept = [width] * init.layers_per_block + [widths[min(i + 1, last)]]
        below = [before] + [width] * init.layers_per_block
        resnets = tuple((b + k, width) for b, k in zip(below, kept, strict=True))
        attends = init.up_block_types[i] == "AttnUpBlock2D"
        stages.append(_Stage(f"up_blocks.{i}", resnets, attends, i != last))
        before = width
    return stages


# ---- tensors -------------------------------------------------------------------------

Shapes = dict[str, tuple[int, ...]]


def parameter_shapes(init: UnetInit) -> Shapes:
    """Name -> shape of every tensor of the network."""
    first, top = init.block_out_channels[0], init.block_out_channels[-1]
    wide = 4 * first
    shapes = _conv("conv_in", init.in_channels, first, 3)
    shapes |= _linear("time_embedding.linear_1", first, wide)
    shapes |= _linear("time_embedding.linear_2", wide, wide)
    if init.num_class_embeds is not None:
        shapes["class_embedding.weight"] = (init.num_class_embeds, wide)
    for stage in _down(init):
        shapes |= _stage_shapes(stage, wide, "downsamplers")
    shapes |= _resnet_shapes("mid_block.resnets.0", top, top, wide)
    if init.add_attention:
        shapes |= _attention_shapes("mid_block.attentions.0", top)
    shapes |= _resnet_shapes("mid_block.resnets.1", top, top, wide)
    for stage in _up(init):
        shapes |= _stage_shapes(stage, wide, "upsamplers")
    shapes |= _norm("conv_norm_out", first)
    return shapes | _conv("conv_out", first, init.in_channels, 3)


def _stage_shapes(stage: _Stage, wide: int, resampler: str) -> Shapes:
    shapes: Shapes = {}
    for j, (before, after) in enumerate(stage.resnets):
        shapes |= _resnet_shapes(f"{stage.at}.resnets.{j}", before, after, wide)
        if stage.attends:
            shapes |= _attention_shapes(f"{stage.at}.attentions.{j}", after)
    if stage.resamples:
        shapes |= _conv(f"{stage.at}.{resampler}.0.conv", stage.width, stage.width, 3)
    return shapes


def _resnet_shapes(at: str, before: int, after: int, wide: int) -> Shapes:
    shapes = _norm(f"{at}.norm1", before) | _conv(f"{at}.conv1", before, after, 3)
    shapes |= _linear(f"{at}.time_emb_proj", wide, after)
    shapes |= _norm(f"{at}.norm2", after) | _conv(f"{at}.conv2", after, after, 3)
    return shapes | (_conv(f"{at}.conv_shortcut", before, after, 1) if before != after else {})


def _attention_shapes(at: str, width: int) -> Shapes:
    shapes = _norm(f"{at}.group_norm", width)
    for name in ("to_q", "to_k", "to_v", "to_out.0"):
        shapes |= _linear(f"{at}.{name}", width, width)
    return shapes


def _conv(at: str, before: int, after: int, k: int) -> Shapes:
    return {f"{at}.weight": (after, before, k, k), f"{at}.bias": (after,)}


def _linear(at: str, before: int, after: int) -> Shapes:
    return {f"{at}.weight": (after, before), f"{at}.bias": (after,)}


def _norm(at: str, width: int) -> Shapes:
    return {f"{at}.weight": (width,), f"{at}.bias": (width,)}


# ---- arithmetic ----------------------------------------------------------------------


@dataclass(frozen=True)
class Unet:
    """The network: `parameters` has the names and shapes of `parameter_shapes`, float32."""

    init: UnetInit
    parameters: Mapping[str, torch.Tensor]

    def __call__(
        self, x_BCHW: torch.Tensor, t_B: torch.Tensor, class_B: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What was learned to be predicted, (B, C, H, W), from noisy images, float32 time
        steps and int64 class indexes (None for an unconditional network)."""
        import torch

        e_BE = self._embedding(t_B, class_B)
        x = self._conv("conv_in", x_BCHW)
        kept = [x]
        for stage in _down(self.init):
            for j in range(len(stage.resnets)):
                x = self._layer(stage, j, x, e_BE)
                kept.append(x)
            if stage.resamples:
                x = self._halved(f"{stage.at}.downsamplers.0.conv", x)
                kept.append(x)
        x = self._resnet("mid_block.resnets.0", x, e_BE)
        if self.init.add_attention:
            x = self._attention("mid_block.attentions.0", x)
        x = self._resnet("mid_block.resnets.1", x, e_BE)
        for stage in _up(self.init):
            for j in range(len(stage.resnets)):
                x = self._layer(stage, j, torch.cat([x, kept.pop()], dim=1), e_BE)
            if stage.resamples:
                x = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
                x = self._conv(f"{stage.at}.upsamplers.0.conv", x)
        return self._conv("conv_out", torch.nn.functional.silu(self._norm("conv_norm_out", x)))

    def _embedding(self, t_B: torch.Tensor, class_B: torch.Tensor | None) -> torch.Tensor:
        """Of time and class, (B, E)."""
        import torch
        from torch.nn import functional as f

        half = self.init.block_out_channels[0] // 2
        step = -math.log(10_000.0) / (half - self.init.freq_shift)
        rates = torch.exp(step * torch.arange(half, dtype=torch.float32, device=t_B.device))
        angles = t_B[:, None] * rates
        waves = [angles.cos(), angles.sin()]
        x = torch.cat(waves if self.init.flip_sin_to_cos else waves[::-1], dim=1)
        x = f.pad(x, (0, self.init.block_out_channels[0] % 2))
        x = f.silu(self._linear("time_embedding.linear_1", x))
        x = self._linear("time_embedding.linear_2", x)
        if class_B is not None:
            x = x + f.embedding(class_B, self.parameters["class_embedding.weight"])
        return x

    def _layer(
        self, stage: _Stage, j: int, x_BCHW: torch.Tensor, e_BE: torch.Tensor
    ) -> torch.Tensor:
        x = self._resnet(f"{stage.at}.resnets.{j}", x_BCHW, e_BE)
        return self._attention(f"{stage.at}.attentions.{j}", x) if stage.attends else x

    def _resnet(self, at: str, x_BCHW: torch.Tensor, e_BE: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        h = self._conv(f"{at}.conv1", f.silu(self._norm(f"{at}.norm1", x_BCHW)))
        h = h + self._linear(f"{at}.time_emb_proj", f.silu(e_BE))[:, :, None, None]
        h = self._conv(f"{at}.conv2", f.silu(self._norm(f"{at}.norm2", h)))
        if f"{at}.conv_shortcut.weight" in self.parameters:
            x_BCHW = self._conv(f"{at}.conv_shortcut", x_BCHW, padding=0)
        return x_BCHW + h

    def _attention(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        """Self-attention over all pixels, added to its input."""
        from torch.nn import functional as f

        b, c, h, w = x_BCHW.shape
        head = self.init.attention_head_dim or c
        x_BLC = self._norm(f"{at}.group_norm", x_BCHW).flatten(2).transpose(1, 2)
        q, k, v = (
            self._linear(f"{at}.{name}", x_BLC).view(b, h * w, c // head, head).transpose(1, 2)
            for name in ("to_q", "to_k", "to_v")
        )
        y = f.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x_BCHW + self._linear(f"{at}.to_out.0", y).transpose(1, 2).reshape(b, c, h, w)

    def _halved(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        """Every second pixel of a convolution; without padding, a row and a column of zeros
        are put at the far ends alone."""
        from torch.nn import functional as f

        if self.init.downsample_padding == 0:
            x_BCHW = f.pad(x_BCHW, (0, 1, 0, 1))
        return self._conv(at, x_BCHW, padding=self.init.downsample_padding, stride=2)

    def _conv(
        self, at: str, x_BCHW: torch.Tensor, padding: int = 1, stride: int = 1
    ) -> torch.Tensor:
        from torch.nn import functional as f

        weight, bias = self.parameters[f"{at}.weight"], self.parameters[f"{at}.bias"]
        return f.conv2d(x_BCHW, weight, bias, padding=padding, stride=stride)

    def _linear(self, at: str, x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        return f.linear(x, self.parameters[f"{at}.weight"], self.parameters[f"{at}.bias"])

    def _norm(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        weight, bias = self.parameters[f"{at}.weight"], self.parameters[f"{at}.bias"]
        return f.group_norm(x_BCHW, self.init.norm_num_groups, weight, bias, self.init.norm_eps)
