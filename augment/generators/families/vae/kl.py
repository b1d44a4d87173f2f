"""vae, kind `autoencoder_kl`: diffusers' AutoencoderKL, which varies a source image.

The image is encoded, normal noise is added to the mean of its latent, and the sum is
decoded. diffusers (the extra `diffusers`) builds the network and is imported inside
functions; which tensors it has is known here, so that facts need neither it nor torch.

Letters: B batch, C channels, H height, W width, L latent channels.
Source of the architecture: Rombach et al., "High-Resolution Image Synthesis with Latent
Diffusion Models", CVPR 2022; models/autoencoders of github.com/huggingface/diffusers
(Apache-2.0), whose names the tensors keep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from augment.errors import CheckpointError, NotInstalled
from augment.generators.checkpoint import differences
from augment.generators.foreign import Conversion, Foreign
from augment.generators.hosting import Device, compiled, generated, placed
from augment.generators.loading import Checkpoint, Opened, checkpoint_info
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Placement,
    SampleRequest,
    must_match,
)
from augment.generators.source_image import Intake, SourceImages, notes
from augment.sample import DigitalSourceType
from augment.seeds import normals
from augment.spec.generator_base import Preprocess
from augment.spec.generators import VaeGenerator

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

VARIATION = 0.25
"""Where the job does not say."""
PREPROCESS = Preprocess(resize="none")
"""Where the job does not say: the sides are rounded to what the network takes."""

Width = Annotated[int, Field(ge=1, le=4096)]
Shapes = dict[str, tuple[int, ...]]
_BLOCKS = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}


class KlInit(BaseModel):
    """The architecture, as `init` in `generator.json`, in the words of diffusers' config."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["autoencoder_kl"]
    in_channels: Literal[1, 3] = 3
    out_channels: Literal[1, 3] = 3
    block_out_channels: Annotated[list[Width], Field(min_length=1, max_length=6)]
    layers_per_block: Annotated[int, Field(ge=1, le=8)] = 1
    latent_channels: Annotated[int, Field(ge=1, le=256)] = 4
    norm_num_groups: Width = 32
    scaling_factor: Annotated[float, Field(gt=0.0, le=100.0)] = 0.18215
    latents_std: list[Annotated[float, Field(gt=0.0, le=1000.0)]] | None = None
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if any(width % self.norm_num_groups for width in self.block_out_channels):
            raise ValueError("every width is a multiple of norm_num_groups")
        if self.latents_std is not None and len(self.latents_std) != self.latent_channels:
            raise ValueError("latents_std has one value for each latent channel")
        return self

    @property
    def factor(self) -> int:
        """Pixels of a side that one latent value stands for."""
        return 1 << (len(self.block_out_channels) - 1)

    @property
    def units(self) -> list[float]:
        """Per latent channel the standard deviation over images, as the config says it: what
        diffusion models trained on these latents divide by."""
        std = self.latents_std or [1.0] * self.latent_channels
        return [s / self.scaling_factor for s in std]


# ---- tensors -------------------------------------------------------------------------


def parameter_shapes(init: KlInit) -> Shapes:
    """Name -> shape of every tensor of the network."""
    widths, latent = init.block_out_channels, init.latent_channels
    shapes = {
        **_conv("encoder.conv_in", init.in_channels, widths[0]),
        **_blocks("encoder.down_blocks", widths, init.layers_per_block, "downsamplers"),
        **_ends("encoder", widths[-1], widths[-1], 2 * latent, init),
        **_conv("decoder.conv_in", latent, widths[-1]),
        **_blocks("decoder.up_blocks", widths[::-1], init.layers_per_block + 1, "upsamplers"),
        **_ends("decoder", widths[-1], widths[0], init.out_channels, init),
    }
    if init.use_quant_conv:
        shapes |= _conv("quant_conv", 2 * latent, 2 * latent, 1)
    if init.use_post_quant_conv:
        shapes |= _conv("post_quant_conv", latent, latent, 1)
    return shapes


def _conv(name: str, before: int, after: int, side: int = 3) -> Shapes:
    return {f"{name}.weight": (after, before, side, side), f"{name}.bias": (after,)}


