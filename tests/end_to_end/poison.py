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

from augment.generators import GeneratedBatch, Placement, SampleRequest
from augment.seeds import stream
from tests.end_to_end.toys import toy_info


class Poisoned:
    """Noise. orders: a JSON file {what goes wrong: [[class, index], ...]}, read with every
    batch; where it is missing, nothing goes wrong. What may go wrong: `raise`, `kill`, `hang`,
    `memory`, `nan`, `slow` (seconds that every batch takes), and `load` (seconds that it takes
    to be placed)."""

    def __init__(
        self, classes: list[str], orders: str, side: int = 8, blank: float = 0.0, name: str = ""
    ) -> None:
        """side: pixels. blank: share of the images that are constant, for a filter to reject.
        name: another name, another generator."""
        self._orders, self._blank = Path(orders), blank
        self.info = toy_info("poisoned", classes, side, 1, [side, blank, name])

    def place(self, placement: Placement) -> None:
        """Takes as long as ordered."""
        time.sleep(self._read().get("load", 0.0))

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
        images = np.stack([self._noise(r.sample_id) for r in batch])
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

    def _noise(self, sample_id: str) -> np.ndarray:
        """(1, side, side) in [-1, 1]."""
        shape = (1, self.info.height, self.info.width)
        if stream(sample_id, "blank").random() < self._blank:
            return np.zeros(shape, np.float32)
        return stream(sample_id, "z").uniform(-1.0, 1.0, shape).astype(np.float32)
