"""resnet_i2i: residual image translator of CycleGAN, pix2pix and CUT; network, loading,
conversion. What it shares with other translators stands in `translation`.

Two halvings, n residual blocks, two doublings, tanh; fully convolutional. torch is imported
inside functions. Knows nothing of Ray or of how a checkpoint was trained.

Shape letters: B batch, C channels, H height, W width.
Sources: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", ECCV
2016; Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017 (junyanz/pytorch-CycleGAN-and-pix2pix, models/networks.py, BSD-2); Park
et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020
(taesungp/contrastive-unpaired-translation, models/networks.py, BSD); blurred sampling: Zhang,
"Making Convolutional Networks Shift-Invariant Again", ICML 2019. What differs: pure functions
over the official names; dropout takes its masks as arguments; batch norms can take each
sample's statistics in a batch of any size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from augment.generators.families.translation.convert import converted, norm_of, paired, tidied
from augment.generators.families.translation.host import (
    Direction,
    Family,
    Shapes,
    TranslatorInit,
    norm_shapes,
    normalised,
    thinned,
)
from augment.generators.foreign import Conversion, Foreign
from augment.generators.source_image import Intake, Size

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class _Layer:
    """A part of the network: `at` is its (first) convolution's or its block's position in
    the official `model`, between `before` and `after` channels."""

    kind: Literal["stem", "down", "block", "up", "out"]
    at: int
    before: int
    after: int

    @property
    def name(self) -> str:
        return f"model.{self.at}"

    @property
    def norm(self) -> str:
        return f"model.{self.at + 1}"

    @property
    def blur(self) -> str:
        """The filter after a halving's activation, or before a doubling's convolution."""
        return f"model.{self.at + (3 if self.kind == 'down' else -1)}.filt"


class ResnetInit(TranslatorInit):
    """n_blocks: residual blocks. antialias_down, antialias_up: CUT's blurred halvings and
    doublings in place of strided convolutions."""

    n_blocks: Annotated[int, Field(ge=1, le=64)]
    antialias_down: bool = False
    antialias_up: bool = False

    def layers(self) -> list[_Layer]:
        """From source to image. Positions count paddings and activations too."""
        wide, n = 4 * self.ngf, self.n_blocks
        step_down, step_up = 3 + self.antialias_down, 3 + self.antialias_up
        blocks = 4 + 2 * step_down
        first_up = blocks + n + self.antialias_up  # the blur stands before its convolution
        return [
            _Layer("stem", 1, self.input_nc, self.ngf),
            _Layer("down", 4, self.ngf, 2 * self.ngf),
            _Layer("down", 4 + step_down, 2 * self.ngf, wide),
            *(_Layer("block", blocks + i, wide, wide) for i in range(n)),
            _Layer("up", first_up, wide, 2 * self.ngf),
            _Layer("up", first_up + step_up, 2 * self.ngf, self.ngf),
            _Layer("out", blocks + n + 2 * step_up + 1, self.ngf, self.output_nc),
        ]

    def block_parts(self) -> tuple[int, int]:
        """Positions of a block's two convolutions; dropout stands between them."""
        return 1, 5 + self.dropout

    def shapes(self) -> Shapes:
        """Name -> shape of every tensor of one network."""
        found: Shapes = {}
        for layer in self.layers():
            found |= self._shapes_of(layer)
        return found

    def _shapes_of(self, layer: _Layer) -> Shapes:
        before, after = layer.before, layer.after
        three, seven = (after, before, 3, 3), (after, before, 7, 7)
        norm = norm_shapes(layer.norm, after, self.norm)
        match layer.kind:
            case "stem":
                return self._conv(layer.name, seven, after) | norm
            case "down":
                blur: Shapes = {layer.blur: (after, 1, 3, 3)} if self.antialias_down else {}
                return self._conv(layer.name, three, after) | norm | blur
            case "block":
                return self._block(f"{layer.name}.conv_block", three)
            case "up" if self.antialias_up:
                blur = {layer.blur: (before, 1, 4, 4)}
                return self._conv(layer.name, three, after) | norm | blur
            case "up":
                return self._conv(layer.name, (before, after, 3, 3), after) | norm
            case "out":
                return {f"{layer.name}.weight": seven, f"{layer.name}.bias": (after,)}

    def _block(self, name: str, weight: tuple[int, ...]) -> Shapes:
        found: Shapes = {}
        for part in self.block_parts():
            found |= self._conv(f"{name}.{part}", weight, weight[0])
            found |= norm_shapes(f"{name}.{part + 1}", weight[0], self.norm)
        return found

    def _conv(self, name: str, weight: tuple[int, ...], after: int) -> Shapes:
        # a bias before a batch norm would be subtracted again, so there is none
        bias: Shapes = {f"{name}.bias": (after,)} if self.norm == "instance" else {}
        return {f"{name}.weight": weight, **bias}

    def intake(self) -> Intake:
        """Any sides; under 5 a mirrored border of a block is wider than its feature map."""
        return Intake(channels=self.input_nc, multiple=4, exact=False, least=5)

    def output_size(self, taken: Size) -> Size:
        """The next multiples of 4."""
        height, width = _quarter(taken)
        return 4 * height, 4 * width

    def dropped(self, taken: Size) -> dict[str, tuple[int, int, int]]:
        """One feature map in every block."""
        if not self.dropout:
            return {}
        shape = (4 * self.ngf, *_quarter(taken))
        return {_drop(layer): shape for layer in self.layers() if layer.kind == "block"}


