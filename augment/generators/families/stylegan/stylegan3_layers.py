"""The architecture of StyleGAN3 as arithmetic: from a few frequencies to the sampling rate,
size, filters and padding of every layer, and so to the names and shapes of all tensors.

Knows no torch and no checkpoint. Source: Karras et al., "Alias-Free Generative Adversarial
Networks", NeurIPS 2021, section 3; names and numbers checked against NVlabs/stylegan3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment.generators.families.stylegan.mapping import MappingInit, Width, mapping_shapes

Frequency = Annotated[float, Field(gt=0.0, le=4096.0)]


class StyleGan3Init(BaseModel):
    """The generator's architecture, as `init` in `generator.json`; official names.

    widths: channels that each layer but the last gives. num_critical: layers at the end that
    are critically sampled. first_cutoff, first_stopband: frequencies of the first layer, which
    grow geometrically; last_stopband_rel: of the last, in half image sides. margin_size: pixels
    around the canvas. filter_size: taps per sampling factor. lrelu_upsampling: factor around
    the nonlinearity. conv_kernel: 3 for T, 1 for R. use_radial_filters: for R.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    mapping: MappingInit
    img_resolution: Annotated[int, Field(ge=4, le=2048)]
    img_channels: Literal[1, 3]
    widths: Annotated[list[Width], Field(min_length=2, max_length=64)]
    num_critical: Annotated[int, Field(ge=1)]
    first_cutoff: Frequency
    first_stopband: Frequency
    last_stopband_rel: Annotated[float, Field(gt=0.0, le=16.0)]
    margin_size: Annotated[int, Field(ge=0, le=128)]
    filter_size: Annotated[int, Field(ge=1, le=32)]
    lrelu_upsampling: Literal[1, 2, 4, 8]
    conv_kernel: Literal[1, 3]
    use_radial_filters: bool
    conv_clamp: Annotated[float, Field(gt=0.0)] | None
    output_scale: Annotated[float, Field(gt=0.0, le=100.0)]

    @model_validator(mode="after")
    def _rates_are_powers_of_two(self) -> StyleGan3Init:
        if self.img_resolution & (self.img_resolution - 1):
            raise ValueError(f"img_resolution: got {self.img_resolution}, expected a power of 2")
        if self.num_critical >= len(self.widths):
            raise ValueError(f"num_critical: got {self.num_critical}, expected fewer than layers")
        if min(self.rates) < 1 or self.rates[0] <= 2 * self.first_cutoff:
            raise ValueError(
                f"first_cutoff: got {self.first_cutoff}, expected less than half the first "
                f"sampling rate, {self.rates[0]}"
            )
        return self

    @property
    def num_ws(self) -> int:
        """One w for the input, one for each layer."""
        return len(self.widths) + 2

    @property
    def rates(self) -> list[int]:
        """Sampling rate that each layer gives, in pixels across the canvas."""
        count, side = len(self.widths), self.img_resolution
        growth = side / 2 * self.last_stopband_rel / self.first_stopband
        rates = []
        for i in range(count + 1):
            share = min(i / (count - self.num_critical), 1.0)
            stopband = self.first_stopband * growth**share
            rates.append(int(2.0 ** math.ceil(math.log2(min(stopband * 2, side)))))
        return rates


@dataclass(frozen=True)
class Layer:
    """One layer: convolution, filter up, nonlinearity, filter down.

    pad: zeros before the filter up, and after; negative: cropped. up_taps, down_taps: sizes of
    the filters, 1: none. radial: whether the filter down is no product of two.
    """

    name: str
    before: int
    after: int
    kernel: int
    up: int
    down: int
    up_taps: int
    down_taps: int
    radial: bool
    pad: tuple[int, int]
    colours: bool


def canvas(init: StyleGan3Init) -> int:
    """Side of the input's feature maps."""
    return init.rates[0] + 2 * init.margin_size


def layers(init: StyleGan3Init) -> Iterator[Layer]:
    """The layers in the order in which they run and take their w."""
    rates, count = init.rates, len(init.widths)
    sides = [rate + 2 * init.margin_size for rate in rates[:-2]] + [init.img_resolution] * 2
    widths = [*init.widths, init.img_channels]
    for i in range(count + 1):
        past, colours = max(i - 1, 0), i == count
        between = max(rates[past], rates[i]) * (1 if colours else init.lrelu_upsampling)
        up, down = between // rates[past], between // rates[i]
        up_taps, down_taps = (
            init.filter_size * factor if factor > 1 and not colours else 1 for factor in (up, down)
        )
        kernel = 1 if colours else init.conv_kernel
        total = (sides[i] - 1) * down + 1 - (sides[past] + kernel - 1) * up
        total += up_taps + down_taps - 2
        low = (total + up) // 2
        yield Layer(
            name=f"synthesis.L{i}_{sides[i]}_{widths[i]}",
            before=widths[past],
            after=widths[i],
            kernel=kernel,
            up=up,
            down=down,
            up_taps=up_taps,
            down_taps=down_taps,
            radial=init.use_radial_filters and i < count - init.num_critical,
            pad=(low, total - low),
            colours=colours,
        )


def parameter_shapes(init: StyleGan3Init) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor; names are the official ones."""
    first, w_dim = init.widths[0], init.mapping.w_dim
    shapes = mapping_shapes(init.mapping)
    shapes |= {
        "synthesis.input.weight": (first, first),
        "synthesis.input.affine.weight": (4, w_dim),
        "synthesis.input.affine.bias": (4,),
        "synthesis.input.transform": (3, 3),
        "synthesis.input.freqs": (first, 2),
        "synthesis.input.phases": (first,),
    }
    for layer in layers(init):
        shapes |= {
            f"{layer.name}.weight": (layer.after, layer.before, layer.kernel, layer.kernel),
            f"{layer.name}.bias": (layer.after,),
            f"{layer.name}.magnitude_ema": (),
            f"{layer.name}.affine.weight": (layer.before, w_dim),
            f"{layer.name}.affine.bias": (layer.before,),
        }
        if layer.up_taps > 1:
            shapes[f"{layer.name}.up_filter"] = (layer.up_taps,)
        if layer.down_taps > 1:
            shapes[f"{layer.name}.down_filter"] = (layer.down_taps,) * (2 if layer.radial else 1)
    return shapes
