"""unet_i2i: U-Net image translator of pix2pix and CycleGAN; network, loading, conversion.
What it shares with other translators stands in `translation`.

d halvings, d doublings, each doubling seeing the map of its own size on the way down; tanh.
torch is imported inside functions. Knows nothing of Ray or of how a checkpoint was trained.

Shape letters: B batch, C channels, H height, W width.
Sources: Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015; Isola et al., "Image-to-Image
Translation with Conditional Adversarial Networks", CVPR 2017
(junyanz/pytorch-CycleGAN-and-pix2pix, models/networks.py, BSD-2). What differs: pure
functions over the official names, in two loops instead of nested modules; dropout takes its
masks as arguments; batch norms can take each sample's statistics in a batch of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

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

_LEAST_DOWNS = 5
"""Of the official network: four widths (1, 2, 4, 8 times ngf) and the innermost level."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One halving and the doubling that undoes it, names as in the official nesting.

    down, up: convolutions. down_norm, up_norm: None where there is none. drop: the official
    place of its dropout. taken, inner, given: channels of what comes in, of the halved map,
    and of what goes out beside the level's input.
    """

    down: str
    up: str
    down_norm: str | None
    up_norm: str | None
    drop: str
    taken: int
    inner: int
    given: int
    innermost: bool

    @property
    def joined(self) -> int:
        """Channels that the doubling sees: below the innermost level there is nothing."""
        return self.inner if self.innermost else 2 * self.inner


class UnetInit(TranslatorInit):
    """num_downs: halvings, 7 in unet_128 and 8 in unet_256."""

    num_downs: Annotated[int, Field(ge=_LEAST_DOWNS, le=12)]

    def levels(self) -> list[_Level]:
        """From the outermost to the innermost."""
        return [self._level(k) for k in range(self.num_downs)]

    def _level(self, k: int) -> _Level:
        last = self.num_downs - 1
        at = _nesting(k)
        return _Level(
            down=at + ("0" if k == 0 else "1"),
            up=at + ("3" if k in (0, last) else "5"),
            down_norm=None if k in (0, last) else at + "2",
            up_norm=None if k == 0 else at + ("4" if k == last else "6"),
            drop=at + "7",
            taken=self._width(k - 1) if k else self.input_nc,
            inner=self._width(k),
            given=self._width(k - 1) if k else self.output_nc,
            innermost=k == last,
        )

    def _width(self, k: int) -> int:
        return int(self.ngf * min(2**k, 8))

    def shapes(self) -> Shapes:
        """Name -> shape of every tensor of one network."""
        found: Shapes = {}
        bias = self.norm == "instance"
        for k, level in enumerate(self.levels()):
            found |= _conv(level.down, (level.inner, level.taken, 4, 4), level.inner, bias)
            # no norm follows the outermost doubling, so it always has a bias
            up = (level.joined, level.given, 4, 4)
            found |= _conv(level.up, up, level.given, bias or k == 0)
            if level.down_norm is not None:
                found |= norm_shapes(level.down_norm, level.inner, self.norm)
            if level.up_norm is not None:
                found |= norm_shapes(level.up_norm, level.given, self.norm)
        return found

    def intake(self) -> Intake:
        """Sides that can be halved `num_downs` times."""
        side = 1 << self.num_downs
        return Intake(channels=self.input_nc, multiple=side, exact=True, least=side)

    def output_size(self, taken: Size) -> Size:
        """The input's."""
        return taken

    def dropped(self, taken: Size) -> dict[str, tuple[int, int, int]]:
        """What the levels of full width give, but for the innermost and the outermost of
        them."""
        if not self.dropout:
            return {}
        height, width = taken
        return {
            level.drop: (level.given, height >> k, width >> k)
            for k, level in enumerate(self.levels())
            if _LEAST_DOWNS - 1 <= k < self.num_downs - 1
        }


