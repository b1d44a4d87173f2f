"""Work on images by several threads, of which none waits for one image longer than it may.

A decoder that hangs in C cannot be interrupted. So its thread is left to itself, its image is
late, and another thread takes its place; the process may end while it hangs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

IMAGE_S = 60.0
"""Seconds that one image may take."""
MOST_LATE = 16
"""So many hanging threads are put up with; what comes after them is late at once."""


@dataclass
class _Job(Generic[T, R]):
    """One item. begun: when a thread took it, None before. given_up: nobody waits for it."""

    item: T
    begun: float | None = None
    given_up: bool = False
    result: R | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Patience(Generic[T, R]):
    """Applies `work` to items in `threads` threads while it is entered. late: the result of an
    item that takes longer than `limit_s`. clock: seconds, monotonic."""

    def __init__(
        self,
        work: Callable[[T], R],
        late: Callable[[T], R],
        threads: int,
        limit_s: float = IMAGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._late, self._threads = work, late, threads
        self._limit_s, self._clock = limit_s, clock
        self._jobs: queue.SimpleQueue[_Job[T, R] | None] = queue.SimpleQueue()
        self._hanging = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Patience[T, R]:
        for _ in range(self._threads):
            self._hire()
        return self

    def __exit__(self, *error: object) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """The results in the order of the items, a few of which are in hand at once.

        Raises: what `work` raises.
        """
        waiting: deque[_Job[T, R]] = deque()
        for item in items:
            if self._hanging >= MOST_LATE:  # nobody may be left who would take it
                while waiting:
                    yield self._result(waiting.popleft())
                yield self._late(item)
                continue
            job = _Job[T, R](item)
            self._jobs.put(job)
            waiting.append(job)
            if len(waiting) > 2 * self._threads:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def _result(self, job: _Job[T, R]) -> R:
        while not job.done.wait(self._patience(job)):
            if self._is_late(job):
                return self._late(job.item)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # done without an error: it is one

    def _patience(self, job: _Job[T, R]) -> float:
        begun = self._clock() if job.begun is None else job.begun
        return max(0.001, min(1.0, begun + self._limit_s - self._clock()))

    def _is_late(self, job: _Job[T, R]) -> bool:
        """Whether nobody waits for a job any more: then another thread takes its thread's place."""
        with self._lock:
            if job.done.is_set():
                return False
            hangs = job.begun is not None and self._clock() - job.begun >= self._limit_s
            job.given_up = hangs or self._hanging >= MOST_LATE
            self._hanging += int(hangs)
        if hangs and self._hanging < MOST_LATE:
            self._hire()
        return job.given_up

    def _hire(self) -> None:
        threading.Thread(target=self._serve, name="augment-image", daemon=True).start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.begun = self._clock()
            try:
                job.result = self._work(job.item)
            except BaseException as error:
                job.error = error
            with self._lock:
                job.done.set()
            if job.given_up:  # another thread has taken this one's place
                return


def alone(work: Callable[[], R], late: R, limit_s: float = IMAGE_S) -> R:
    """What `work` returns, or `late` where it takes too long."""
    with Patience[Any, R](lambda _: work(), lambda _: late, 1, limit_s) as patience:
        return next(patience.map([None]))
