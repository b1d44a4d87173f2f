"""From codes to pixels: the decoder of a VQGAN.

Knows nothing of how the codes came about, of files or of other families. torch is imported
inside functions.

Shape letters: B batch, C channels, H height, W width, L = H * W.
Sources: Esser, Rombach and Ommer, "Taming Transformers for High-Resolution Image
Synthesis", CVPR 2021; names of tensors as in FoundationVision/LlamaGen,
tokenizer/tokenizer_image/vq_model.py (MIT). Written anew; encoder, losses and dropout are
not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch

Width = Annotated[int, Field(ge=1, le=8192)]
Shapes = dict[str, tuple[int, ...]]


class VqInit(BaseModel):
    """In the words of LlamaGen's tokenizer. widths: channels of each resolution, the finest
    first (ch * decoder_ch_mult). codebook_l2_norm: whether codes are put on the unit sphere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    codebook_size: Annotated[int, Field(ge=2, le=1_000_000)]
    codebook_embed_dim: Width
    z_channels: Width
    widths: Annotated[list[Width], Field(min_length=1, max_length=7)]
    num_res_blocks: Annotated[int, Field(ge=1, le=16)] = 2
    channels: Annotated[int, Field(ge=1, le=4)] = 3
    codebook_l2_norm: bool = True
    norm_groups: Width = 32

    @model_validator(mode="after")
    def _fits(self) -> VqInit:
        for width in self.widths:
            if width % self.norm_groups:
                raise ValueError(
                    f"widths: {width} is not a multiple of norm_groups, {self.norm_groups}"
                )
        return self

    @property
    def scale(self) -> int:
        """Pixels of a code's side."""
        return 1 << (len(self.widths) - 1)


@dataclass(frozen=True)
class _Part:
    """One layer on the way, in order. kind: res, attn, up."""

    kind: str
    at: str
    before: int
    after: int


def _parts(init: VqInit) -> Iterator[_Part]:
    width = init.widths[-1]
    yield _Part("res", "decoder.decoder.mid.0", width, width)
    yield _Part("attn", "decoder.decoder.mid.1", width, width)
    yield _Part("res", "decoder.decoder.mid.2", width, width)
    for k, after in enumerate(reversed(init.widths)):
        at = f"decoder.decoder.conv_blocks.{k}"
        for j in range(init.num_res_blocks + 1):
            yield _Part("res", f"{at}.res.{j}", width, after)
            width = after
            if k == 0:
                yield _Part("attn", f"{at}.attn.{j}", width, width)
        if k != len(init.widths) - 1:
            yield _Part("up", f"{at}.upsample.conv", width, width)


def parameter_shapes(init: VqInit) -> Shapes:
    """Name -> shape of every tensor, under `decoder.`."""
    deepest, finest = init.widths[-1], init.widths[0]
    shapes: Shapes = {
        "decoder.quantize.embedding.weight": (init.codebook_size, init.codebook_embed_dim)
    }
    shapes |= _conv("decoder.post_quant_conv", init.codebook_embed_dim, init.z_channels, 1)
    shapes |= _conv("decoder.decoder.conv_in", init.z_channels, deepest, 3)
    for part in _parts(init):
        shapes |= _part_shapes(part)
    shapes |= _norm("decoder.decoder.norm_out", finest)
    return shapes | _conv("decoder.decoder.conv_out", finest, init.channels, 3)


def _part_shapes(part: _Part) -> Shapes:
    at, before, after = part.at, part.before, part.after
    if part.kind == "up":
        return _conv(at, before, after, 3)
    if part.kind == "attn":
        shapes = _norm(f"{at}.norm", after)
        for name in ("q", "k", "v", "proj_out"):
            shapes |= _conv(f"{at}.{name}", after, after, 1)
        return shapes
    shapes = _norm(f"{at}.norm1", before) | _conv(f"{at}.conv1", before, after, 3)
    shapes |= _norm(f"{at}.norm2", after) | _conv(f"{at}.conv2", after, after, 3)
    return shapes | (_conv(f"{at}.nin_shortcut", before, after, 1) if before != after else {})


def _conv(at: str, before: int, after: int, k: int) -> Shapes:
    return {f"{at}.weight": (after, before, k, k), f"{at}.bias": (after,)}


def _norm(at: str, width: int) -> Shapes:
    return {f"{at}.weight": (width,), f"{at}.bias": (width,)}


@dataclass(frozen=True)
class VqDecoder:
    """`parameters` has the names and shapes of `parameter_shapes`, float32."""

    init: VqInit
    parameters: Mapping[str, torch.Tensor]

    def __call__(self, codes_BHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H * scale, W * scale), nominally in [-1, 1], from int64 codes."""
        from torch.nn import functional as f

        book = self.parameters["decoder.quantize.embedding.weight"]
        if self.init.codebook_l2_norm:
            book = f.normalize(book, dim=-1)
        x = f.embedding(codes_BHW, book).permute(0, 3, 1, 2)
        x = self._conv("decoder.post_quant_conv", x, padding=0)
        x = self._conv("decoder.decoder.conv_in", x)
        for part in _parts(self.init):
            if part.kind == "res":
                x = self._resnet(part.at, x)
            elif part.kind == "attn":
                x = self._attention(part.at, x)
            else:
                x = self._conv(part.at, f.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = f.silu(self._norm("decoder.decoder.norm_out", x))
        return self._conv("decoder.decoder.conv_out", x)

    def _resnet(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        h = self._conv(f"{at}.conv1", f.silu(self._norm(f"{at}.norm1", x_BCHW)))
        h = self._conv(f"{at}.conv2", f.silu(self._norm(f"{at}.norm2", h)))
        if f"{at}.nin_shortcut.weight" in self.parameters:
            x_BCHW = self._conv(f"{at}.nin_shortcut", x_BCHW, padding=0)
        return x_BCHW + h

    def _attention(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        """One head over all places, added to its input."""
        from torch.nn import functional as f

        h = self._norm(f"{at}.norm", x_BCHW)
        q_BLC, k_BLC, v_BLC = (
            self._conv(f"{at}.{name}", h, padding=0).flatten(2).transpose(1, 2)
            for name in ("q", "k", "v")
        )
        y_BLC = f.scaled_dot_product_attention(q_BLC[:, None], k_BLC[:, None], v_BLC[:, None])[:, 0]
        y = y_BLC.transpose(1, 2).reshape(x_BCHW.shape)
        return x_BCHW + self._conv(f"{at}.proj_out", y, padding=0)

    def _conv(self, at: str, x_BCHW: torch.Tensor, padding: int = 1) -> torch.Tensor:
        from torch.nn import functional as f

        weight, bias = self.parameters[f"{at}.weight"], self.parameters[f"{at}.bias"]
        return f.conv2d(x_BCHW, weight, bias, padding=padding)

    def _norm(self, at: str, x_BCHW: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        weight, bias = self.parameters[f"{at}.weight"], self.parameters[f"{at}.bias"]
        return f.group_norm(x_BCHW, self.init.norm_groups, weight, bias, 1e-6)
