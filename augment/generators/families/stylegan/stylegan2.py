"""stylegan2: StyleGAN2 and StyleGAN2-ADA; synthesis network, loading, sampling, conversion.

Images are floats whose nominal range is [-1, 1], without a tanh; a host clips them. (The
official program makes bytes by floor(x * 127.5 + 128); here `codec` rounds, as for every
family.) Everything runs in float32 unless `precision` says otherwise, also blocks that the
official program would run in half on a GPU; clamps stay active. torch is imported inside
functions. Knows nothing of Ray or of how a checkpoint was trained.

Shape letters: B batch, Z latent, W width of w, N w vectors of an image, C channels, H
height (and width).
Source of the method: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN",
CVPR 2020, and "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020;
names and numbers checked against NVlabs/stylegan2-ada-pytorch (NVIDIA Source Code License;
no code of theirs is here). What differs: see `ops` and `mapping`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from augment.errors import CheckpointError
from augment.generators.families.stylegan.mapping import (
    MappingInit,
    Official,
    Width,
    check_truncation,
    mapped,
    mapping_init,
    mapping_shapes,
    truncated,
)
from augment.generators.families.stylegan.ops import (
    SQRT2,
    clamped,
    conv,
    dense,
    leaky,
    modulated,
    up_conv,
    upsampled,
)
from augment.generators.foreign import Conversion, Foreign, matched
from augment.generators.hosting import placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, class_info, opened
from augment.generators.one_pass import OnePassHost
from augment.generators.protocol import GeneratorInfo, Options, Placement, must_match
from augment.seeds import normals
from augment.spec.generators import StyleGan2Generator, StyleGan2Sampling

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_LR_MULTIPLIER = 0.01
"""The official default."""


class StyleGan2Init(BaseModel):
    """The generator's architecture, as `init` in `generator.json`.

    widths: channels of the feature maps of side 4, 8, 16, ... up to the image's.
    taps: side of the filters between sides. conv_clamp: limit of each layer's values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    mapping: MappingInit
    widths: Annotated[list[Width], Field(min_length=1, max_length=10)]
    img_channels: Literal[1, 3]
    architecture: Literal["skip", "resnet", "orig"]
    use_noise: bool
    taps: Annotated[int, Field(ge=2, le=32)]
    conv_clamp: Annotated[float, Field(gt=0.0)] | None
    activation: Literal["linear", "lrelu", "relu"]

    @property
    def side(self) -> int:
        """Height and width of the image in pixels."""
        return 4 << (len(self.widths) - 1)

    @property
    def num_ws(self) -> int:
        """One w for each convolution, one for the last step to colours."""
        return 2 * len(self.widths)


@dataclass(frozen=True)
class Layer:
    """A convolution of the synthesis network: its name, channels and the side it gives."""

    name: str
    before: int
    after: int
    side: int


def layers(init: StyleGan2Init) -> Iterator[Layer]:
    """The convolutions in the order in which they run and take their w."""
    before = init.widths[0]
    for i, after in enumerate(init.widths):
        side = 4 << i
        if i > 0:
            yield Layer(f"synthesis.b{side}.conv0", before, after, side)
        yield Layer(f"synthesis.b{side}.conv1", after, after, side)
        before = after


def parameter_shapes(init: StyleGan2Init) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor; names are the official ones."""
    w, fir = init.mapping.w_dim, (init.taps, init.taps)
    shapes = mapping_shapes(init.mapping)
    shapes["synthesis.b4.const"] = (init.widths[0], 4, 4)
    for layer in layers(init):
        shapes |= _steered(layer.name, layer.before, layer.after, 3, w)
        if layer.name.endswith("conv0"):
            shapes[f"{layer.name}.resample_filter"] = fir
        if init.use_noise:
            shapes[f"{layer.name}.noise_const"] = (layer.side, layer.side)
            shapes[f"{layer.name}.noise_strength"] = ()
    for i, width in enumerate(init.widths):
        block = f"synthesis.b{4 << i}"
        shapes[f"{block}.resample_filter"] = fir
        if _has_colours(init, i):
            shapes |= _steered(f"{block}.torgb", width, init.img_channels, 1, w)
        if init.architecture == "resnet" and i > 0:
            shapes[f"{block}.skip.weight"] = (width, init.widths[i - 1], 1, 1)
            shapes[f"{block}.skip.resample_filter"] = fir
    return shapes


def _steered(name: str, before: int, after: int, k: int, w_dim: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.weight": (after, before, k, k),
        f"{name}.bias": (after,),
        f"{name}.affine.weight": (before, w_dim),
        f"{name}.affine.bias": (before,),
    }


def _has_colours(init: StyleGan2Init, block: int) -> bool:
    return init.architecture == "skip" or block == len(init.widths) - 1


Noise = Mapping[str, "torch.Tensor"]
"""Layer -> (H, H) or (B, 1, H, H), before the layer's strength; a layer without: none."""


