"""Which engine `auto` means: processes of this machine, or Ray where a cluster or a GPU is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from augment.spec.execution import ActorResources, Execution

Kind = Literal["ray", "processes"]
_GPUS = ("nvidia[0-9]*", "kfd", "dxg")
"""Below /dev: of NVIDIA, of AMD, of either inside Windows."""


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether this machine seems to have a GPU; asked of the system, no library is imported."""
    return any(next(devices.glob(one), None) is not None for one in _GPUS)


def automatic(
    execution: Execution, generators: Iterable[str], gpu: Callable[[], bool] = has_gpu
) -> Kind:
    """The engine of a job that leaves the choice to us. generators: those that the job has."""
    asked = [execution.of(name).resources for name in generators]
    if execution.address is not None or execution.autoscale is not None or _connected():
        return "ray"
    if any(map(_placed, asked)):
        return "ray"
    return "ray" if any(one.gpus is None for one in asked) and gpu() else "processes"


def _placed(asked: ActorResources) -> bool:
    """Whether only Ray knows where such an actor can live."""
    return bool(asked.gpus or asked.accelerator_type or asked.labels)


def _connected() -> bool:
    """Whether somebody in this process has connected to a Ray already."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())
