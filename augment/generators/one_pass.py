"""Sampling of networks that make an image of random numbers and a class in one pass: requests
to numbers and class indexes, through the network, to a batch.

Knows no architecture. Shape letters: B batch, C channels, H height (and width).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from augment.generators.hosting import Device, Leaving, begun, compiled
from augment.generators.protocol import (
    Coming,
    GeneratedBatch,
    GeneratorInfo,
    Placement,
    SampleRequest,
    need_class,
)
from augment.spec.generator_base import Precision

if TYPE_CHECKING:
    import torch

Drawn = Mapping[str, "torch.Tensor"]
"""What `Network.draw` gave, on the network's device."""


class Network(Protocol):
    """A generator under one sampling."""

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Name -> float32 with one row for each sample, from streams of the sample alone."""

    def __call__(self, class_B: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """(B, C, H, H) of int64 class indexes and what was drawn."""


class OnePassHost:
    """A loaded generator. network: where `placement` says. class_indexes: class -> the
    network's index."""

    def __init__(
        self,
        network: Network,
        info: GeneratorInfo,
        class_indexes: Mapping[str, int],
        placement: Placement | None = None,
        precision: Precision = "fp32",
    ) -> None:
        self.info = info
        self._indexes = class_indexes
        self._device = Device(placement, precision)
        self.network = network
        self._run = compiled(network.__call__, self._device.placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        need_class(self.info, request, self._indexes)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, H); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        return self.begin(batch)()

    def begin(self, batch: Sequence[SampleRequest]) -> Coming:
        """See `Ahead.begin`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        return begun(self, batch, self._made)

    def _made(self, batch: Sequence[SampleRequest]) -> Leaving:
        class_B = np.array([self._indexes[r.label_name] for r in batch], dtype=np.int64)
        drawn = self.network.draw([r.sample_id for r in batch])

        def run(class_B: torch.Tensor, *sent: torch.Tensor) -> torch.Tensor:
            return self._run(class_B, dict(zip(drawn, sent, strict=True)))

        return self._device.left([class_B, *drawn.values()], run)
