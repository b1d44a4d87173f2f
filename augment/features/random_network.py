"""A convolutional network that nobody trained: its weights come from a seed that never changes.

It prefers no domain, needs no file, and sees texture, colour and coarse shape. Means and spreads of
its layers are the vector, as in Naeem et al., "Reliable Fidelity and Diversity Metrics for
Generative Models", ICML 2020, which found randomly initialized networks the better judge where the
images are none of ImageNet's.

Shape letters: N images, H height, W width, C channels, D dimensions.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, resized
from augment.seeds import stream

if TYPE_CHECKING:
    import torch

NAME = "random"
SIDE = 64
WIDTHS = (3, 32, 64, 128, 128)
_BATCH = 32
_LEAK = 0.2


def drawn() -> list[np.ndarray]:
    """The random numbers of each layer, (C_out, C_in * 9) float64, standard normal."""
    shapes = itertools.pairwise(WIDTHS)
    return [
        stream("features/random/1", f"layer {layer}").standard_normal((after, before * 9))
        for layer, (before, after) in enumerate(shapes)
    ]


def weights() -> list[np.ndarray]:
    """Of each layer (C_out, C_in, 3, 3) float32: filters that are orthogonal to one another where
    there is room for that, as large as He et al.'s initialization for a leaky ReLU has them."""
    found = []
    for numbers in drawn():
        outputs, inputs = numbers.shape
        q, r = np.linalg.qr(numbers.T if outputs <= inputs else numbers)
        q *= np.sign(np.diag(r))
        filters = (q.T if outputs <= inputs else q) * np.sqrt(max(1.0, outputs / inputs))
        gain = np.sqrt(2.0 / (1.0 + _LEAK**2))
        found.append((filters * gain).reshape(outputs, -1, 3, 3).astype(np.float32))
    return found


def info() -> ExtractorInfo:
    """What decides the numbers."""
    told = hashlib.sha256(b"".join(numbers.tobytes() for numbers in drawn())).hexdigest()
    resize = BICUBIC.format(side=SIDE) + ", to [-1, 1]"
    return ExtractorInfo(NAME, 1, 2 * sum(WIDTHS[1:]), told, resize)


class RandomNetwork:
    """See the module. device: as torch names it."""

    def __init__(self, device: str = "cpu") -> None:
        """Raises:
        RequestError: torch is not installed.
        """
        torch = library("torch", NAME, "torch")
        self.info = info()
        self._device = device
        self._layers = [torch.from_numpy(w).to(device) for w in weights()]

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        parts = [images[at : at + _BATCH] for at in range(0, len(images), _BATCH)]
        found = [self._vectors(resized(part, SIDE)) for part in parts]
        return np.concatenate([np.empty((0, self.info.dimensions), np.float32), *found])

    def _vectors(self, images_NHWC: np.ndarray) -> np.ndarray:
        import torch
        from torch.nn import functional as f

        with torch.inference_mode():
            x: torch.Tensor = torch.from_numpy(images_NHWC).to(self._device)
            x = x.permute(0, 3, 1, 2).float() / 127.5 - 1.0
            seen = []
            for weight in self._layers:
                x = f.leaky_relu(f.conv2d(x, weight, stride=2, padding=1), _LEAK)
                seen += [x.mean((2, 3)), x.std((2, 3), correction=0)]
            return torch.cat(seen, dim=1).cpu().numpy()
