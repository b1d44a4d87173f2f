"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores(quota: Path = _QUOTA) -> int:
    """CPUs that the system lets this process run on, and no more than its container may use at
    once (`cpu.max` of Linux control groups, version 2); at least one."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _granted(quota)))


def _granted(quota: Path) -> int:
    """Whole CPUs of the quota; very many where there is none."""
    try:
        most, period = quota.read_text(encoding="ascii").split()
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError):  # no such control, or "max"
        return 1 << 16
