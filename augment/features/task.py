"""The user's own task as an extractor: a small classifier fit on real, labelled train images; what
stands before its last layer.

It needs no weights of anybody, sees what tells the user's classes apart, and is blind to all else.
Its numbers change with every fit, so a figure names the sha256 of its weights; the same images in
the same order give the same weights on one machine (one thread, seeded streams, no global random
numbers). It is never called FID.

Shape letters: N images, B of a batch, C classes, S side in px, D dimensions.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.checkpoints.blob import Blob, open_blob
from augment.checkpoints.safetensors_file import FLOATS, read_safetensors
from augment.errors import CheckpointError
from augment.features.asked import Asked
from augment.features.batches import in_batches
from augment.features.files import opened
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, resized
from augment.storage import Options

if TYPE_CHECKING:
    import torch

NAME = "task"
VERSION = 1
"""Raise it with every change of the fit: it enters the weights' file and what is kept of it."""
DIMENSIONS = 128
SIDES = (32, 64)
"""px of the input: the first for images whose shorter side has at most `_SMALL` px."""
WIDTHS = (3, 32, 64, 128, DIMENSIONS)


@dataclass(frozen=True)
class TaskFit:
    """What a fit was. classes: in the order of `probabilities`. images: that it was fit on.
    held_out: images that it never saw, a fifth of each class. accuracy: share of those that it
    names right, the mean over classes, so that a common class does not hide a rare one. left_out:
    classes with too few images."""

    version: int
    seed: int
    side: int
    classes: tuple[str, ...]
    images: int
    held_out: int
    accuracy: float
    left_out: tuple[str, ...] = ()


class TaskNetwork:
    """The fit classifier as an extractor. fit: what it was fit on. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: torch is not installed, or the policy does not allow the place.
        CheckpointError: no file that `fit` made. StorageError: it cannot be read.
        ValueError: neither weights nor their place are given.
        """
        if asked.fitted is not None:
            sha256 = hashlib.sha256(asked.fitted).hexdigest()
            tensors, self.fit = _read(open_blob(asked.fitted, "its weights"))
        else:
            with opened(asked, options) as (blob, sha256):
                tensors, self.fit = _read(blob)
        resize = BICUBIC.format(side=self.fit.side) + ", by channel to mean 0 and deviation 1"
        self.info = ExtractorInfo(NAME, VERSION, DIMENSIONS, sha256, resize)
        torch = library("torch", NAME, "torch")
        self._tensors = {key: torch.from_numpy(a).to(device) for key, a in tensors.items()}
        self._device = device

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 128) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        return in_batches(images, DIMENSIONS, self._vectors)

    def probabilities(self, features_ND: np.ndarray) -> np.ndarray:
        """(N, C) float32: what the classifier says of features, in the order of `fit.classes`."""
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(np.array(features_ND)).to(self._device)
            return np.asarray(logits(self._tensors, x).softmax(dim=1).cpu().numpy())

    def _vectors(self, images: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(resized(images, self.fit.side)).to(self._device)
            return pooled(self._tensors, x.permute(0, 3, 1, 2).float()).cpu().numpy()


# ---- the network -------------------------------------------------------------------------


def tensor_shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """Of all tensors. Each layer: a convolution without bias, and the scale and shift that its
    batch normalization has come to."""
    found: dict[str, tuple[int, ...]] = {"mean": (3,), "std": (3,)}
    for at, (before, after) in enumerate(itertools.pairwise(WIDTHS)):
        found |= {f"{at}.weight": (after, before, 3, 3), f"{at}.scale": (after,),
                  f"{at}.shift": (after,)}  # fmt: skip
    return found | {"head.weight": (classes, DIMENSIONS), "head.bias": (classes,)}


def pooled(tensors: Mapping[str, torch.Tensor], x_B3SS: torch.Tensor) -> torch.Tensor:
    """(B, D): the mean over the picture of the last layer."""
    from torch.nn import functional as f

    x = normalised(tensors, x_B3SS)
    for at, stride in enumerate(strides(x)):
        x = f.conv2d(x, tensors[f"{at}.weight"], stride=stride, padding=1)
        x = x * tensors[f"{at}.scale"].view(1, -1, 1, 1) + tensors[f"{at}.shift"].view(1, -1, 1, 1)
        x = f.relu(x)
    return x.mean((2, 3))


def logits(tensors: Mapping[str, torch.Tensor], features_BD: torch.Tensor) -> torch.Tensor:
    return features_BD @ tensors["head.weight"].T + tensors["head.bias"]


def normalised(tensors: Mapping[str, torch.Tensor], x_B3SS: torch.Tensor) -> torch.Tensor:
    return (x_B3SS - tensors["mean"].view(1, 3, 1, 1)) / tensors["std"].view(1, 3, 1, 1)


def strides(x: torch.Tensor) -> tuple[int, ...]:
    """Of 64 px the first layer keeps a half, so that both sizes cost the same."""
    return (1 if x.shape[-1] == SIDES[0] else 2, 2, 2, 2)


# ---- the file ------------------------------------------------------------------------------


def packed(tensors: Mapping[str, np.ndarray], about: TaskFit) -> bytes:
    from safetensors.numpy import save

    metadata = {"task": json.dumps(asdict(about), sort_keys=True)}
    data: bytes = save({name: np.ascontiguousarray(a) for name, a in tensors.items()}, metadata)
    return data


def _read(blob: Blob) -> tuple[dict[str, np.ndarray], TaskFit]:
    """Raises: CheckpointError where it is no file of `fit`."""
    found = read_safetensors(blob, dtypes=FLOATS)
    try:
        about = _about(json.loads(found.metadata.get("task", "")))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise _other(blob, f"does not say what it was fit on ({error})") from None
    if about.version != VERSION:
        raise _other(blob, f"is of version {about.version} of the fit")
    tensors = {name: np.array(array, np.float32) for name, array in found.items()}
    shapes = {name: array.shape for name, array in tensors.items()}
    if shapes != tensor_shapes(len(about.classes)) or about.side not in SIDES:
        raise _other(blob, "does not hold the tensors of the network")
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise _other(blob, "holds NaN or infinity")
    return tensors, about


def _about(said: Any) -> TaskFit:
    return TaskFit(
        int(said["version"]), int(said["seed"]), int(said["side"]),
        tuple(map(str, said["classes"])), int(said["images"]), int(said["held_out"]),
        float(said["accuracy"]), tuple(map(str, said["left_out"])),
    )  # fmt: skip


def _other(blob: Blob, came: str) -> CheckpointError:
    return CheckpointError(
        f"extractor {NAME}: {blob.name}: {came}; expected weights that this version of augment has "
        "fit: leave the place out, so that they are fit again"
    )
