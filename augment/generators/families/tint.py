"""tint: a source image under a seeded coloured light; CPU, no weights.

The fake among the families that take an image, as `palette` is among those that take a
class: a job that translates images can be tried before any network is trained. Knows
nothing of torch and reads no file.
"""

from __future__ import annotations

import colorsys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from augment.codec import fit
from augment.generators.hosting import empty_batch
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    SampleRequest,
    must_match,
    need_source,
)
from augment.sample import DigitalSourceType
from augment.seeds import digest, stream
from augment.spec.generators import TintGenerator

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""
_TYPICAL = 256
"""Side in pixels of an image whose size follows its source, for estimates."""


def describe(name: str, spec: TintGenerator) -> GeneratorInfo:
    """Facts of a tint; its license stays open: its images are their sources', tinted."""
    size = spec.size or _TYPICAL
    return GeneratorInfo(
        name=name,
        family="tint",
        identity=digest({"family": "tint", "version": _VERSION, "size": spec.size}),
        sampling_digest=digest({"family": "tint", "sampling": spec.sampling.model_dump()}),
        checkpoint_sha256="",
        classes=(),
        height=size,
        width=size,
        channels=3,
        license=None,
        digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
        takes_image=True,
    )


@dataclass(frozen=True)
class TintHost:
    """strength: 0 (the source as it is) to 1 (of one hue). size: of the square images in
    pixels, None: as each source's."""

    info: GeneratorInfo
    strength: float
    size: int | None

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: there is no source, or it is no RGB image.
        """
        need_source(self.info.name, request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """Rows of one size share a batch.

        Raises:
            RequestError: as `validate`.
        """
        source_HWC = need_source(self.info.name, request)
        return source_HWC.shape[:2] if self.size is None else self.size

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, 3, H, W); rows are made one by one, so bitwise in any batch.

        Raises:
            RequestError: as `validate`.
        """
        if not batch:
            return empty_batch(self.info)
        images_NCHW = np.stack([self._image(request) for request in batch])
        return GeneratedBatch(images_NCHW, (None,) * len(batch))

    def _image(self, request: SampleRequest) -> np.ndarray:
        source_HWC = need_source(self.info.name, request)
        if self.size is not None:
            source_HWC = fit(source_HWC, self.size, self.size)
        hue, value = stream(request.sample_id, "z").random(2)
        light_C = np.asarray(colorsys.hsv_to_rgb(hue, 1.0, 0.6 + 0.4 * value))
        factor_C = 1.0 - self.strength + self.strength * light_C
        x_HWC = source_HWC.astype(np.float32) / 127.5 * factor_C - 1.0
        return np.asarray(x_HWC.transpose(2, 0, 1), dtype=np.float32)


def load(name: str, spec: TintGenerator, info: GeneratorInfo) -> TintHost:
    """The host of a tint that must still be the one that `info` describes.

    Raises:
        CheckpointError: it has changed since.
    """
    must_match(describe(name, spec), info)
    return TintHost(info, spec.sampling.strength, spec.size)
