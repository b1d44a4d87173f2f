"""What an autoregressive checkpoint is: a transformer, and the way from tokens to pixels.

Two kinds: `imagegpt`, whose tokens are colours of a palette, and `llamagen`, whose tokens
are codes of a VQGAN. Knows nothing of sampling, files or labels.

Shape letters: B batch, T positions, V tokens, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment.generators.families.autoregressive.token_networks import (
    ImageGpt,
    ImageGptInit,
    Llama,
    LlamaInit,
    TokenNetwork,
    imagegpt_shapes,
    llama_shapes,
)
from augment.generators.families.autoregressive.vq_decoder import VqDecoder, VqInit
from augment.generators.families.autoregressive.vq_decoder import parameter_shapes as vq_shapes
from augment.generators.hosting import compiled
from augment.generators.protocol import Placement

if TYPE_CHECKING:
    import torch

PALETTE = "clusters"
"""ImageGPT's colours, (V, 3) in [-1, 1]."""


class AutoregressiveInit(BaseModel):
    """`init` in `generator.json`. decoder: of the codes; None for ImageGPT, whose tokens are
    colours, stored as the tensor `clusters`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    transformer: Annotated[ImageGptInit | LlamaInit, Field(discriminator="kind")]
    decoder: VqInit | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> AutoregressiveInit:
        one, two = self.transformer, self.decoder
        if isinstance(one, ImageGptInit) != (two is None):
            raise ValueError("a decoder belongs to kind llamagen, and to it alone")
        if two is not None and two.codebook_size != one.num_tokens:
            raise ValueError(f"{two.codebook_size} codes for {one.num_tokens} tokens")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        if isinstance(self.transformer, ImageGptInit):
            return (3, self.transformer.height, self.transformer.width)
        assert self.decoder is not None
        side = self.transformer.grid * self.decoder.scale
        return (self.decoder.channels, side, side)

    @property
    def num_classes(self) -> int:
        """Without the null class; 0: unconditional."""
        return self.transformer.num_classes if isinstance(self.transformer, LlamaInit) else 0


def parameter_shapes(init: AutoregressiveInit) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a checkpoint."""
    if isinstance(init.transformer, ImageGptInit):
        colours = {PALETTE: (init.transformer.num_tokens, 3)}
        return colours | imagegpt_shapes(init.transformer)
    assert init.decoder is not None
    return llama_shapes(init.transformer) | vq_shapes(init.decoder)


@dataclass(frozen=True)
class Model:
    """transformer and pixels, on a device. pixels: int64 tokens (B, T) -> (B, C, H, W)."""

    transformer: TokenNetwork
    pixels: Callable[[torch.Tensor], torch.Tensor]


def model_of(
    init: AutoregressiveInit, tensors: Mapping[str, torch.Tensor], placement: Placement
) -> Model:
    """Networks of tensors with the names and shapes of `parameter_shapes`, where `placement`
    says."""
    if isinstance(init.transformer, ImageGptInit):
        palette = tensors[PALETTE]
        height, width = init.transformer.height, init.transformer.width

        def coloured(tokens_BT: torch.Tensor) -> torch.Tensor:
            return palette[tokens_BT.view(-1, height, width)].permute(0, 3, 1, 2)

        return Model(ImageGpt(init.transformer, tensors), coloured)
    assert init.decoder is not None
    run = compiled(VqDecoder(init.decoder, tensors), placement)
    grid = init.transformer.grid

    def decoded(tokens_BT: torch.Tensor) -> torch.Tensor:
        return run(tokens_BT.view(-1, grid, grid))

    return Model(Llama(init.transformer, tensors), decoded)
