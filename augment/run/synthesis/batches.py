"""Cutting requests into batches: rows with equal keys share one, whatever their class.

The cut follows from the order of the requests and the batch size alone, never from timing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_HELD = 4
"""Batches' worth of items that may wait for others of their key: source images are large."""


def batches(items: Iterable[T], key: Callable[[T], Hashable], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items with equal keys, in the order in which they came.

    A list goes out when it is full. Where more than four batches' worth waits, the fullest
    list goes first (of equal ones, the one begun first); at the end all go, in the order in
    which they were begun.
    """
    waiting: dict[Hashable, list[T]] = {}
    held = 0
    for item in items:
        group = waiting.setdefault(key(item), [])
        group.append(item)
        held += 1
        if len(group) == size:
            held -= size
            yield waiting.pop(key(item))
        elif held >= _HELD * size:
            fullest = max(waiting, key=lambda k: len(waiting[k]))
            held -= len(waiting[fullest])
            yield waiting.pop(fullest)
    yield from waiting.values()
