"""Bytes of single files as census rows promised them, in order; in threads where the
store is remote. Knows nothing of formats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from augment.errors import RequestError, SampleError, StorageError
from augment.sample import RealRow
from augment.sources.fence import fenced
from augment.spec.models import SourceSpec
from augment.storage import Folder, Options

_THREADS = 16  # a remote read is mostly waiting

In = TypeVar("In")
Out = TypeVar("Out")


class SourceReader(Protocol):
    """Reads census rows of one source."""

    def read(self, rows: Sequence[RealRow]) -> Iterator[bytes | SampleError]:
        """The encoded bytes of each row, in the order given. One bad row is a SampleError
        (vanished | changed | unreadable | empty) in its place.

        Raises: StorageError where the store itself cannot be reached.
        """
        ...


def read_file(folder: Folder, path: str, size: int = -1, token: str = "") -> bytes | SampleError:
    """One file; `changed` where its size or token is not the one given (-1, "": unknown)."""
    try:
        data, found = folder.fetch(path)
    except FileNotFoundError:
        return SampleError("vanished", f"{path} is no longer there")
    except RequestError:
        return SampleError("unreadable", f"{path!r} leaves the source; it must be relative")
    except StorageError as error:
        if about_one_file(folder, error):
            return SampleError("unreadable", str(error))
        raise
    if token and found.token != token:
        return SampleError(
            "changed",
            f"{path} is not the file of the census any more: {found.size} bytes, then {size}",
        )
    if size >= 0 and len(data) != size:
        return SampleError("changed", f"{path} has {len(data)} bytes; the census saw {size}")
    return data


def about_one_file(folder: Folder, error: StorageError) -> bool:
    """One file that cannot be read costs its samples; a store that is away stops the run."""
    return folder.is_local or isinstance(error.__cause__, PermissionError | IsADirectoryError)


def in_order(read: Callable[[In], Out], items: Iterable[In], in_threads: bool) -> Iterator[Out]:
    """`read` of every item, lazily and in order; a bounded number ahead where in threads."""
    if not in_threads:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        ahead: deque[Future[Out]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(read, item))
                if len(ahead) > 2 * _THREADS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


class FileReader:
    """Reads rows that are files of their own, below the source's uri; in threads where it is not
    local. Picklable."""

    def __init__(self, name: str, spec: SourceSpec, options: Options | None = None) -> None:
        self.name = name
        self._spec, self._options = spec, options
        self._folder: Folder | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_folder": None}  # another machine has its own policy

    def read(self, rows: Sequence[RealRow]) -> Iterator[bytes | SampleError]:
        """See `SourceReader.read`."""
        if self._folder is None:
            self._folder = fenced(Folder(self._spec.uri, self._options), self._spec)
        folder = self._folder

        def one(row: RealRow) -> bytes | SampleError:
            return read_file(folder, row.locator, row.size, row.token)

        return in_order(one, rows, in_threads=not folder.is_local)
