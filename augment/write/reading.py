"""Many small files, read one after the other from a disk and many at once from a store.

A file of a store costs a round trip, whatever its size; a thread that waits for one costs
nothing. Knows nothing of what the files hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from augment.storage import Folder

_AT_ONCE = 16

Got = TypeVar("Got")


def read_each(folder: Folder, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """(path, its bytes) in the order given, None where nothing stands there; few are in memory
    at once.

    Raises:
        StorageError: one could not be read.
    """
    yield from _each(folder, paths, lambda path: read_or_none(folder, path))


def touched_each(folder: Folder, paths: Iterable[str]) -> Iterator[float | None]:
    """When each of the files was last written, in seconds, by the store's clock, in the order
    given; None where nothing stands there.

    Raises:
        StorageError: one could not be asked for.
    """
    for _, at in _each(folder, paths, lambda path: _touched_or_none(folder, path)):
        yield at


def _each(
    folder: Folder, paths: Iterable[str], ask: Callable[[str], Got]
) -> Iterator[tuple[str, Got]]:
    if folder.is_local:
        yield from ((path, ask(path)) for path in paths)
        return
    todo = iter(paths)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(itertools.islice(todo, 4 * _AT_ONCE)):
            yield from zip(some, pool.map(ask, some), strict=True)


def read_or_none(folder: Folder, path: str) -> bytes | None:
    """The bytes of a file, None where nothing stands there. Raises: StorageError."""
    try:
        return folder.read(path)
    except FileNotFoundError:
        return None


def _touched_or_none(folder: Folder, path: str) -> float | None:
    try:
        return folder.touch_time(path)
    except FileNotFoundError:
        return None
