"""How many threads OpenCV has while images are searched: one.

The searched images are a few dozen pixels wide, and are warped, blurred and aligned thousands of
times. Splitting such a call costs more than it saves: with two threads on two cores the same scores
took 2.3 times the CPU and a third more time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV has one thread in this process, then as many as before. Also a decorator."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
