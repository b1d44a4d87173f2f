"""Which operations of albumentations may vary one 8 bit RGB image, and which not and why.

Importing this module imports no albumentations; `load_library` does.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

from augment.surroundings import silently

COMPOSITIONS: dict[str, tuple[str, ...]] = {
    "Compose": ("p",),
    "OneOf": ("p",),
    "OneOrOther": ("p",),
    "RandomOrder": ("n", "p", "replace"),
    "SelectiveChannelTransform": ("channels", "p"),
    "Sequential": ("p",),
    "SomeOf": ("n", "p", "replace"),
}
"""Compositions and the parameters they take beside `transforms`."""

_OTHER_INPUT = "it needs other inputs than one image"
_VOLUME = "it is for volumes"
_NOT_UINT8 = "its result is not an 8 bit RGB image"
_SPECTROGRAM = "it is for spectrograms; XYMasking and HorizontalFlip do the same"
REFUSED: dict[str, str] = {
    "AtLeastOneBBoxRandomCrop": _OTHER_INPUT,
    "BBoxSafeRandomCrop": _OTHER_INPUT,
    "CenterCrop3D": _VOLUME,
    "CoarseDropout3D": _VOLUME,
    "ConstrainedCoarseDropout": _OTHER_INPUT,
    "CropNonEmptyMaskIfExists": _OTHER_INPUT,
    "CubicSymmetry": _VOLUME,
    "FDA": _OTHER_INPUT,
    "FrequencyMasking": _SPECTROGRAM,
    "FromFloat": _NOT_UINT8,
    "HistogramMatching": _OTHER_INPUT,
    "Lambda": "it runs code",
    "MaskDropout": _OTHER_INPUT,
    "Mosaic": _OTHER_INPUT,
    "Normalize": _NOT_UINT8,
    "OverlayElements": _OTHER_INPUT,
    "Pad3D": _VOLUME,
    "PadIfNeeded3D": _VOLUME,
    "PixelDistributionAdaptation": _OTHER_INPUT,
    "RandomCrop3D": _VOLUME,
    "RandomCropNearBBox": _OTHER_INPUT,
    "RandomSizedBBoxSafeCrop": _OTHER_INPUT,
    "ReplayCompose": "it cannot be seeded",
    "TextImage": _OTHER_INPUT,
    "TimeMasking": _SPECTROGRAM,
    "TimeReverse": _SPECTROGRAM,
    "ToFloat": _NOT_UINT8,
    "ToRGB": "it has no effect on RGB images",
    "ToTensor3D": _NOT_UINT8,
    "ToTensorV2": _NOT_UINT8,
}
"""Operations of albumentations that cannot vary one 8 bit RGB image, and why."""

_ABSTRACT = ("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D")


_TENSORS = "albumentations.pytorch"


def load_library() -> Any:
    """albumentations, imported without its question to the network for a newer version, and
    without torch: two thirds of its import, for operations on tensors, which are refused here.
    Who wants these afterwards can still import them."""
    if "albumentations" in sys.modules or _TENSORS in sys.modules:
        return silently("albumentations")
    sys.modules[_TENSORS] = None  # type: ignore[assignment] # "not importable", in Python's words
    try:
        return silently("albumentations")
    finally:
        del sys.modules[_TENSORS]


def single_image_ops() -> dict[str, type]:
    """Every operation that can vary one image, by name."""
    library = load_library()
    found = {name: getattr(library, name) for name in dir(library)}
    return {
        name: kind
        for name, kind in found.items()
        if inspect.isclass(kind)
        and issubclass(kind, library.BasicTransform)
        and name not in _ABSTRACT
        and name not in REFUSED
    }