@dataclass(frozen=True)
class Generator:
    """The network under one sampling: `parameters` has the names and shapes of
    `parameter_shapes`, float32."""

    init: StyleGan2Init
    parameters: Mapping[str, torch.Tensor]
    sampling: StyleGan2Sampling = field(default_factory=StyleGan2Sampling)

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """z (B, Z) and, where each sample has noise of its own, layer -> (B, 1, H, H)."""
        drawn = {"z": normals(sample_ids, "z", self.init.mapping.z_dim).astype(np.float32)}
        if self.sampling.noise_mode == "random":
            for layer in layers(self.init):
                noise = normals(sample_ids, f"noise/{layer.name}", layer.side**2)
                sides = (-1, 1, layer.side, layer.side)
                drawn[layer.name] = noise.astype(np.float32).reshape(sides)
        return drawn

    def __call__(self, class_B: torch.Tensor, drawn: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, C, H, H) of int64 class indexes and what was drawn."""
        psi, cutoff = self.sampling.truncation_psi, self.sampling.truncation_cutoff
        noise = self.constant_noise() if self.sampling.noise_mode == "const" else drawn
        return self.synthesis(self.ws(drawn["z"], class_B, psi, cutoff), noise)

    def ws(
        self,
        z_BZ: torch.Tensor,
        class_B: torch.Tensor,
        psi: float = 1.0,
        cutoff: int | None = None,
    ) -> torch.Tensor:
        """(B, N, W) of z and int64 class indexes."""
        w_BW = mapped(self.init.mapping, self.parameters, z_BZ, class_B)
        return truncated(self.parameters, w_BW, self.init.num_ws, psi, cutoff)

    def synthesis(self, ws_BNW: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(B, C, H, H) images."""
        x = self.parameters["synthesis.b4.const"].expand(len(ws_BNW), -1, -1, -1)
        image = None
        at = 0
        for i in range(len(self.init.widths)):
            block, count = f"synthesis.b{4 << i}", min(i + 1, 2)
            x = self._block(x, block, ws_BNW[:, at : at + count], noise)
            at += count
            if image is not None:
                image = upsampled(image, self.parameters[f"{block}.resample_filter"])
            if _has_colours(self.init, i):
                colours = self._to_rgb(x, f"{block}.torgb", ws_BNW[:, at])
                image = colours if image is None else image + colours
        assert image is not None  # the last block has colours
        return image

    def constant_noise(self) -> dict[str, torch.Tensor]:
        """The checkpoint's own, the same in every image."""
        names = [layer.name for layer in layers(self.init)] if self.init.use_noise else []
        return {name: self.parameters[f"{name}.noise_const"] for name in names}

    def _block(self, x: torch.Tensor, block: str, ws: torch.Tensor, noise: Noise) -> torch.Tensor:
        """One side's feature maps: one convolution at the side of 4, else two."""
        if ws.shape[1] == 1:
            return self._layer(x, f"{block}.conv1", ws[:, 0], noise)
        if self.init.architecture != "resnet":
            x = self._layer(x, f"{block}.conv0", ws[:, 0], noise)
            return self._layer(x, f"{block}.conv1", ws[:, 1], noise)
        half = math.sqrt(0.5)
        weight = self.parameters[f"{block}.skip.weight"]
        past = conv(x, weight / math.sqrt(weight.shape[1]))
        past = upsampled(past, self.parameters[f"{block}.skip.resample_filter"]) * half
        x = self._layer(x, f"{block}.conv0", ws[:, 0], noise)
        return past + self._layer(x, f"{block}.conv1", ws[:, 1], noise, half)

    def _layer(
        self, x: torch.Tensor, name: str, w_BW: torch.Tensor, noise: Noise, gain: float = 1.0
    ) -> torch.Tensor:
        p = self.parameters
        style = dense(w_BW, p[f"{name}.affine.weight"], p[f"{name}.affine.bias"])

        def convolve(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            if name.endswith("conv0"):
                return up_conv(x, weight, p[f"{name}.resample_filter"])
            return conv(x, weight)

        x = modulated(x, p[f"{name}.weight"], style, convolve)
        if name in noise:
            x = x + noise[name] * p[f"{name}.noise_strength"]
        x = self._activated(x + p[f"{name}.bias"][:, None, None]) * gain
        limit = self.init.conv_clamp
        return clamped(x, limit if limit is None else limit * gain)

    def _activated(self, x: torch.Tensor) -> torch.Tensor:
        match self.init.activation:
            case "lrelu":
                return leaky(x)
            case "relu":
                return x.relu() * SQRT2
            case "linear":
                return x

    def _to_rgb(self, x: torch.Tensor, name: str, w_BW: torch.Tensor) -> torch.Tensor:
        p = self.parameters
        weight = p[f"{name}.weight"]
        style = dense(w_BW, p[f"{name}.affine.weight"], p[f"{name}.affine.bias"])
        style = style / math.sqrt(weight.shape[1])
        x = modulated(x, weight, style, conv, demodulate=False)
        return clamped(x + p[f"{name}.bias"][:, None, None], self.init.conv_clamp)


def _read(
    name: str, spec: StyleGan2Generator, options: Options, keep: bool = True
) -> Checkpoint[StyleGan2Init]:
    found = opened(name, spec, "stylegan2", options)
    init = found.init(StyleGan2Init)
    check_truncation(name, spec.sampling, init.mapping, init.num_ws)
    if not init.use_noise and spec.sampling.noise_mode != "const":
        raise CheckpointError(
            f"generators.{name}.sampling.noise_mode: got {spec.sampling.noise_mode!r}, which has "
            "no effect: the checkpoint's layers add no noise; expected nothing or 'const'"
        )
    arrays = found.weights(parameter_shapes(init), keep)
    indexes = class_indexes(name, spec, found.config.classes, init.mapping.c_dim, options)
    shape = (init.img_channels, init.side, init.side)
    info = class_info(found, _VERSION, found.config.init, spec.sampling, shape, indexes)
    return Checkpoint(info, init, arrays, indexes)


def describe(name: str, spec: StyleGan2Generator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    return _read(name, spec, options, keep=False).info


def load(
    name: str,
    spec: StyleGan2Generator,
    info: GeneratorInfo,
    placement: Placement,
    options: Options,
) -> OnePassHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found = _read(name, spec, options)
    must_match(found.info, info)
    network = Generator(found.init, placed(found.arrays, placement), spec.sampling)
    return OnePassHost(network, info, found.indexes, placement, spec.sampling.precision)


def convert(foreign: Foreign) -> Conversion | None:
    """A generator of the official programs; None where it is none of StyleGAN2's.

    Channels, sides and architecture are those of the tensors. What no tensor shows comes from
    the layers' attributes, else from the constructor's arguments, else it is the official
    default, and a quirk says so.

    Raises:
        CheckpointError: it is StyleGAN2 of a kind that is not hosted.
    """
    if "synthesis.b4.const" not in foreign.tensors:
        return None
    official = Official(foreign)
    init = foreign.fitted(StyleGan2Init, _found(official))
    # a layer that keeps the side has a filter too, which nothing reads
    used = {k: v for k, v in foreign.tensors.items() if not k.endswith("conv1.resample_filter")}
    tensors = matched(foreign.place, used, parameter_shapes(init))
    return Conversion(
        family="stylegan2",
        init=init.model_dump(),
        tensors=tensors,
        num_classes=init.mapping.c_dim,
        quirks=tuple(_quirks(official, init)),
        license_note=official.license_note,
    )


def _found(official: Official) -> dict[str, Any]:
    """`StyleGan2Init` of a foreign checkpoint, before it is checked."""
    foreign = official.foreign
    widths = [foreign.sizes("synthesis.b4.const", 3)[0]]
    while f"synthesis.b{4 << len(widths)}.conv1.weight" in foreign.tensors:
        widths.append(foreign.sizes(f"synthesis.b{4 << len(widths)}.conv1.weight", 4)[0])
    last = f"synthesis.b{4 << (len(widths) - 1)}"
    convs = [f"synthesis.b{4 << i}.conv1" for i in range(len(widths))]
    convs += [f"synthesis.b{4 << i}.conv0" for i in range(1, len(widths))]
    activation = _argument(official, "activation", "lrelu")
    clamp = _argument(official, "conv_clamp", None)
    return {
        "mapping": mapping_init(official, _LR_MULTIPLIER),
        "widths": widths,
        "img_channels": foreign.sizes(f"{last}.torgb.weight", 4)[0],
        "architecture": _architecture(foreign),
        "use_noise": "synthesis.b4.conv1.noise_const" in foreign.tensors,
        "taps": foreign.sizes("synthesis.b4.resample_filter", 2)[0],
        "conv_clamp": official.same(convs, "conv_clamp", clamp),
        "activation": official.same(convs, "activation", activation),
    }


def _argument(official: Official, key: str, default: Any) -> Any:
    """Of the synthesis network: in an object of its own, or (stylegan3's repository) beside
    the generator's."""
    return official.argument("synthesis_kwargs", key, official.argument("", key, default))


def _architecture(foreign: Foreign) -> str:
    if "synthesis.b8.skip.weight" in foreign.tensors:
        return "resnet"
    several = "synthesis.b8.conv0.weight" in foreign.tensors
    return "orig" if several and "synthesis.b4.torgb.weight" not in foreign.tensors else "skip"


def _quirks(official: Official, init: StyleGan2Init) -> Iterator[str]:
    halves = _argument(official, "num_fp16_res", 0)
    blocks = [f"synthesis.b{4 << i}" for i in range(len(init.widths))]
    if any(official.attribute(block, "use_fp16", bool(halves)) for block in blocks):
        yield (
            "its last blocks ran in half precision on GPUs; here everything runs in float32 "
            "unless sampling.precision says otherwise"
        )
    if official.silent:
        yield (
            f"nothing beside the tensors says how it was built: taken to be lr_multiplier "
            f"{init.mapping.lr_multiplier}, activation {init.activation}"
        )
    said = _argument(official, "conv_clamp", ...)
    if official.attribute("synthesis.b4.conv1", "conv_clamp", said) is ...:
        yield (
            "nothing says conv_clamp: taken to be none, as in stylegan2-ada-pytorch; StyleGAN2 of "
            "the stylegan3 repository clamps at 256"
        )
