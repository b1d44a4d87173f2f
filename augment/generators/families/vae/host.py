"""vae: variational autoencoders; augment's own decoder, loading, sampling.

Three kinds of checkpoint, told apart by `init.kind`: none, augment's own decoder, whose
images are sigmoid outputs of a small convolutional network over (z, class embedding);
`pythae` (pythae.py), another decoder over z; `autoencoder_kl` (kl.py), which varies
a source image. torch is imported inside functions, so that facts and checks need none of it.
Knows nothing of Ray, of other families, or of how a checkpoint was trained.

Shape letters: B batch, Z latent, C channels, H height, W width.
Source of the method: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; the
class enters as in Sohn, Lee and Yan, "Learning Structured Output Representation using Deep
Conditional Generative Models", NeurIPS 2015. The network is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from augment.errors import CheckpointError
from augment.generators.checkpoint import own_classes
from augment.generators.families.vae import kl as vae_kl
from augment.generators.families.vae import pythae as vae_pythae
from augment.generators.families.vae.plain import PlainHost
from augment.generators.families.vae.pythae import PythaeDecoder, PythaeInit
from augment.generators.foreign import Conversion, Foreign
from augment.generators.hosting import has_torch, placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, Opened, checkpoint_info, opened
from augment.generators.one_pass import Drawn, OnePassHost
from augment.generators.protocol import GeneratorInfo, Options, Placement, must_match
from augment.seeds import normals
from augment.spec.generators import VaeGenerator

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

Width = Annotated[int, Field(ge=1, le=4096)]


class VaeInit(BaseModel):
    """The decoder's architecture, as `init` in `generator.json`.

    latent: size of z. embedding: size of a class's vector. hidden: width of the dense layer.
    base: side in pixels of the first feature map. widths: its channels, then those after
    each doubling of the side: the image's side is base * 2 ** (len(widths) - 1).
    channels: of the image, 1 or 3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    latent: Width
    embedding: Width
    hidden: Width
    base: Annotated[int, Field(ge=1, le=64)]
    widths: Annotated[list[Width], Field(min_length=1, max_length=7)]
    channels: Annotated[int, Field(ge=1, le=4)]

    @property
    def side(self) -> int:
        """Height and width of the image in pixels."""
        return self.base << (len(self.widths) - 1)

    @property
    def height(self) -> int:
        return self.side

    @property
    def width(self) -> int:
        return self.side


