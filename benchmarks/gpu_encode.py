"""What must stay off a device's critical path: copies of images, and their files.

copies: float32 images to this machine's memory, GB/s of pageable memory, of pinned memory, and how
much of a copy's time is hidden where it runs on a stream of its own beside the next batch's
arithmetic. PNG and JPEG: images a second that so many threads encode, of smooth noise: what a
device may sample before it waits for them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from gpu_machine import Machine
from gpu_report import Item, Row, Tell
from PIL import Image

from augment.codec import Style, encode, encode_pngs
from augment.run.synthesis.pool_unit import encoders

_ROUNDS = 5


def items(machine: Machine) -> list[Item]:
    return [
        Item("encode", "copies", 5.0, lambda tell: _copies(machine, tell)),
        Item("encode", "files", 15.0, lambda tell: _files(machine, tell)),
    ]


# ---- copies ----------------------------------------------------------------------------


def _copies(machine: Machine, tell: Tell) -> None:
    side, rows = (64, 4) if machine.small else (1024, 16)
    images = torch.rand(rows, 3, side, side, device=machine.device)
    size = images.numel() * 4 / 1e9
    if not machine.on_gpu:
        took = _seconds(lambda: images.clone(), lambda: None)
        figures = {"pageable GB/s": size / took}
        tell(Row("encode", "copies", f"{rows} x {side} px", "measured", figures))
        return
    pinned = torch.empty(images.shape, pin_memory=True)
    pageable = _seconds(lambda: images.cpu(), torch.cuda.synchronize)
    alone = _seconds(lambda: pinned.copy_(images, non_blocking=True), torch.cuda.synchronize)
    busy = _Busy(machine, alone)
    without = _seconds(busy, torch.cuda.synchronize)
    beside = _seconds(_beside(busy, images, pinned), torch.cuda.synchronize)
    hidden = 1.0 - max(0.0, beside - without) / alone
    figures = {"pageable GB/s": size / pageable, "pinned GB/s": size / alone, "hidden": hidden}
    tell(Row("encode", "copies", f"{rows} x {side} px", "measured", figures))


class _Busy:
    """Arithmetic that takes the device at least twice as long as a copy."""

    def __init__(self, machine: Machine, copy_s: float) -> None:
        self._x = torch.rand(4096, 4096, device=machine.device)
        self._times = 1
        while _seconds(self, torch.cuda.synchronize) < 2 * copy_s:
            self._times *= 2

    def __call__(self) -> None:
        for _ in range(self._times):
            torch.mm(self._x, self._x)


def _beside(busy: _Busy, images: torch.Tensor, pinned: torch.Tensor) -> Callable[[], None]:
    cuda: Any = torch.cuda  # streams have no types
    stream = cuda.Stream()

    def act() -> None:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            pinned.copy_(images, non_blocking=True)
        busy()

    return act


def _seconds(act: Callable[[], object], settled: Callable[[], None]) -> float:
    """The least of some rounds after one that warms up."""
    took = []
    for _ in range(_ROUNDS + 1):
        settled()
        begun = time.perf_counter()
        act()
        settled()
        took.append(time.perf_counter() - begun)
    return min(took[1:])


# ---- files -----------------------------------------------------------------------------


def _files(machine: Machine, tell: Tell) -> None:
    side, rows = (64, 16) if machine.small else (1024, 32)
    images_NHWC = _smooth(side, rows)
    jpeg = Style("jpeg", 90, "420", "RGB", side, side)
    ways: dict[str, Callable[[np.ndarray], list[bytes]]] = {
        "PNG": encode_pngs,
        "JPEG": lambda some: [encode(image, jpeg) for image in some],
    }
    used = encoders(machine.device)
    for threads in sorted({1, used, min(8, os.cpu_count() or 1)}):
        figures = {
            f"{name} images/s": rows / _encoded(way, images_NHWC, threads)
            for name, way in ways.items()
        }
        told = " (a worker's)" if threads == used else ""
        variant = f"{side} px, {threads} threads{told}"
        tell(Row("encode", "files", variant, "measured", figures))


def _encoded(
    way: Callable[[np.ndarray], list[bytes]], images_NHWC: np.ndarray, threads: int
) -> float:
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        for files in pool.map(way, np.array_split(images_NHWC, threads)):
            assert all(files)
        return time.perf_counter() - begun


def _smooth(side: int, rows: int) -> np.ndarray:
    """(N, H, W, 3) uint8, about as hard to encode as photographs."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(rows):
        small = Image.fromarray(rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8))
        large = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        noisy = large + rng.integers(-3, 4, large.shape, dtype=np.int16)
        found.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return np.stack(found)
