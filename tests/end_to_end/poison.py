"""A generator that goes wrong at chosen samples, as a file says that it does not own."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augment.generators import GeneratedBatch, GeneratorInfo, SampleRequest
from augment.sample import DigitalSourceType
from augment.seeds import digest, stream

SIDE = 8


class Poisoned:
    """Noise. orders: a JSON file {what goes wrong: [[class, index], ...]}, read with every
    batch; where it is missing, nothing goes wrong. What may go wrong: `raise`, `kill`, `hang`,
    `memory`, `nan`, and `slow` (seconds that every batch takes)."""

    def __init__(self, classes: list[str], orders: str) -> None:
        self._orders = Path(orders)
        self.info = GeneratorInfo(
            name="poisoned",
            family="poisoned",
            identity=digest(["poisoned", 1]),
            sampling_digest=digest(""),
            checkpoint_sha256="",
            classes=tuple(classes),
            height=SIDE,
            width=SIDE,
            channels=1,
            license="CC0-1.0",
            digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
        )

    def validate(self, request: SampleRequest) -> None:
        """Takes everything."""

    def batch_key(self, request: SampleRequest) -> Hashable:
        return "poisoned"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        orders = self._read()
        time.sleep(orders.get("slow", 0.0))
        points = [[r.label_name, r.index] for r in batch]

        def hit(what: str) -> bool:
            return any(point in orders.get(what, []) for point in points)

        if hit("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if hit("hang"):
            time.sleep(3600)
        if hit("memory"):
            raise MemoryError("no room")
        if hit("raise"):
            raise RuntimeError("device-side assert")
        images = np.stack([_noise(r.sample_id) for r in batch])
        for row, point in enumerate(points):
            if point in orders.get("nan", []):
                images[row] = np.nan
        failed = tuple(None if np.isfinite(image).all() else "nan" for image in images)
        return GeneratedBatch(np.nan_to_num(images), failed)

    def _read(self) -> Mapping[str, Any]:
        try:
            return dict(json.loads(self._orders.read_text()))
        except FileNotFoundError:
            return {}


def _noise(sample_id: str) -> np.ndarray:
    """(1, 8, 8) in [-1, 1]."""
    return stream(sample_id, "z").uniform(-1.0, 1.0, (1, SIDE, SIDE)).astype(np.float32)
