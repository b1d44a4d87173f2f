"""palette: procedural coloured waves, one hue per class; seeded, CPU, no weights.

The fake that ships: fast, exact, and different for every sample, so that a job can be tried
before any generator is trained. Knows nothing of torch and reads no file.
"""

from __future__ import annotations

import colorsys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    SampleRequest,
    class_index,
    must_match,
)
from augment.sample import DigitalSourceType
from augment.seeds import digest, stream
from augment.spec.generators import PaletteGenerator

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""


def describe(name: str, spec: PaletteGenerator) -> GeneratorInfo:
    """Facts of a palette; its license stays open, for nothing was learned from anyone."""
    identity = {
        "family": "palette",
        "version": _VERSION,
        "size": spec.size,
        "classes": list(spec.classes),
    }
    return GeneratorInfo(
        name=name,
        family="palette",
        identity=digest(identity),
        sampling_digest=digest({"family": "palette", "sampling": spec.sampling.model_dump()}),
        checkpoint_sha256="",
        classes=tuple(spec.classes),
        height=spec.size,
        width=spec.size,
        channels=3,
        license=None,
        digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
    )


@dataclass(frozen=True)
class PaletteHost:
    """Two crossing waves in the hue of the class. contrast: 0 (flat) to 1, of the waves."""

    info: GeneratorInfo
    contrast: float

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the palette's.
        """
        class_index(self.info, request.label_name)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, 3, size, size); rows are made one by one, so bitwise in any batch.

        Raises:
            RequestError: the class is not one of the palette's.
        """
        info = self.info
        images_NCHW = np.zeros((len(batch), 3, info.height, info.width), dtype=np.float32)
        for row, request in enumerate(batch):
            images_NCHW[row] = self._image(request)
        return GeneratedBatch(images_NCHW, (None,) * len(batch))

    def _image(self, request: SampleRequest) -> np.ndarray:
        hue = class_index(self.info, request.label_name) / len(self.info.classes)
        z = stream(request.sample_id, "z").random(8)
        wave_HW = 0.5 * (self._wave(*z[0:3]) + self._wave(*z[3:6]))
        light_HW = 0.6 + 0.4 * self.contrast * wave_HW
        tint = colorsys.hsv_to_rgb(hue + (z[6] - 0.5) / (4 * len(self.info.classes)), 0.75, 1.0)
        color = np.asarray(tint) * (0.75 + 0.25 * z[7])
        return np.asarray(color[:, None, None] * light_HW * 2.0 - 1.0, dtype=np.float32)

    def _wave(self, angle: float, frequency: float, phase: float) -> np.ndarray:
        """(H, W) in [-1, 1]: 1 to 4 periods across the image, any direction."""
        down = np.arange(self.info.height)[:, None] / self.info.height
        right = np.arange(self.info.width)[None, :] / self.info.width
        along = right * np.cos(2 * np.pi * angle) + down * np.sin(2 * np.pi * angle)
        turns = (1.0 + 3.0 * frequency) * along + phase
        return np.asarray(np.sin(2 * np.pi * turns))


def load(name: str, spec: PaletteGenerator, info: GeneratorInfo) -> PaletteHost:
    """The host of a palette that must still be the one that `info` describes.

    Raises:
        CheckpointError: it has changed since.
    """
    must_match(describe(name, spec), info)
    return PaletteHost(info, spec.sampling.contrast)
