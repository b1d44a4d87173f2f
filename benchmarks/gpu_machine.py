"""The machine that a GPU benchmark runs on: its device, and what is missing there.

torch is imported inside functions.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from augment.surroundings import silently


@dataclass(frozen=True)
class Machine:
    """device: cpu or cuda. small: sizes for a CPU. lacking: family -> why it cannot be made here.
    told: the machine in words."""

    device: str
    small: bool
    lacking: Mapping[str, str]
    told: str

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def judges(self) -> bool:
        """Whether goals mean anything: on a GPU, at real sizes."""
        return self.on_gpu and not self.small

    def to_json(self) -> dict[str, Any]:
        return {"device": self.device, "small": self.small, "told": self.told,
                "lacking": dict(self.lacking)}  # fmt: skip


def found(device: str, small: bool) -> Machine | None:
    """None where torch does not see the device."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        return None
    if device == "cpu":
        torch.set_num_threads(1)  # two that share busy cores wait for each other
    named = torch.cuda.get_device_name(device) if device != "cpu" else "no GPU: a dry run"
    told = (
        f"{named}; {os.cpu_count()} cores, Python {platform.python_version()}, torch "
        f"{torch.__version__}; sizes {'small' if small else 'as published'}"
    )
    return Machine(device, small, _lacking(device), told)


def there(package: str) -> bool:
    """Whether the package can be imported here."""
    return importlib.util.find_spec(package) is not None


def _lacking(device: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if not (there("diffusers") and there("transformers")):
        found["diffusers"] = "no diffusers here"
    if not (there("onnx") and there("onnxruntime")):
        found["onnx"] = "no onnx and onnxruntime here"
    elif device != "cpu" and "CUDAExecutionProvider" not in _providers():
        found["onnx"] = "this onnxruntime has no CUDA"
    return found


def _providers() -> list[str]:
    return list(silently("onnxruntime").get_available_providers())


class Usage:
    """What a device did within: share of time in which a kernel ran, as its driver samples it, and
    the most memory that torch held. Neither is known of a CPU."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._seen: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._machine.on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats(self._machine.device)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def figures(self) -> dict[str, float]:
        if not self._machine.on_gpu:
            return {}
        import torch

        peak = torch.cuda.max_memory_allocated(self._machine.device) / 2**30
        share = {"kernels": sum(self._seen) / len(self._seen) / 100} if self._seen else {}
        return {**share, "GiB": peak}

    def _watch(self) -> None:
        import torch

        while not self._over.wait(0.1):
            try:
                self._seen.append(torch.cuda.utilization(self._machine.device))
            except Exception:  # no library of the driver here: it is left out
                return
