"""Many small files, read one after the other from a disk and many at once from a store.

A file of a store costs a round trip, whatever its size; a thread that waits for one costs
nothing. Knows nothing of what the files hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from augment.storage import Folder

_AT_ONCE = 16


def read_each(folder: Folder, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """(path, its bytes) in the order given, None where nothing stands there; few are in memory
    at once.

    Raises:
        StorageError: one could not be read.
    """
    if folder.is_local:
        yield from ((path, read_or_none(folder, path)) for path in paths)
        return
    todo = iter(paths)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(itertools.islice(todo, 4 * _AT_ONCE)):
            data = pool.map(lambda path: read_or_none(folder, path), some)
            yield from zip(some, data, strict=True)


def read_or_none(folder: Folder, path: str) -> bytes | None:
    """The bytes of a file, None where nothing stands there. Raises: StorageError."""
    try:
        return folder.read(path)
    except FileNotFoundError:
        return None
