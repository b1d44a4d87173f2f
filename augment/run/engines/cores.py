"""How many CPUs this process may use, and how many GPUs its machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def cores(quota: Path = _QUOTA) -> int:
    """CPUs that the system lets this process run on, and no more than its container may use at
    once (`cpu.max` of Linux control groups, version 2); at least one."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _granted(quota)))


def gpus(listed: Path = _NVIDIA) -> int:
    """GPUs of this machine as NVIDIA's driver lists them, also those that this process may not
    use; 1 where it lists none."""
    try:
        return max(1, len(os.listdir(listed)))
    except OSError:
        return 1


def _granted(quota: Path) -> int:
    """Whole CPUs of the quota; very many where there is none."""
    try:
        most, period = quota.read_text(encoding="ascii").split()
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError):  # no such control, or "max"
        return 1 << 16