def _vectors(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _resnet(name: str, before: int, after: int) -> Shapes:
    shapes = {
        **_vectors(f"{name}.norm1", before),
        **_conv(f"{name}.conv1", before, after),
        **_vectors(f"{name}.norm2", after),
        **_conv(f"{name}.conv2", after, after),
    }
    return shapes | (_conv(f"{name}.conv_shortcut", before, after, 1) if before != after else {})


def _blocks(name: str, widths: Sequence[int], layers: int, sampler: str) -> Shapes:
    """Blocks of resnets; all but the last halve or double the side."""
    shapes: Shapes = {}
    before = widths[0]
    for i, after in enumerate(widths):
        for j in range(layers):
            shapes |= _resnet(f"{name}.{i}.resnets.{j}", before, after)
            before = after
        if i < len(widths) - 1:
            shapes |= _conv(f"{name}.{i}.{sampler}.0.conv", after, after)
    return shapes


def _ends(part: str, middle: int, last: int, out: int, init: KlInit) -> Shapes:
    """The middle block, and what stands after the last block."""
    shapes: Shapes = {}
    for j in range(2):
        shapes |= _resnet(f"{part}.mid_block.resnets.{j}", middle, middle)
    if init.mid_block_add_attention:
        attention = f"{part}.mid_block.attentions.0"
        shapes |= _vectors(f"{attention}.group_norm", middle)
        for name in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes[f"{attention}.{name}.weight"] = (middle, middle)
            shapes[f"{attention}.{name}.bias"] = (middle,)
    return shapes | _vectors(f"{part}.conv_norm_out", last) | _conv(f"{part}.conv_out", last, out)


# ---- host ----------------------------------------------------------------------------

Varied = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""(B, C, H, W) images and (B, L, h, w) noise, in latent values -> (B, C, H, W) images."""


class KlHost:
    """A loaded autoencoder. varied: the network, where `placement` says."""

    def __init__(
        self,
        varied: Varied,
        init: KlInit,
        info: GeneratorInfo,
        spec: VaeGenerator,
        placement: Placement,
    ) -> None:
        self.info = info
        self._init = init
        self._images = _images(info.name, spec, init)
        self._device = Device(placement, spec.sampling.precision)
        self._varied = compiled(varied, placement)
        scale = np.array(init.units) * _variation(spec)
        self._scale_L11 = scale.astype(np.float32)[:, None, None]

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: there is no source, or the network cannot take it.
        """
        self._images.validate(request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """Rows whose inputs and images have equal sizes share a batch."""
        return self._images.key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: as `validate`.
        """
        made = generated(self, batch, self._made)
        return dataclasses.replace(made, notes=notes(self._images, batch))

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        x_BCHW = self._images.prepared(batch)
        noise_BLHW = self._noise(batch, x_BCHW.shape)
        made_BCHW = self._device.passed([x_BCHW, noise_BLHW], self._varied)
        return self._images.restored(made_BCHW, batch)

    def _noise(self, batch: Sequence[SampleRequest], shape: Sequence[int]) -> np.ndarray:
        """(B, L, h, w) of each sample's stream `latent`."""
        height, width = (side // self._init.factor for side in shape[2:])
        n = self._init.latent_channels * height * width
        drawn = normals([r.sample_id for r in batch], "latent", n).astype(np.float32)
        return drawn.reshape(len(batch), -1, height, width) * self._scale_L11


def _images(name: str, spec: VaeGenerator, init: KlInit) -> SourceImages:
    intake = Intake(init.in_channels, init.factor, exact=True, least=init.factor)
    return SourceImages(name, spec.preprocess or PREPROCESS, intake)


def _variation(spec: VaeGenerator) -> float:
    return VARIATION if spec.sampling.variation is None else spec.sampling.variation


def _network(
    name: str, init: KlInit, arrays: Mapping[str, np.ndarray], placement: Placement
) -> Varied:
    """The network as diffusers builds it; its own initialisation is never run, for that
    would draw from torch's global generator."""
    import torch

    try:
        from diffusers import AutoencoderKL
    except ImportError:
        raise NotInstalled(
            f"generators.{name}: an AutoencoderKL needs diffusers, which is not installed; install "
            "augment-vision[diffusers]"
        ) from None
    n = len(init.block_out_channels)
    config = init.model_dump(exclude={"kind"}) | {k: (v,) * n for k, v in _BLOCKS.items()}
    with torch.device("meta"):
        vae: Any = AutoencoderKL.from_config(config)
    vae.load_state_dict(placed(arrays, placement), strict=True, assign=True)
    vae.eval().requires_grad_(False)

    def varied(x_BCHW: torch.Tensor, noise_BLHW: torch.Tensor) -> torch.Tensor:
        z_BLHW = vae.encode(x_BCHW).latent_dist.mean + noise_BLHW
        made: torch.Tensor = vae.decode(z_BLHW).sample
        return made

    return varied


# ---- from a checkpoint ---------------------------------------------------------------


def _read(found: Opened, spec: VaeGenerator, keep: bool = True) -> Checkpoint[KlInit]:
    init = found.init(KlInit)
    _check_effects(f"generators.{found.name}", spec, init)
    images = _images(found.name, spec, init)
    images.check()
    arrays = found.weights(parameter_shapes(init), keep)
    info = checkpoint_info(
        found,
        _VERSION,
        pixels={"init": init.model_dump()},
        sampling={
            "variation": _variation(spec),
            "precision": spec.sampling.precision,
            "preprocess": images.spec.model_dump(),
        },
        shape=(init.out_channels, *images.image_size(images.typical())),
        kind=DigitalSourceType.COMPOSITE_WITH_TRAINED,
        takes_image=True,
    )
    return Checkpoint(info, init, arrays)


def _check_effects(place: str, spec: VaeGenerator, init: KlInit) -> None:
    """Options that an AutoencoderKL does not know, or must not be given."""
    for option in ("class_index", "label"):
        if getattr(spec, option) is not None:
            raise CheckpointError(
                f"{place}.{option}: has no effect, the checkpoint is an AutoencoderKL, which takes "
                "an image and so any class; expected no such key"
            )
    if "temperature" in spec.sampling.model_fields_set:
        raise CheckpointError(
            f"{place}.sampling.temperature: has no effect, the checkpoint is an AutoencoderKL; "
            "expected variation, the noise that is added to an image's latent"
        )
    if spec.sampling.precision == "fp16" and init.force_upcast:
        raise CheckpointError(
            f"{place}.sampling.precision: got fp16, in which the checkpoint overflows, as it says "
            "itself (force_upcast); expected fp32 or bf16"
        )


def describe(found: Opened, spec: VaeGenerator) -> GeneratorInfo:
    """As `vae.describe`, of a folder that was opened."""
    return _read(found, spec, keep=False).info


def load(found: Opened, spec: VaeGenerator, info: GeneratorInfo, placement: Placement) -> KlHost:
    """As `vae.load`, of a folder that was opened."""
    read = _read(found, spec)
    must_match(read.info, info)
    varied = _network(found.name, read.init, read.arrays, placement)
    return KlHost(varied, read.init, info, spec, placement)


# ---- from diffusers ------------------------------------------------------------------

_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Of the attention in files from before diffusers 0.13."""
_TAKEN = tuple(k for k in KlInit.model_fields if k != "kind")


def convert(foreign: Foreign) -> Conversion | None:
    """The `vae` folder of a diffusers model in our terms, None where it is none.

    Raises:
        CheckpointError: it is one, but of an architecture that is not hosted.
    """
    config = foreign.config
    if config.get("_class_name") != "AutoencoderKL":
        return None
    _check_blocks(foreign)
    raw = {k: config[k] for k in _TAKEN if k in config}
    if isinstance(widths := raw.get("block_out_channels"), tuple):
        raw["block_out_channels"] = list(widths)
    try:
        init = KlInit.model_validate({"kind": "autoencoder_kl", **raw})
    except ValidationError as error:
        found = error.errors()[0]
        at = ".".join(map(str, found["loc"])) or "config"
        raise CheckpointError(
            f"{foreign.place}: config.json: {at}: {found['msg']}, got {found['input']!r:.80}"
        ) from None
    tensors, renamed = _renamed(foreign.tensors)
    if wrong := differences({k: v.shape for k, v in tensors.items()}, parameter_shapes(init)):
        raise CheckpointError(
            f"{foreign.place}: its tensors are not those of its config.json ({wrong}); fetch both "
            "again"
        )
    quirks = (f"renamed: {renamed} attention tensors of an older diffusers",) if renamed else ()
    return Conversion("vae", init.model_dump(), tensors, 0, quirks, takes_image=True)


def _check_blocks(foreign: Foreign) -> None:
    for key, kind in _BLOCKS.items():
        found = foreign.config.get(key, [kind])
        if not isinstance(found, list | tuple) or not found or any(one != kind for one in found):
            raise CheckpointError(
                f"{foreign.place}: config.json: {key}: got {found!r:.80}; expected {kind} only"
            )
    if foreign.config.get("act_fn", "silu") not in ("silu", "swish"):
        raise CheckpointError(
            f"{foreign.place}: config.json: act_fn: got {foreign.config['act_fn']!r:.80}; expected "
            "silu"
        )


def _renamed(tensors: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], int]:
    """float32 under today's names, and how many had others."""
    found, renamed = dict[str, np.ndarray](), 0
    for key, value in tensors.items():
        array = np.ascontiguousarray(value, dtype=np.float32)
        *before, name, last = key.split(".")
        if len(before) > 2 and before[-2] == "attentions" and name in _OLD_NAMES:
            key, renamed = ".".join([*before, _OLD_NAMES[name], last]), renamed + 1
            array = array.reshape(array.shape[:2])  # some hold them as 1 x 1 convolutions
        found[key] = array
    return found, renamed
