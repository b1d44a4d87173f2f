"""vae, kind `pythae`: the default decoder of pythae's models; architecture, network, conversion.

A folder of pythae holds `model.pt` (tensors), `model_config.json` and, for networks of one's
own, pickled code, which is refused. torch is imported inside functions.

Letters: B batch, Z latent, C channels, H height, W width.
Source of the format: src/pythae/models of github.com/clementchadebec/benchmark_VAE
(Apache-2.0), `Decoder_AE_MLP`. What differs: only the decoder is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment.errors import CheckpointError
from augment.generators.checkpoint import differences
from augment.generators.foreign import Conversion, Foreign

if TYPE_CHECKING:
    import torch

HIDDEN = 512
NORMAL_PRIOR = (
    "Adversarial_AE_Config",
    "BetaTCVAEConfig",
    "BetaVAEConfig",
    "CIWAEConfig",
    "DisentangledBetaVAEConfig",
    "FactorVAEConfig",
    "INFOVAE_MMD_Config",
    "IWAEConfig",
    "MIWAEConfig",
    "MSSSIM_VAEConfig",
    "PIWAEConfig",
    "VAEConfig",
    "VAEGANConfig",
    "WAE_MMD_Config",
)
"""Models whose latents are meant to be standard normal: of the others (plain autoencoders, flows,
VampPrior, hyperspheres, codebooks) the decoder alone knows no way to draw one."""


class PythaeInit(BaseModel):
    """The decoder's architecture, as `init` in `generator.json`. input_dim: channels, height
    and width of the image."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["pythae"]
    latent: Annotated[int, Field(ge=1, le=65536)]
    input_dim: Annotated[
        list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=3, max_length=3)
    ]

    @property
    def channels(self) -> int:
        return self.input_dim[0]

    @property
    def height(self) -> int:
        return self.input_dim[1]

    @property
    def width(self) -> int:
        return self.input_dim[2]


def parameter_shapes(init: PythaeInit) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the decoder."""
    values = math.prod(init.input_dim)
    return {
        "decoder.layers.0.0.weight": (HIDDEN, init.latent),
        "decoder.layers.0.0.bias": (HIDDEN,),
        "decoder.layers.1.0.weight": (values, HIDDEN),
        "decoder.layers.1.0.bias": (values,),
    }


@dataclass(frozen=True)
class PythaeDecoder:
    """The network: `parameters` has the names and shapes of `parameter_shapes`, float32."""

    init: PythaeInit
    parameters: Mapping[str, torch.Tensor]

    def __call__(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [-1, 1]. class_B: not used, all images are of one class."""
        from torch.nn import functional as f

        p = self.parameters
        x = f.linear(z_BZ, p["decoder.layers.0.0.weight"], p["decoder.layers.0.0.bias"]).relu()
        x = f.linear(x, p["decoder.layers.1.0.weight"], p["decoder.layers.1.0.bias"])
        return (x.sigmoid() * 2.0 - 1.0).reshape(-1, *self.init.input_dim)


def convert(foreign: Foreign) -> Conversion | None:
    """A folder of pythae in our terms, None where it is none.

    Raises:
        CheckpointError: it is one, but its network is code, or its latents are not normal.
    """
    config = foreign.config
    if not {"name", "input_dim", "latent_dim"} <= config.keys():
        return None
    for part in ("encoder", "decoder"):
        if config.get(f"uses_default_{part}", True) is not True:
            raise CheckpointError(
                f"{foreign.place}: got a pythae model with a network of its own, which is code "
                f"({part}.pkl); expected one with pythae's default networks. Export it as ONNX, or "
                "host it as family custom"
            )
    if config["name"] not in NORMAL_PRIOR:
        raise CheckpointError(
            f"{foreign.place}: got the pythae model {config['name']!r:.80}; expected one whose "
            f"latents are standard normal: {', '.join(NORMAL_PRIOR)}"
        )
    raw = {"kind": "pythae", "latent": config["latent_dim"], "input_dim": config["input_dim"]}
    try:
        init = PythaeInit.model_validate(raw)
    except ValidationError as error:
        found = error.errors()[0]
        at = {"latent": "latent_dim"}.get(str(found["loc"][0]), str(found["loc"][0]))
        raise CheckpointError(
            f"{foreign.place}: model_config.json: {at}: got {config.get(at)!r:.80}; expected "
            "channels, height and width, and a latent size from 1 to 65536"
        ) from None
    own = {k: v for k, v in foreign.tensors.items() if k.startswith("decoder.")}
    if wrong := differences({k: v.shape for k, v in own.items()}, parameter_shapes(init)):
        raise CheckpointError(
            f"{foreign.place}: its decoder is not pythae's default one ({wrong}); expected a model "
            "with uses_default_decoder"
        )
    left = len(foreign.tensors) - len(own)
    quirks = (f"left out: {left} tensors that are not of the decoder",) if left else ()
    tensors = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in own.items()}
    return Conversion("vae", init.model_dump(), tensors, 0, quirks)