def parameter_shapes(init: VaeInit, classes: int) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor that a decoder with `classes` classes has."""
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (classes, init.embedding),
        "hidden.weight": (init.hidden, init.latent + init.embedding),
        "hidden.bias": (init.hidden,),
        "stem.weight": (init.widths[0] * init.base**2, init.hidden),
        "stem.bias": (init.widths[0] * init.base**2,),
    }
    for i, (before, after) in enumerate(zip(init.widths, init.widths[1:], strict=False)):
        shapes[f"up.{i}.weight"] = (after, before, 3, 3)
        shapes[f"up.{i}.bias"] = (after,)
    shapes["out.weight"] = (init.channels, init.widths[-1], 3, 3)
    shapes["out.bias"] = (init.channels,)
    return shapes


@dataclass(frozen=True)
class Decoder:
    """The network: `parameters` has the names and shapes of `parameter_shapes`, float32."""

    init: VaeInit
    parameters: Mapping[str, torch.Tensor]

    def logits(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32 before the sigmoid, from z and int64 class indexes."""
        from torch.nn import functional as f

        p = self.parameters
        x = f.embedding(class_B, p["embedding.weight"])
        x = f.linear(_cat(z_BZ, x), p["hidden.weight"], p["hidden.bias"])
        x = f.silu(f.linear(f.silu(x), p["stem.weight"], p["stem.bias"]))
        # rows of the stem stand channel last, which is how convolutions run fastest
        x = x.view(-1, self.init.base, self.init.base, self.init.widths[0]).permute(0, 3, 1, 2)
        for i in range(len(self.init.widths) - 1):
            x = f.interpolate(x, scale_factor=2.0, mode="nearest")
            x = f.silu(f.conv2d(x, p[f"up.{i}.weight"], p[f"up.{i}.bias"], padding=1))
        return f.conv2d(x, p["out.weight"], p["out.bias"], padding=1)

    def __call__(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32 in [-1, 1]."""
        return self.logits(z_BZ, class_B).sigmoid() * 2.0 - 1.0


def _cat(*tensors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(tensors, dim=1)


class LatentDecoder(Protocol):
    """(B, Z) float32 and (B,) int64 class indexes -> (B, C, H, W) in [-1, 1]."""

    @property
    def init(self) -> VaeInit | PythaeInit: ...

    def __call__(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True)
class Latent:
    """A decoder of which z is drawn: a network of one pass. temperature: standard deviation
    of z."""

    decoder: LatentDecoder
    temperature: float = 1.0

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """z (B, Z) float32, from the stream `z` of each sample."""
        z_BZ = normals(sample_ids, "z", self.decoder.init.latent).astype(np.float32)
        return {"z": z_BZ * np.float32(self.temperature)}

    def __call__(self, class_B: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """(B, C, H, W) in [-1, 1]."""
        return self.decoder(drawn["z"], class_B)


# ---- from a checkpoint ---------------------------------------------------------------


_Read = Checkpoint[VaeInit | PythaeInit]


def _read(found: Opened, spec: VaeGenerator, options: Options, keep: bool = True) -> _Read:
    """Of a decoder."""
    name = found.name
    _check_effects(f"generators.{name}", spec)
    if found.config.init.get("kind") == "pythae":
        pythae = found.init(PythaeInit)
        arrays = found.weights(vae_pythae.parameter_shapes(pythae), keep)
        indexes = class_indexes(name, spec, None, 0, options)
        return _Read(_info(found, spec, pythae, indexes), pythae, arrays, indexes)
    init = found.init(VaeInit)
    named = own_classes(found.config, name)
    arrays = found.weights(parameter_shapes(init, len(named)), keep)
    indexes = class_indexes(name, spec, named, len(named), options)
    return _Read(_info(found, spec, init, indexes), init, arrays, indexes)


def _decoder(found: _Read, placement: Placement) -> LatentDecoder:
    if isinstance(found.init, PythaeInit):
        return PythaeDecoder(found.init, placed(found.arrays, placement))
    return Decoder(found.init, placed(found.arrays, placement, on_cpu=True))


def _check_effects(place: str, spec: VaeGenerator) -> None:
    """Options that only an AutoencoderKL knows."""
    for option, given in (
        ("sampling.variation", spec.sampling.variation),
        ("preprocess", spec.preprocess),
    ):
        if given is not None:
            raise CheckpointError(
                f"{place}.{option}: has no effect, the checkpoint makes images from noise alone; "
                "expected no such key, or an AutoencoderKL as checkpoint"
            )


def _info(
    found: Opened, spec: VaeGenerator, init: VaeInit | PythaeInit, indexes: Mapping[str, int]
) -> GeneratorInfo:
    sampling: dict[str, object] = {"temperature": spec.sampling.temperature}
    if spec.sampling.precision != "fp32":
        sampling["precision"] = spec.sampling.precision
    return checkpoint_info(
        found,
        _VERSION,
        pixels={"init": init.model_dump(), "classes": indexes},
        sampling={"sampling": sampling},
        shape=(init.channels, init.height, init.width),
        classes=indexes,
    )


def describe(name: str, spec: VaeGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must, or an option has no effect.
        StorageError: unreadable.
    """
    found = opened(name, spec, "vae", options)
    if found.config.init.get("kind") == "autoencoder_kl":
        return vae_kl.describe(found, spec)
    return _read(found, spec, options, keep=False).info


def load(
    name: str, spec: VaeGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> OnePassHost | PlainHost | vae_kl.KlHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found = opened(name, spec, "vae", options)
    if found.config.init.get("kind") == "autoencoder_kl":
        return vae_kl.load(found, spec, info, placement)
    read = _read(found, spec, options)
    must_match(read.info, info)
    if isinstance(read.init, VaeInit) and not _needs_torch(spec, placement):
        temperature = spec.sampling.temperature
        return PlainHost(info, read.init.base, read.arrays, read.indexes, temperature)
    network = Latent(_decoder(read, placement), spec.sampling.temperature)
    return OnePassHost(network, info, read.indexes, placement, spec.sampling.precision)


def _needs_torch(spec: VaeGenerator, placement: Placement) -> bool:
    """Whether it is there, or what is asked of it cannot be had without."""
    asked = spec.sampling.precision != "fp32" or placement.compile != "off"
    return asked or placement.device != "cpu" or has_torch()


def convert(foreign: Foreign) -> Conversion | None:
    """A checkpoint of pythae or diffusers in our terms, None where it is neither.

    Raises:
        CheckpointError: it is one of theirs, but cannot be hosted.
    """
    return vae_pythae.convert(foreign) or vae_kl.convert(foreign)
