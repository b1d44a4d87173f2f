"""Time as observers see it: when something began, and for how many seconds it went on.

Nothing measured here enters an id, a digest or a shard, and of a record only the account of what
it cost: times are for metrics, logs, timelines and that account. Knows nothing of any of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

Seconds = Callable[[], float]
"""A clock: seconds since 1970."""


def steady(wall: Seconds = time.time, count: Seconds = time.perf_counter) -> Seconds:
    """A clock that starts at the wall clock's time and is never set back."""
    start = wall() - count()
    return lambda: start + count()


now = steady()
"""The clock of this process: one, so that spans measured in different places nest."""


class BatchTimes:
    """When each batch of the unit in hand began and how long it took."""

    def __init__(self, device: str, clock: Seconds = now) -> None:
        self._device, self._clock = device, clock
        self._each: list[tuple[float, float]] = []

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """What runs within is one batch; one that breaks is not counted."""
        begun = self._clock()
        yield
        self._each.append((begun, self._clock() - begun))

    def now(self) -> float:
        """For `add`."""
        return self._clock()

    def add(self, begun: float, seconds: float) -> None:
        """A batch that was timed elsewhere."""
        self._each.append((begun, seconds))

    def seconds(self) -> float:
        """Of all batches since they were last taken."""
        return sum(took for _, took in self._each)

    def take(self) -> dict[str, Any]:
        """What was measured since the last call, for a unit's result."""
        each, self._each = self._each, []
        return {"device": self._device, "each": each}
