"""Common corruptions of test images: what bad sensors, stores and light leave of them.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019. Eight of theirs, with their parameters for inputs of 32 px (CIFAR-10-C),
64 px (Tiny ImageNet-C) and larger (ImageNet-C); weather, elastic and motion need pictures or
programs of their own and are left out. A pure function of the image, the kind, the severity and the
row's id; the noise is ours, so figures do not compare with published ones.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from augment.seeds import stream

SEVERITIES = (1, 3, 5)
"""Of 1 to 5: the mildest, the middle and the worst."""

Numbers = tuple[float, float, float, float, float]
"""A parameter at each severity."""

_PARAMETERS: Mapping[str, tuple[Numbers, Numbers, Numbers]] = MappingProxyType({
    "gaussian_noise": (
        (0.04, 0.06, 0.08, 0.09, 0.10), (0.04, 0.08, 0.12, 0.15, 0.18),
        (0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    "shot_noise": ((500, 250, 100, 75, 50), (250, 100, 50, 30, 15), (60, 25, 12, 5, 3)),
    "impulse_noise": (
        (0.01, 0.02, 0.03, 0.05, 0.07), (0.01, 0.02, 0.05, 0.08, 0.14),
        (0.03, 0.06, 0.09, 0.17, 0.27),
    ),
    "gaussian_blur": ((0.4, 0.6, 0.7, 0.8, 1.0), (0.5, 0.75, 1.0, 1.25, 1.5), (1, 2, 3, 4, 6)),
    "brightness": (
        (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.2, 0.3, 0.4, 0.5),
    ),
    "contrast": (
        (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), (0.4, 0.3, 0.2, 0.1, 0.05),
    ),
    "pixelate": (
        (0.95, 0.9, 0.85, 0.75, 0.65), (0.9, 0.8, 0.7, 0.6, 0.5), (0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    "jpeg": ((80, 65, 58, 50, 40), (65, 58, 50, 40, 25), (25, 18, 15, 10, 7)),
})  # fmt: skip
CORRUPTIONS = tuple(_PARAMETERS)


def corrupted(image: np.ndarray, kind: str, severity: int, row_id: str) -> np.ndarray:
    """(S, S, 3) uint8 of an image of that shape and type. kind: of `CORRUPTIONS`; severity: 1 to 5.

    Raises:
        KeyError, IndexError: there is no such kind or severity.
    """
    if not 1 <= severity <= 5:
        raise IndexError(f"severity: got {severity}; expected 1 to 5")
    c = parameter(kind, severity, image.shape[0])
    return _KINDS[kind](image, c, stream(f"study/{row_id}", f"{kind} {severity}"))


def parameter(kind: str, severity: int, side: int) -> float:
    """Of the set for inputs of about this side."""
    sets = _PARAMETERS[kind]
    return sets[0 if side <= 40 else 1 if side <= 96 else 2][severity - 1]


_Rng = np.random.Generator


def _gaussian_noise(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    return _bytes(x / 255.0 + rng.standard_normal(x.shape) * c)


def _shot_noise(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    return _bytes(rng.poisson(x / 255.0 * c) / c)


def _impulse_noise(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    """Salt and pepper in equal parts, in each colour for itself."""
    u = rng.random(x.shape)
    found: np.ndarray = x.copy()
    found[u < c / 2] = 0
    found[u >= 1 - c / 2] = 255
    return np.asarray(found)


def _gaussian_blur(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    reach = int(4 * c + 0.5)
    size = (2 * reach + 1, 2 * reach + 1)
    return np.asarray(cv2.GaussianBlur(x, size, c, borderType=cv2.BORDER_REPLICATE))


def _brightness(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    """The value of HSV is raised; hue and saturation stay."""
    top = x.max(axis=2, keepdims=True) / 255.0
    raised = np.minimum(top + c, 1.0)
    scale = np.divide(raised, top, out=np.zeros_like(top), where=top > 0)
    return _bytes(np.where(top > 0, x / 255.0 * scale, raised))


def _contrast(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    means = x.mean(axis=(0, 1), keepdims=True) / 255.0
    return _bytes((x / 255.0 - means) * c + means)


def _pixelate(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    side = x.shape[0]
    small = Image.fromarray(x).resize((int(side * c),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BOX))


def _jpeg(x: np.ndarray, c: float, rng: _Rng) -> np.ndarray:
    held = io.BytesIO()
    Image.fromarray(x).save(held, format="JPEG", quality=int(c))
    return np.asarray(Image.open(held))


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.asarray((np.clip(x, 0.0, 1.0) * 255.0).astype(np.uint8))


_KINDS: Mapping[str, Callable[[np.ndarray, float, _Rng], np.ndarray]] = MappingProxyType({
    "gaussian_noise": _gaussian_noise, "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise, "gaussian_blur": _gaussian_blur, "brightness": _brightness,
    "contrast": _contrast, "pixelate": _pixelate, "jpeg": _jpeg,
})  # fmt: skip
