"""Arithmetic that StyleGAN2 and StyleGAN3 share: scaled dense layers, filters between pixel
grids, convolutions whose input channels are scaled per sample.

Pure functions over torch tensors; knows no architecture, checkpoint or random number.

Shape letters: B batch, C channels, H height, W width, N features.
Sources: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020,
and "Alias-Free Generative Adversarial Networks", NeurIPS 2021; checked against outputs of
NVlabs/stylegan2-ada-pytorch and NVlabs/stylegan3 (NVIDIA Source Code License; no code of
theirs is here). What differs: a modulated convolution scales the activations before and
after one shared convolution, where upstream makes one kernel per sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Pad = tuple[int, int, int, int]
"""Zeros left, right, above and below; negative: cropped."""

SQRT2 = math.sqrt(2.0)


def full_precision(x: torch.Tensor) -> torch.autocast:
    """A context in which half precision is off: for what is small but must be exact."""
    import torch

    return torch.autocast(x.device.type, enabled=False)


def dense(
    x_BN: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, multiplier: float = 1.0
) -> torch.Tensor:
    """A linear layer in float32 whose stored parameters are scaled when used.

    multiplier: the learning-rate multiplier that it was trained with.
    """
    from torch.nn import functional as f

    with full_precision(x_BN):
        scale = multiplier / math.sqrt(weight.shape[1])
        return f.linear(x_BN.float(), weight * scale, bias * multiplier)


def unit(x_BN: torch.Tensor) -> torch.Tensor:
    """Rows scaled to a mean square of 1."""
    return x_BN * (x_BN.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def leaky(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2 that keeps the magnitude of its input on average."""
    from torch.nn import functional as f

    return f.leaky_relu(x, 0.2) * SQRT2


def clamped(x: torch.Tensor, limit: float | None) -> torch.Tensor:
    """Within +-limit; None: as it is."""
    return x if limit is None else x.clamp(-limit, limit)


def fir(
    x_BCHW: torch.Tensor,
    taps: torch.Tensor,
    up: int = 1,
    down: int = 1,
    pad: Pad = (0, 0, 0, 0),
    gain: float = 1.0,
) -> torch.Tensor:
    """Each channel filtered on its way to another grid: up - 1 zeros after every pixel,
    padding, a true convolution with taps * gain, every down-th pixel.

    taps: (kh, kw), or (k,) of a filter that is applied along the width, then the height.
    """
    if taps.dim() == 2:
        return _fir(x_BCHW, taps * gain, (up, up), (down, down), pad)
    half = taps * math.sqrt(gain)
    left, right, above, below = pad
    x = _fir(x_BCHW, half[None, :], (1, up), (1, down), (left, right, 0, 0))
    return _fir(x, half[:, None], (up, 1), (down, 1), (0, 0, above, below))


def _fir(
    x_BCHW: torch.Tensor,
    taps: torch.Tensor,
    up: tuple[int, int],
    down: tuple[int, int],
    pad: Pad,
) -> torch.Tensor:
    """up, down: along height and width."""
    from torch.nn import functional as f

    channels = x_BCHW.shape[1]
    kh, kw = taps.shape
    left, right, above, below = pad
    if up == (1, 1):
        kernel = taps.flip((0, 1)).expand(channels, 1, kh, kw)
        return f.conv2d(f.pad(x_BCHW, list(pad)), kernel, stride=down, groups=channels)
    # a transposed convolution scatters each pixel: what inserted zeros would give, without them
    kernel = taps.expand(channels, 1, kh, kw)
    x = f.conv_transpose2d(x_BCHW, kernel, stride=up, groups=channels)
    cut = [left - kw + 1, right - kw + up[1], above - kh + 1, below - kh + up[0]]
    return f.pad(x, cut)[:, :, :: down[0], :: down[1]]


def upsampled(x_BCHW: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Twice the side, filtered; taps: (k, k)."""
    before, after = (taps.shape[0] + 1) // 2, (taps.shape[0] - 2) // 2
    return fir(x_BCHW, taps, up=2, pad=(before, after, before, after), gain=4.0)


def conv(x_BCHW: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution that keeps the side; weight: (out, in, k, k), k odd."""
    from torch.nn import functional as f

    return f.conv2d(x_BCHW, weight, padding=weight.shape[-1] // 2)


def up_conv(x_BCHW: torch.Tensor, weight: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """A 3x3 convolution to twice the side, then the filter; weight: (out, in, 3, 3) as
    stored, which is turned round beside that of `conv`."""
    from torch.nn import functional as f

    x = f.conv_transpose2d(x_BCHW, weight.transpose(0, 1), stride=2)
    before, after = (taps.shape[0] + 1) // 2 - 1, (taps.shape[0] - 2) // 2
    return fir(x, taps, pad=(before, after, before, after), gain=4.0)


def modulated(
    x_BCHW: torch.Tensor,
    weight: torch.Tensor,
    style_BC: torch.Tensor,
    convolve: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    demodulate: bool = True,
) -> torch.Tensor:
    """`convolve(x, weight)` with input channels scaled by each sample's style.

    demodulate: scale each output channel so that its scaled kernel has the norm 1.
    """
    with full_precision(x_BCHW):
        # large factors are taken out before the convolution and put back after it: no effect
        # but that half precision does not overflow
        top_B1 = style_BC.abs().amax(dim=1, keepdim=True).clamp(min=1e-8)
        fan_in = math.sqrt(weight[0].numel())
        scale = top_B1 * fan_in
        if demodulate:
            energy = style_BC.square() @ weight.square().sum(dim=(2, 3)).t()
            scale = scale * (energy + 1e-8).rsqrt()
    x = convolve(x_BCHW * (style_BC / top_B1)[:, :, None, None], weight / fan_in)
    return x * scale[:, :, None, None]