def _nesting(k: int) -> str:
    """Prefix of level k's parts: a submodule is the outermost level's part 1, else part 3."""
    return "model.model." + ("1.model." if k else "") + "3.model." * (k - 1)


def _conv(name: str, weight: tuple[int, ...], after: int, bias: bool) -> Shapes:
    return {f"{name}.weight": weight, **({f"{name}.bias": (after,)} if bias else {})}


@dataclass(frozen=True)
class Unet:
    """The network: `parameters` has the names and shapes of `init.shapes()`, float32.
    per_sample: batch norms take the statistics of each sample."""

    init: UnetInit
    parameters: Mapping[str, torch.Tensor]
    per_sample: bool = False

    def __call__(self, x_BCHW: torch.Tensor, keep: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, C, H, W) in [-1, 1], H and W multiples of 2 ** num_downs."""
        import torch

        outermost, *inner = self.init.levels()
        maps = [self._down(x_BCHW, outermost)]
        for level in inner:
            maps.append(self._down(torch.nn.functional.leaky_relu(maps[-1], 0.2), level))
        x = maps.pop()
        for level in reversed(inner):
            x = thinned(self._up(x, level), keep, level.drop)
            x = torch.cat([maps.pop(), x], dim=1)
        return self._up(x, outermost).tanh()

    def _down(self, x: torch.Tensor, level: _Level) -> torch.Tensor:
        from torch.nn import functional as f

        x = f.conv2d(x, *self._of(level.down), stride=2, padding=1)
        return self._norm(x, level.down_norm)

    def _up(self, x: torch.Tensor, level: _Level) -> torch.Tensor:
        from torch.nn import functional as f

        x = f.conv_transpose2d(x.relu(), *self._of(level.up), stride=2, padding=1)
        return self._norm(x, level.up_norm)

    def _of(self, name: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.parameters[f"{name}.weight"], self.parameters.get(f"{name}.bias")

    def _norm(self, x: torch.Tensor, name: str | None) -> torch.Tensor:
        if name is None:
            return x
        return normalised(x, self.parameters, name, self.init.norm, self.per_sample)


FAMILY = Family("unet_i2i", 1, UnetInit, Unet)


# ---- from the official program -------------------------------------------------------


def convert(foreign: Foreign, direction: Direction | None = None) -> Conversion | None:
    """A generator's state dict in our terms; None where it is none of a U-Net.

    Dropout has no tensor and moves none here. It is taken from `use_dropout` of the
    configuration, else from the official defaults: pix2pix (batch norm) has it, CycleGAN
    (instance norm) has not.

    direction: which way it goes, where that is known.

    Raises:
        CheckpointError: it is one by its names, but not of an architecture that we have.
    """
    tensors, quirks = tidied(foreign)
    first, last = (tensors.get(f"model.model.{n}.weight") for n in (0, 3))
    if first is None or last is None or first.ndim != 4 or last.ndim != 4:
        return None
    depth = 1
    while f"{_nesting(depth)}1.weight" in tensors:
        depth += 1
    norm = norm_of(tensors, "model.model.0")
    dropout = foreign.config.get("use_dropout")
    if not isinstance(dropout, bool):
        dropout = norm == "batch"
        quirks.append(
            f"dropout taken as {'there' if dropout else 'not there'}, the official default beside "
            f"norm {norm}: a U-Net's tensors do not say"
        )
    inferred = {
        "input_nc": first.shape[1],
        "output_nc": last.shape[1],
        "ngf": first.shape[0],
        "norm": norm,
        "dropout": dropout,
        "num_downs": depth,
    }
    return converted(FAMILY, foreign, tensors, inferred, direction, quirks)


def convert_pair(a: Foreign, b: Foreign) -> Conversion:
    """Both networks of one training (latest_net_G_A, latest_net_G_B) in our terms.

    Raises:
        CheckpointError: as `convert`, or they are no such pair.
    """
    return paired(FAMILY, convert(a, "AtoB"), convert(b, "BtoA"), b.place)