def _quarter(size: Size) -> Size:
    """After two halvings, each rounding up."""
    return -(-size[0] // 4), -(-size[1] // 4)


def _drop(block: _Layer) -> str:
    return f"{block.name}.conv_block.4"


@dataclass(frozen=True)
class Resnet:
    """The network: `parameters` has the names and shapes of `init.shapes()`, float32.
    per_sample: batch norms take the statistics of each sample."""

    init: ResnetInit
    parameters: Mapping[str, torch.Tensor]
    per_sample: bool = False

    def __call__(self, x_BCHW: torch.Tensor, keep: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, C, H, W) in [-1, 1], H and W as `init.output_size` says."""
        stem, *inner, out = self.init.layers()
        x = self._active(self._conv(_mirrored(x_BCHW, 3), stem.name), stem.norm)
        for layer in inner:
            match layer.kind:
                case "down":
                    x = self._down(x, layer)
                case "block":
                    x = x + self._residual(x, layer, keep)
                case "up":
                    x = self._up(x, layer)
        return self._conv(_mirrored(x, 3), out.name).tanh()

    def _down(self, x: torch.Tensor, layer: _Layer) -> torch.Tensor:
        if not self.init.antialias_down:
            return self._active(self._conv(x, layer.name, stride=2, padding=1), layer.norm)
        x = self._active(self._conv(x, layer.name, padding=1), layer.norm)
        return _halved(x, self.parameters[layer.blur])

    def _residual(
        self, x: torch.Tensor, block: _Layer, keep: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        first, second = self.init.block_parts()
        name = f"{block.name}.conv_block"
        x = self._conv(_mirrored(x, 1), f"{name}.{first}")
        x = thinned(self._active(x, f"{name}.{first + 1}"), keep, _drop(block))
        x = self._conv(_mirrored(x, 1), f"{name}.{second}")
        return self._norm(x, f"{name}.{second + 1}")

    def _up(self, x: torch.Tensor, layer: _Layer) -> torch.Tensor:
        from torch.nn import functional as f

        p = self.parameters
        if self.init.antialias_up:
            x = self._conv(_doubled(x, p[layer.blur]), layer.name, padding=1)
        else:
            weight, bias = p[f"{layer.name}.weight"], p.get(f"{layer.name}.bias")
            x = f.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        return self._active(x, layer.norm)

    def _conv(self, x: torch.Tensor, name: str, stride: int = 1, padding: int = 0) -> torch.Tensor:
        from torch.nn import functional as f

        p = self.parameters
        return f.conv2d(x, p[f"{name}.weight"], p.get(f"{name}.bias"), stride, padding)

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return normalised(x, self.parameters, name, self.init.norm, self.per_sample)

    def _active(self, x: torch.Tensor, norm: str) -> torch.Tensor:
        return self._norm(x, norm).relu()


def _mirrored(x_BCHW: torch.Tensor, border: int) -> torch.Tensor:
    from torch.nn import functional as f

    return f.pad(x_BCHW, (border,) * 4, mode="reflect")


def _halved(x_BCHW: torch.Tensor, filt_C1HW: torch.Tensor) -> torch.Tensor:
    """Every second pixel of the blurred map."""
    from torch.nn import functional as f

    return f.conv2d(_mirrored(x_BCHW, 1), filt_C1HW, stride=2, groups=x_BCHW.shape[1])


def _doubled(x_BCHW: torch.Tensor, filt_C1HW: torch.Tensor) -> torch.Tensor:
    """Zeros between the pixels, blurred (the filter sums to 4); the border's surplus is cut."""
    from torch.nn import functional as f

    x = f.pad(x_BCHW, (1, 1, 1, 1), mode="replicate")
    x = f.conv_transpose2d(x, filt_C1HW, stride=2, padding=2, groups=x_BCHW.shape[1])
    return x[:, :, 1:-1, 1:-1]


FAMILY = Family("resnet_i2i", 1, ResnetInit, Resnet)


# ---- from the official program -------------------------------------------------------

_BLOCK = re.compile(r"model\.(\d+)\.conv_block\.1\.weight")


def convert(foreign: Foreign, direction: Direction | None = None) -> Conversion | None:
    """A generator's state dict in our terms; None where it is none of a resnet.

    direction: which way it goes, where that is known.

    Raises:
        CheckpointError: it is one by its names, but not of an architecture that we have.
    """
    tensors, quirks = tidied(foreign)
    blocks = sorted(int(m[1]) for key in tensors if (m := _BLOCK.fullmatch(key)))
    stem = tensors.get("model.1.weight")
    if not blocks or stem is None or stem.ndim != 4:
        return None
    second = tensors.get(f"model.{blocks[0]}.conv_block.6.weight")
    after = [int(m[1]) for key in tensors if (m := re.fullmatch(r"model\.(\d+)\.weight", key))]
    last = tensors[f"model.{max(after)}.weight"]
    inferred = {
        "input_nc": stem.shape[1],
        "output_nc": last.shape[0] if last.ndim else 0,
        "ngf": stem.shape[0],
        "norm": norm_of(tensors, "model.1"),
        "dropout": second is not None and second.ndim == 4,
        "n_blocks": len(blocks),
        "antialias_down": "model.7.filt" in tensors,
        "antialias_up": f"model.{blocks[-1] + 1}.filt" in tensors,
    }
    return converted(FAMILY, foreign, tensors, inferred, direction, quirks)


def convert_pair(a: Foreign, b: Foreign) -> Conversion:
    """Both networks of one training (latest_net_G_A, latest_net_G_B) in our terms.

    Raises:
        CheckpointError: as `convert`, or they are no such pair.
    """
    return paired(FAMILY, convert(a, "AtoB"), convert(b, "BtoA"), b.place)
