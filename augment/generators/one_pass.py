"""Sampling of networks that make an image of random numbers and a class in one pass: requests
to numbers and class indexes, through the network, to a batch; and the facts of such a family.

Knows no architecture. Shape letters: B batch, C channels, H height (and width).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from augment.errors import RequestError
from augment.generators.checkpoint import Config
from augment.generators.hosting import Device, compiled, empty_batch, finished, padded
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Placement,
    SampleRequest,
    unknown_class,
)
from augment.sample import DigitalSourceType
from augment.seeds import digest
from augment.spec.generator_base import Precision
from augment.spec.generators import BigGanGenerator, StyleGan2Generator, StyleGan3Generator

if TYPE_CHECKING:
    import torch

Drawn = Mapping[str, "torch.Tensor"]
"""What `Network.draw` gave, on the network's device."""


class Network(Protocol):
    """A generator under one sampling."""

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Name -> float32 with one row for each sample, from streams of the sample alone."""

    def to(self, placement: Placement) -> Self:
        """The same where `placement` says."""

    def __call__(self, class_B: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """(B, C, H, H) of int64 class indexes and what was drawn."""


class OnePassHost:
    """A loaded generator. network: on any device, it is moved. class_indexes: class -> the
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
        self._placement = placement or Placement()
        self._device = Device(self._placement.device, precision)
        self.network = network.to(self._placement)
        self._run = compiled(self.network.__call__, self._placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        if request.label_name not in self._indexes:
            raise RequestError(unknown_class(self.info, request.label_name))

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, H); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        if not batch:
            return empty_batch(self.info)
        for request in batch:
            self.validate(request)
        class_B = np.array([self._indexes[r.label_name] for r in batch], dtype=np.int64)
        drawn = self.network.draw([r.sample_id for r in batch])
        inputs = padded([class_B, *drawn.values()], self._placement)
        with self._device.sampling():
            classes, *sent = [self._device.send(array) for array in inputs]
            x_BCHW = self._run(classes, dict(zip(drawn, sent, strict=True)))
            return finished(self._device.fetch(x_BCHW[: len(batch)]))


def one_pass_info(
    name: str,
    spec: BigGanGenerator | StyleGan2Generator | StyleGan3Generator,
    config: Config,
    version: int,
    indexes: Mapping[str, int],
    side: int,
    channels: int,
) -> GeneratorInfo:
    """Facts of a checkpoint. version: of the family's pixels. side: of its images."""
    identity = {
        "family": spec.family,
        "version": version,
        "weights": config.weights_sha256,
        "init": config.init,
        "classes": dict(indexes),
    }
    sampling = {"family": spec.family, "sampling": spec.sampling.model_dump()}
    return GeneratorInfo(
        name=name,
        family=spec.family,
        identity=digest(identity),
        sampling_digest=digest(sampling),
        checkpoint_sha256=config.weights_sha256,
        classes=tuple(indexes),
        height=side,
        width=side,
        channels=channels,
        license=spec.license or config.license,
        digital_source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value,
    )
