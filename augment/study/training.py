"""One training of one classifier, and what it names right. A pure function of its arguments on one
machine: one thread, our own streams, no clock.

The arms of a pair share first weights and the random numbers of every batch: the classes, whether a
place is for a synthetic image (a number below the arm's share), and which image of those that the
arm has. Every class is equally frequent in every arm.

Letters: N images, M test images, K corrupted views, B of a batch, C classes, S side in px.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.seeds import stream
from augment.study.networks import network, one_thread, seeded
from augment.study.plan import Training
from augment.study.rows import Pool

if TYPE_CHECKING:
    import torch

BATCH = 64
RATE, TUNED_RATE = 2e-3, 5e-4
"""The highest rate of a training from scratch, and of one that begins with weights, where nothing
else is asked for."""
DECAY = 1e-2


@dataclass(frozen=True)
class Recipe:
    """What all trainings share. name: of the network. weights: of pretrained arms. device: as torch
    names it."""

    name: str
    classes: int
    steps: int
    seed: int
    weights: Mapping[str, np.ndarray] | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Images:
    """x_NSS3: uint8 RGB. y_N: int64 below the number of classes."""

    x_NSS3: np.ndarray
    y_N: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """right: (M,) bool, of test images in their order. views_right: (M,) uint8, corrupted views of
    each that were named right. validation: (C, 2) int64, right ones and how many there are."""

    right: np.ndarray
    views_right: np.ndarray
    validation: np.ndarray


def trained(
    images: Images,
    pools: Sequence[Pool],
    validation_N: np.ndarray,
    test: Images,
    views: Sequence[np.ndarray],
    recipe: Recipe,
    training: Training,
) -> Outcome:
    """images: of train and validation; pools and validation_N: positions among them. views: K
    arrays like `test.x_NSS3`, corrupted.

    Raises:
        RequestError, CheckpointError: see `networks.network`. ValueError: an arm has no images.
    """
    with one_thread():
        with seeded(f"study/{recipe.seed}/{training.draw}/{training.run}"):
            net = _fit(images, pools, recipe, training)
        ask = _Asking(net, recipe)
        right = ask(test.x_NSS3) == test.y_N
        seen = np.zeros(len(test.y_N), np.uint8)
        for view in views:
            seen += ask(view) == test.y_N
        held = images.y_N[validation_N]
        named = ask(images.x_NSS3[validation_N]) == held
    counts = np.bincount(held, minlength=recipe.classes)
    known = np.bincount(held[named], minlength=recipe.classes)
    return Outcome(right, seen, np.stack([known, counts], axis=1).astype(np.int64))


def _fit(
    images: Images, pools: Sequence[Pool], recipe: Recipe, training: Training
) -> torch.nn.Module:
    import torch
    from torch.nn import functional as f

    side = images.x_NSS3.shape[1]
    pretrained = training.arm.start == "pretrained"
    first = f"study/{recipe.seed}/first/{training.draw}/{training.run}"
    weights = recipe.weights if pretrained else None
    net = network(recipe.name, recipe.classes, side, first, weights)
    net.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.train()
    rate = training.rate * (TUNED_RATE if pretrained else RATE)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=recipe.steps + 1)
    for rows in batches(pools, recipe, training):
        x = _prepared(images.x_NSS3[rows], recipe.device)
        y = torch.from_numpy(images.y_N[rows]).to(recipe.device)
        loss = f.cross_entropy(net(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    net.eval()
    return net


def batches(pools: Sequence[Pool], recipe: Recipe, training: Training) -> Iterator[np.ndarray]:
    """(B,) int64 positions of images, for every step.

    Raises:
        ValueError: no class has an image.
    """
    present = np.array([n for n, pool in enumerate(pools) if len(pool.plain) or len(pool.made)])
    if not len(present):
        raise ValueError(f"{training.name}: no class has an image to train on")
    rng = stream(f"study/{recipe.seed}/{training.draw}/{training.run}", "batches")
    for _ in range(recipe.steps):
        classes, source, which = rng.random((3, BATCH))
        labels = present[(classes * len(present)).astype(np.int64)]
        rows = np.empty(BATCH, np.int64)
        for at, (label, u, v) in enumerate(zip(labels, source, which, strict=True)):
            pool = pools[label]
            made = len(pool.made) and (u < training.arm.share or not len(pool.plain))
            some = pool.made if made else pool.plain
            rows[at] = some[int(v * len(some))]
        yield rows


class _Asking:
    """Asks a trained network for classes of images."""

    def __init__(self, net: torch.nn.Module, recipe: Recipe) -> None:
        self._net, self._device = net, recipe.device

    def __call__(self, x_NSS3: np.ndarray) -> np.ndarray:
        """(N,) int64."""
        import torch

        found = np.empty(len(x_NSS3), np.int64)
        with torch.inference_mode():
            for at in range(0, len(x_NSS3), BATCH):
                x = _prepared(x_NSS3[at : at + BATCH], self._device)
                found[at : at + BATCH] = self._net(x).argmax(dim=1).cpu().numpy()
        return found


def _prepared(x_BSS3: np.ndarray, device: str) -> torch.Tensor:
    """(B, 3, S, S) float32, about in [-2, 2], channels last; by constants, as ImageNet's weights
    are used to."""
    import torch

    x: Any = torch.from_numpy(x_BSS3).to(device).permute(0, 3, 1, 2).float() / 255.0
    mean = torch.tensor((0.485, 0.456, 0.406), device=device).view(1, 3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225), device=device).view(1, 3, 1, 1)
    found: torch.Tensor = (x - mean) / std
    return found.contiguous(memory_format=torch.channels_last)
