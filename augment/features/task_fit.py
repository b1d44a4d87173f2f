"""Fitting the small classifier whose last layer but one is the extractor `task`.

Classes are equally frequent in every batch, images are moved and lit a little, a fifth of each
class is never shown and asked at the end. Everything random comes from streams of the seed, and one
thread computes: the same images in the same order give the same weights on one machine.

Shape letters: N images, B of a batch, C classes, S side in px.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augment.features.libraries import library
from augment.features.task import (
    NAME,
    SIDES,
    VERSION,
    WIDTHS,
    TaskFit,
    logits,
    normalised,
    packed,
    pooled,
    strides,
    tensor_shapes,
)
from augment.seeds import stream

if TYPE_CHECKING:
    import torch

LEAST_PER_CLASS = 8
"""Images of a class, below which it is left out: 6 to fit on and 2 to ask."""
MOST_IMAGES = 4000
"""Images that are fit on at most, and at least `LEAST_PER_CLASS` of each class."""
_SMALL = 40
MOST_STEPS = 300
"""Batches that a fit takes at most: half a minute on one core."""
_EPOCHS = 40
_BATCH = 64
_RATE = 2e-3
_DECAY = 1e-2
_SHIFT = 3  # of 32 px
_LIGHT = 0.15
_HELD_OUT = 5  # of so many images of a class one is asked


@dataclass(frozen=True)
class NotFit:
    """Why nothing was fit, in one sentence."""

    reason: str


def side_for(shapes: Sequence[tuple[int, ...]]) -> int:
    """The input's side for images of these (H, W, ...)."""
    shorter = sorted(min(shape[:2]) for shape in shapes)
    return SIDES[0] if not shorter or shorter[len(shorter) // 2] <= _SMALL else SIDES[1]


def judged(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | NotFit:
    """(classes that can be fit, classes with too few images), of the labels of all images."""
    counts = Counter(labels)
    known = tuple(sorted(name for name, n in counts.items() if n >= LEAST_PER_CLASS))
    few = tuple(sorted(counts.keys() - set(known)))
    if len(known) < 2:
        have = ", ".join(f"{name}: {n}" for name, n in counts.most_common(3)) or "none"
        return NotFit(
            f"{len(known)} classes have at least {LEAST_PER_CLASS} real train images, and a "
            f"classifier needs 2 such classes (the largest: {have})"
        )
    return known, few


def fit(
    images_NSS3: np.ndarray, labels: Sequence[str], seed: int = 0, most_steps: int = MOST_STEPS
) -> bytes | NotFit:
    """The weights' file of a classifier of these real train images.

    images_NSS3: uint8 RGB, of one of `SIDES`, as `resized` makes them. labels: their classes.
    most_steps: batches of 64 images; small sets take fewer.

    Raises:
        RequestError: torch is not installed. ValueError: the images are not as many as the labels,
            or of another size.
    """
    torch = library("torch", NAME, "torch")
    side = images_NSS3.shape[1] if images_NSS3.ndim == 4 else 0
    if images_NSS3.shape != (len(labels), side, side, 3) or side not in SIDES:
        raise ValueError(
            f"images of {images_NSS3.shape} and {len(labels)} labels; expected (N, S, S, 3) with S "
            f"of {SIDES}, and N labels"
        )
    found = judged(labels)
    if isinstance(found, NotFit):
        return found
    classes, few = found
    index = {name: at for at, name in enumerate(classes)}
    known = np.array([at for at, name in enumerate(labels) if name in index])
    y_N = np.array([index[labels[at]] for at in known])
    x_N = images_NSS3[known]
    asked = _held_out(y_N, seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tensors = _trained(x_N[~asked], y_N[~asked], seed, most_steps)
        accuracy = _accuracy(tensors, x_N[asked], y_N[asked], len(classes))
    finally:
        torch.set_num_threads(threads)
    about = TaskFit(
        VERSION, seed, side, classes, int((~asked).sum()), int(asked.sum()), accuracy, few
    )
    return packed(tensors, about)


# ---- the fit -----------------------------------------------------------------------------


def _held_out(y_N: np.ndarray, seed: int) -> np.ndarray:
    """(N,) whether an image is kept aside: a fifth of each class, at least one."""
    aside = np.zeros(len(y_N), bool)
    rng = stream(f"features/task/{seed}", "held out")
    for label in np.unique(y_N):
        rows = np.flatnonzero(y_N == label)
        aside[rng.permutation(rows)[: -(-len(rows) // _HELD_OUT)]] = True
    return aside


def _trained(x_N: np.ndarray, y_N: np.ndarray, seed: int, most_steps: int) -> dict[str, np.ndarray]:
    """The tensors after the fit, normalizations folded into scale and shift."""
    import torch
    from torch.nn import functional as f

    own, moments = _begun(len(np.unique(y_N)), seed, x_N)
    free = [tensor for tensor in own.values() if tensor.requires_grad]
    optimizer = torch.optim.AdamW(free, lr=_RATE, weight_decay=_DECAY)
    steps = max(1, min(most_steps, _EPOCHS * -(-len(x_N) // _BATCH)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1)
    for rows, x in _batches(x_N, y_N, steps, seed):
        seen = _learning(own, moments, torch.from_numpy(x))
        loss = f.cross_entropy(logits(own, seen), torch.from_numpy(y_N[rows]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return _folded(own, moments)


def _begun(
    classes: int, seed: int, x_N: np.ndarray
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(tensors before the first step, moments of the layers). Filters as He et al. draw them."""
    import torch

    rng = stream(f"features/task/{seed}", "weights")
    own: dict[str, torch.Tensor] = {}
    moments: dict[str, torch.Tensor] = {}
    for name, shape in tensor_shapes(classes).items():
        kind = name.rpartition(".")[2]
        values = np.zeros(shape, np.float32)
        if name == "mean":
            values = x_N.mean((0, 1, 2), dtype=np.float64).astype(np.float32)
        elif name == "std":
            values = np.maximum(x_N.std((0, 1, 2), dtype=np.float64), 1.0).astype(np.float32)
        elif kind == "scale":
            values = np.ones(shape, np.float32)
            moments |= {f"{name}.mean": torch.zeros(shape), f"{name}.var": torch.ones(shape)}
        elif kind == "weight":
            spread = np.sqrt(2.0 / np.prod(shape[1:]))
            values = (rng.standard_normal(shape) * spread).astype(np.float32)
        own[name] = torch.from_numpy(values).requires_grad_(name not in ("mean", "std"))
    return own, moments


def _learning(
    own: Mapping[str, torch.Tensor], moments: Mapping[str, torch.Tensor], x_B3SS: torch.Tensor
) -> torch.Tensor:
    """As `pooled`, with normalization by the batch, whose moments are remembered."""
    from torch.nn import functional as f

    x = normalised(own, x_B3SS)
    for at, stride in enumerate(strides(x)):
        x = f.conv2d(x, own[f"{at}.weight"], stride=stride, padding=1)
        scale = f"{at}.scale"
        mean, var = moments[f"{scale}.mean"], moments[f"{scale}.var"]
        x = f.relu(f.batch_norm(x, mean, var, own[scale], own[f"{at}.shift"], training=True))
    return x.mean((2, 3))


def _folded(
    own: Mapping[str, torch.Tensor], moments: Mapping[str, torch.Tensor]
) -> dict[str, np.ndarray]:
    """With the remembered moments as part of scale and shift, for use."""
    found = {name: tensor.detach().numpy().copy() for name, tensor in own.items()}
    for at in range(len(WIDTHS) - 1):
        scale, shift = f"{at}.scale", f"{at}.shift"
        spread = np.sqrt(moments[f"{scale}.var"].numpy() + np.float32(1e-5))
        found[scale] = found[scale] / spread
        found[shift] = found[shift] - moments[f"{scale}.mean"].numpy() * found[scale]
    return found


def _batches(
    x_N: np.ndarray, y_N: np.ndarray, steps: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows, their images changed a little, (B, 3, S, S) float32); every class is as frequent."""
    rng = stream(f"features/task/{seed}", "batches")
    by_class = [np.flatnonzero(y_N == label) for label in np.unique(y_N)]
    side = x_N.shape[1]
    reach = _SHIFT * side // SIDES[0]
    for _ in range(steps):
        labels = rng.integers(len(by_class), size=_BATCH)
        rows = np.array([by_class[label][rng.integers(len(by_class[label]))] for label in labels])
        around = ((0, 0), (reach, reach), (reach, reach), (0, 0))
        wide = np.pad(x_N[rows], around, mode="edge")
        moved = np.stack([
            image[down : down + side, right : right + side]
            for image, (down, right) in zip(wide, rng.integers(2 * reach + 1, size=(_BATCH, 2)),
                                            strict=True)
        ]).astype(np.float32)  # fmt: skip
        light = rng.uniform(1 - _LIGHT, 1 + _LIGHT, (_BATCH, 1, 1, 1)).astype(np.float32)
        yield rows, np.ascontiguousarray((moved * light).transpose(0, 3, 1, 2))


def _accuracy(
    tensors: Mapping[str, np.ndarray], x_N: np.ndarray, y_N: np.ndarray, classes: int
) -> float:
    """The mean over classes of the share that is named right."""
    import torch

    own = {name: torch.from_numpy(array) for name, array in tensors.items()}
    said = np.empty(len(x_N), np.int64)
    with torch.inference_mode():
        for at in range(0, len(x_N), _BATCH):
            x = torch.from_numpy(x_N[at : at + _BATCH]).permute(0, 3, 1, 2).float()
            said[at : at + _BATCH] = logits(own, pooled(own, x)).argmax(dim=1).numpy()
    right = [float((said[y_N == label] == label).mean()) for label in range(classes)]
    return float(np.mean(right))
