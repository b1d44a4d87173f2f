"""stylegan3: StyleGAN3, translation (T) and rotation (R) equivariant; synthesis network,
loading, sampling, conversion.

Images are floats whose nominal range is [-1, 1], without a tanh; a host clips them. The
filters between sampling rates are the checkpoint's own. Everything runs in float32 unless
`precision` says otherwise; clamps stay active. torch is imported inside functions. Knows
nothing of Ray or of how a checkpoint was trained.

Shape letters: B batch, Z latent, W width of w, N w vectors of an image, C channels, H height
(and width).
Source of the method: Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS
2021; names and numbers checked against NVlabs/stylegan3 (NVIDIA Source Code License; no code
of theirs is here). What differs: styles are normalised for each sample, upstream over the
batch, which demodulation cancels but for 1e-8; see also `ops`, `mapping`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.generators.families.stylegan.mapping import (
    Official,
    check_truncation,
    mapped,
    mapping_init,
    truncated,
)
from augment.generators.families.stylegan.ops import (
    clamped,
    dense,
    fir,
    full_precision,
    leaky,
    modulated,
)
from augment.generators.families.stylegan.stylegan3_layers import (
    Layer,
    StyleGan3Init,
    canvas,
    layers,
    parameter_shapes,
)
from augment.generators.foreign import Conversion, Foreign, matched
from augment.generators.hosting import placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, class_info, opened
from augment.generators.one_pass import Drawn, OnePassHost
from augment.generators.protocol import GeneratorInfo, Options, Placement, must_match
from augment.seeds import normals
from augment.spec.generators import StyleGan3Generator, StyleGan3Sampling

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_DEFAULTS: dict[str, Any] = {
    "num_critical": 2,
    "first_cutoff": 2.0,
    "first_stopband": 2.0**2.1,
    "last_stopband_rel": 2.0**0.3,
    "margin_size": 10,
    "filter_size": 6,
    "lrelu_upsampling": 2,
    "output_scale": 0.25,
    "conv_clamp": 256,
}
"""Official arguments that no tensor shows."""


@dataclass(frozen=True)
class Generator:
    """The network under one sampling: `parameters` has the names and shapes of
    `parameter_shapes`, float32."""

    init: StyleGan3Init
    parameters: Mapping[str, torch.Tensor]
    sampling: StyleGan3Sampling = field(default_factory=StyleGan3Sampling)

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """z (B, Z)."""
        return {"z": normals(sample_ids, "z", self.init.mapping.z_dim).astype(np.float32)}

    def __call__(self, class_B: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """(B, C, H, H) of int64 class indexes and what was drawn."""
        psi, cutoff = self.sampling.truncation_psi, self.sampling.truncation_cutoff
        return self.synthesis(self.ws(drawn["z"], class_B, psi, cutoff))

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

    def synthesis(self, ws_BNW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, H) images."""
        x = self._waves(ws_BNW[:, 0])
        for i, layer in enumerate(layers(self.init)):
            x = self._layer(x, layer, ws_BNW[:, i + 1])
        return x * self.init.output_scale

    def _waves(self, w_BW: torch.Tensor) -> torch.Tensor:
        """The input: plane waves over the canvas, turned and moved as w says."""
        import torch

        p = self.parameters
        freqs, weight = p["synthesis.input.freqs"], p["synthesis.input.weight"]
        with full_precision(w_BW):
            moved_B33 = self._movement(w_BW) @ p["synthesis.input.transform"]
            phases_BC = p["synthesis.input.phases"] + (freqs @ moved_B33[:, :2, 2:]).squeeze(2)
            freqs_BC2 = freqs @ moved_B33[:, :2, :2]
            rate, cutoff = self.init.rates[0], self.init.first_cutoff
            # waves above the band fade out
            fade_BC = 1.0 - (freqs_BC2.norm(dim=2) - cutoff) / (rate / 2 - cutoff)
            side = canvas(self.init)
            at_H = (torch.arange(side, device=w_BW.device) + 0.5 - side / 2) / rate
            along_BCW, down_BCH = (freqs_BC2[:, :, axis, None] * at_H for axis in (0, 1))
            turns = along_BCW[:, :, None, :] + down_BCH[:, :, :, None] + phases_BC[:, :, None, None]
            x = (2.0 * math.pi * turns).sin() * fade_BC.clamp(0.0, 1.0)[:, :, None, None]
            return torch.einsum("oc,bchw->bohw", weight / math.sqrt(len(weight)), x)

    def _movement(self, w_BW: torch.Tensor) -> torch.Tensor:
        """(B, 3, 3): a rotation after a translation, learned, of the plane."""
        import torch

        p = self.parameters
        t_B4 = dense(w_BW, p["synthesis.input.affine.weight"], p["synthesis.input.affine.bias"])
        t_B4 = t_B4 / t_B4[:, :2].norm(dim=1, keepdim=True)
        cos, sin, x, y = t_B4.unbind(dim=1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1)
        translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1)
        return rotation.view(-1, 3, 3) @ translation.view(-1, 3, 3)

    def _layer(self, x: torch.Tensor, layer: Layer, w_BW: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        p, name = self.parameters, layer.name
        x = self._convolved(x, layer, w_BW) * p[f"{name}.magnitude_ema"].rsqrt()
        x = x + p[f"{name}.bias"][:, None, None]
        pad = (*layer.pad, *layer.pad)
        if layer.up_taps > 1:
            x = fir(x, p[f"{name}.up_filter"], layer.up, pad=pad, gain=layer.up**2)
        else:
            x = f.pad(x, pad)
        x = clamped(x if layer.colours else leaky(x), self.init.conv_clamp)
        return fir(x, p[f"{name}.down_filter"], down=layer.down) if layer.down_taps > 1 else x

    def _convolved(self, x: torch.Tensor, layer: Layer, w_BW: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        def convolve(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return f.conv2d(x, weight, padding=layer.kernel - 1)

        p, name = self.parameters, layer.name
        weight = p[f"{name}.weight"]
        style = dense(w_BW, p[f"{name}.affine.weight"], p[f"{name}.affine.bias"])
        if layer.colours:
            style = style / math.sqrt(weight[0].numel())
        else:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
        return modulated(x, weight, style, convolve, demodulate=not layer.colours)


def _read(
    name: str, spec: StyleGan3Generator, options: Options, keep: bool = True
) -> Checkpoint[StyleGan3Init]:
    found = opened(name, spec, "stylegan3", options)
    init = found.init(StyleGan3Init)
    check_truncation(name, spec.sampling, init.mapping, init.num_ws)
    arrays = found.weights(parameter_shapes(init), keep)
    indexes = class_indexes(name, spec, found.config.classes, init.mapping.c_dim, options)
    shape = (init.img_channels, init.img_resolution, init.img_resolution)
    info = class_info(found, _VERSION, found.config.init, spec.sampling, shape, indexes)
    return Checkpoint(info, init, arrays, indexes)


def describe(name: str, spec: StyleGan3Generator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    return _read(name, spec, options, keep=False).info


def load(
    name: str,
    spec: StyleGan3Generator,
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
    """A generator of the official program; None where it is none of StyleGAN3's.

    Channels and filters are those of the tensors. What no tensor shows comes from attributes,
    else from the constructor's arguments, else it is the official default; a quirk says so
    where nothing is known. Attributes of the layers must agree with what follows.

    Raises:
        CheckpointError: it is StyleGAN3 of a kind that is not hosted.
    """
    if "synthesis.input.freqs" not in foreign.tensors:
        return None
    official = Official(foreign)
    init = foreign.fitted(StyleGan3Init, _found(official))
    tensors = matched(foreign.place, foreign.tensors, parameter_shapes(init))
    _must_agree(official, init)
    return Conversion(
        family="stylegan3",
        init=init.model_dump(),
        tensors=tensors,
        num_classes=init.mapping.c_dim,
        quirks=tuple(_quirks(official, init)),
        license_note=official.license_note,
    )


def _found(official: Official) -> dict[str, Any]:
    """`StyleGan3Init` of a foreign checkpoint, before it is checked."""
    foreign = official.foreign
    pattern = re.compile(r"(synthesis\.L([0-9]{1,3})_([0-9]{1,5})_[0-9]{1,5})\.weight")
    named = sorted(
        (int(m[2]), m[1], int(m[3])) for m in map(pattern.fullmatch, foreign.tensors) if m
    )
    if not named:
        raise foreign.refusal("no layers synthesis.L*", "those of StyleGAN3")
    names = [name for _, name, _ in named]
    channels = [foreign.sizes(f"{name}.weight", 4)[0] for name in names]
    first = foreign.tensors.get(f"{names[0]}.down_filter")
    plain = {key: official.argument("", key, default) for key, default in _DEFAULTS.items()}
    for key in ("num_critical", "margin_size", "output_scale"):
        plain[key] = official.attribute("synthesis", key, plain[key])
    return {
        **plain,
        "mapping": mapping_init(official, 0.01),
        "img_resolution": named[-1][2],
        "img_channels": channels[-1],
        "widths": channels[:-1],
        "conv_kernel": foreign.sizes(f"{names[0]}.weight", 4)[2],
        "use_radial_filters": first is not None and first.ndim == 2,
        "conv_clamp": official.same(names, "conv_clamp", plain["conv_clamp"]),
    }


def _must_agree(official: Official, init: StyleGan3Init) -> None:
    """Raises:
    CheckpointError: a pickle's module ran otherwise than `init` says.
    """
    expected: list[tuple[str, str, Any]] = [
        ("synthesis.input", "bandwidth", init.first_cutoff),
        ("synthesis.input", "sampling_rate", init.rates[0]),
    ]
    for layer in layers(init):
        low, high = layer.pad
        expected += [
            (layer.name, "up_factor", layer.up),
            (layer.name, "down_factor", layer.down),
            (layer.name, "padding", [low, high, low, high]),
        ]
    for module, key, value in expected:
        found = official.attribute(module, key, value)
        if found != value:
            raise official.foreign.refusal(
                f"{key} of {module} is {found!r:.80}",
                f"{value!r}, which follows from its constructor's arguments",
            )


def _quirks(official: Official, init: StyleGan3Init) -> Iterator[str]:
    halves = official.argument("", "num_fp16_res", 4)
    if any(official.attribute(layer.name, "use_fp16", bool(halves)) for layer in layers(init)):
        yield (
            "its last layers ran in half precision on GPUs; here everything runs in float32 "
            "unless sampling.precision says otherwise"
        )
    if official.silent:
        told = ", ".join(f"{key} {value:.4g}" for key, value in _DEFAULTS.items())
        yield (
            "nothing beside the tensors says how it was built: taken to be lr_multiplier "
            f"{init.mapping.lr_multiplier}, {told}"
        )
