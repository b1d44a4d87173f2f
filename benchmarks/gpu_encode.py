"""What must stay off a device's critical path: copies of images, and their files.

copies: float32 images to this machine's memory, GB/s of pageable memory, of pinned memory, and how
much of a copy's time is hidden where it runs on a stream of its own beside the next batch's
arithmetic. files: images a second that so many threads encode, of smooth noise: what a device may
sample before it waits for them. finishing: images a second that become files with scores beside a
process that is busy in Python, as one is that starts a device's kernels, by threads of that process
and by processes of their own; and what that process keeps of its speed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from gpu_machine import Machine
from gpu_report import Item, Row, Tell
from PIL import Image

from augment.codec import Style, encode, encode_pngs
from augment.run.engines.cores import cores
from augment.run.synthesis.finishers import finishers_beside
from augment.run.synthesis.finishing import Finish, finished

_ROUNDS = 5


def items(machine: Machine) -> list[Item]:
    return [
        Item("encode", "copies", 5.0, lambda tell: _copies(machine, tell)),
        Item("encode", "files", 15.0, lambda tell: _files(machine, tell)),
        Item("encode", "finishing", 15.0, lambda tell: _beside_python(machine, tell)),
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
    for threads in sorted({1, min(2, cores()), min(8, cores())}):
        figures = {
            f"{name} images/s": rows / _encoded(way, images_NHWC, threads)
            for name, way in ways.items()
        }
        tell(Row("encode", "files", f"{side} px, {threads} threads", "measured", figures))


def _beside_python(machine: Machine, tell: Tell) -> None:
    """As beside a worker that starts a GPU's kernels, one after the other, from Python."""
    side, rows = (64, 256) if machine.small else (1024, 32)
    images_NHWC = np.tile(_smooth(side, min(rows, 16)), (max(1, rows // 16), 1, 1, 1))
    images_NCHW = np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1
    beside = finishers_beside("cuda")
    assert beside is not None, "a GPU's worker has processes"
    count = beside.count
    alone = _turns_s(lambda: None)
    ways: dict[str, Finish] = {"threads": finished, "processes": beside}
    for name, way in ways.items():
        took = [_finished_s(way, images_NCHW, count)]  # warms up
        act = partial(_finished_s, way, images_NCHW, count)
        turns = _turns_s(partial(_noted, took, act))
        figures = {"images/s": rows / min(took[1:]), "Python keeps": turns / alone}
        variant = f"{side} px, {count} {name} beside Python"
        tell(Row("encode", "finishing", variant, "measured", figures))
    beside.close()


def _noted(took: list[float], act: Callable[[], float]) -> None:
    took.append(act())


def _finished_s(way: Finish, images_NCHW: np.ndarray, threads: int) -> float:
    """Seconds until all are finished, a few at a time."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for files in pool.map(way, np.array_split(images_NCHW, 4 * threads)):
            assert all(one.data for one in files)
    return time.perf_counter() - begun


def _turns_s(act: Callable[[], object]) -> float:
    """Turns a second of a loop in Python, for a second and until `act` has ended twice beside."""
    ended = threading.Event()

    def acting() -> None:
        for _ in range(2):
            act()
        ended.set()

    thread = threading.Thread(target=acting)
    thread.start()
    begun, turns = time.perf_counter(), 0
    while not ended.is_set() or time.perf_counter() < begun + 1:
        for _ in range(1000):
            turns += 1
    took = time.perf_counter() - begun
    thread.join()
    return turns / took


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
