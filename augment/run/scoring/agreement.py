"""`agreement.p`: how likely a classifier of the job's real images holds the row's own class.

The classifier is that of the extractor `task` (features.task_fit).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from augment.errors import RequestError
from augment.features import Asked, build
from augment.features.arithmetic import plain_sums
from augment.features.resizing import resized
from augment.features.task import SIDES, VERSION, TaskNetwork
from augment.features.task_fit import MOST_STEPS, NotFit, fit, side_for
from augment.run.scoring.reference import Reference
from augment.seeds import digest

_SEED = 0
NAMES = ("agreement.p",)


def digest_of(reference: Reference) -> str:
    """32 hex digits."""
    known = ["agreement", VERSION, _SEED, MOST_STEPS, reference.known_by]
    return digest(known)[:32]


def fitted_to(reference: Reference, place: str) -> bytes:
    """The weights. Raises: RequestError: too few classes have real images, or torch is missing."""
    labels: list[str] = []
    shapes: list[tuple[int, ...]] = []
    small: list[tuple[np.ndarray, ...]] = []
    for label, image in reference.decoded():
        labels.append(label)
        shapes.append(image.shape)
        small.append(tuple(resized([image], side)[0] for side in SIDES))
    side = SIDES.index(side_for(shapes))
    empty = np.empty((0, SIDES[side], SIDES[side], 3), np.uint8)
    weights = fit(np.stack([one[side] for one in small]) if small else empty, labels, _SEED)
    if isinstance(weights, NotFit):
        raise RequestError(f"{place}: no classifier can be fit: {weights.reason}; leave it out")
    return weights


class Agreement:
    """The fit classifier."""

    names = NAMES

    def __init__(self, fitted: bytes) -> None:
        network: Any = build(Asked("task", fitted=fitted))
        self._network: TaskNetwork = network
        self._at = {name: at for at, name in enumerate(network.fit.classes)}

    def __call__(self, images: Sequence[np.ndarray], labels: Sequence[str]) -> list[list[float]]:
        """images: (H, W, 3) uint8. labels: their classes. NaN of a class that was not fit on."""
        with plain_sums("cpu"):
            p_NC = self._network.probabilities(self._network(images))
        return [
            [float(p_NC[n, self._at[label]]) if label in self._at else math.nan]
            for n, label in enumerate(labels)
        ]

    def about(self) -> dict[str, Any]:
        """What people are told of it."""
        fit = self._network.fit
        return {
            "classes": len(fit.classes),
            "images": fit.images,
            "accuracy": fit.accuracy,
            "of unseen": fit.held_out,
        }
