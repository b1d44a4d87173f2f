"""Local files written so that a crash at any moment leaves the old state or the new one.

Everything is first written and synced under a `.tmp-` name beside its final place. A path is
given as the folder that somebody named and what lies below it, where no part may be a link
(below.py); errors are plain OSError. Knows nothing of URIs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from augment.storage.below import LinkInTheWay, OpenFolder, Top, opened

TEMPORARY = ".tmp-"
"""How the names of temporary files begin; no listing shows them."""

_LARGE = 1 << 20  # bytes

Content = bytes | memoryview | os.PathLike[str]
"""Bytes, or a finished local file."""


def create(top: Top, path: str, data: bytes) -> bool:
    """Temporary file, fsync, hard link (fails where the name exists), fsync of the folder.

    False: the name exists."""
    above, name = _split(path)
    with opened(top, above, make=True) as folder:
        with _temporary(folder, data) as temporary:
            try:
                folder.link(temporary, name)
            except FileExistsError:
                folder.refuse_link(name)
                return False
        folder.sync()
    return True


def replace(top: Top, path: str, data: Content) -> None:
    """Temporary file (or a link to the finished file `data`), fsync, rename, fsync."""
    above, name = _split(path)
    with opened(top, above, make=True) as folder:
        folder.refuse_odd(name)
        _put(folder, name, data)


def _put(folder: OpenFolder, name: str, data: Content) -> None:
    with _temporary(folder, data) as temporary:
        folder.rename(temporary, name)
    folder.sync()


def publish(top: Top, path: str, data: Content, size: int) -> None:
    """As `replace`, unless a file of this size has the name."""
    above, name = _split(path)
    with opened(top, above, make=True) as folder:
        folder.refuse_odd(name)
        with contextlib.suppress(FileNotFoundError):
            if folder.look(name).st_size == size:
                return
        _put(folder, name, data)


def tell(top: Top, path: str, data: bytes) -> None:
    """As `replace`, but nothing is synced: after a crash the file may be old, empty or gone."""
    above, name = _split(path)
    with opened(top, above, make=True) as folder:
        folder.refuse_odd(name)
        with _removed_unless_renamed(folder) as temporary:
            with os.fdopen(folder.new_file(temporary), "wb") as file:
                file.write(data)
            folder.rename(temporary, name)


@contextlib.contextmanager
def replacing(top: Top, path: str) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of the one at `path` when the block ends well.
    Its folder must exist."""
    above, name = _split(path)
    with opened(top, above) as folder:
        folder.refuse_odd(name)
        with _removed_unless_renamed(folder) as temporary:
            with os.fdopen(folder.new_file(temporary), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            folder.rename(temporary, name)
        folder.sync()


def appended(top: Top, path: str) -> BinaryIO:
    """A file at whose end is written, made where there is none."""
    above, name = _split(path)
    with opened(top, above, make=True) as folder:
        return os.fdopen(folder.appended_file(name), "ab")


def remove(top: Top, path: str) -> None:
    """Raises: FileNotFoundError; LinkInTheWay where a link has the name."""
    above, name = _split(path)
    with opened(top, above) as folder:
        folder.refuse_link(name)
        folder.unlink(name)


def is_linked(top: Top, path: str) -> bool:
    """Whether a part of the path, or what stands there, is a link."""
    above, name = _split(path)
    try:
        with opened(top, above) as folder:
            folder.refuse_link(name)
    except LinkInTheWay:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    return False


def _split(path: str) -> tuple[str, str]:
    above, _, name = path.rpartition("/")
    return above, name


@contextlib.contextmanager
def _temporary(folder: OpenFolder, data: Content) -> Iterator[str]:
    """The name of a synced file in `folder` that holds `data`; gone afterwards unless it was
    renamed."""
    with _removed_unless_renamed(folder) as name:
        if isinstance(data, bytes | memoryview):
            with os.fdopen(folder.new_file(name), "wb") as file:
                file.write(data)
                file.flush()
                _settle(file)
        else:
            _link_or_copy(folder, data, name)
        yield name


@contextlib.contextmanager
def _removed_unless_renamed(folder: OpenFolder) -> Iterator[str]:
    name = f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:12]}"
    try:
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            folder.unlink(name)


def _settle(file: BinaryIO) -> None:
    """On the disk. A large file then leaves the page cache: its writer never reads it again, and
    the next one takes its pages. Measured: 0.2 instead of 2.3 ms CPU to write a MB on a virtual
    machine whose host hands out memory page by page. Who reads it next reads the disk."""
    os.fsync(file.fileno())
    if not hasattr(os, "posix_fadvise"):  # macOS has none
        return
    with contextlib.suppress(OSError):  # advice, no promise
        if os.fstat(file.fileno()).st_size >= _LARGE:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _link_or_copy(folder: OpenFolder, source: os.PathLike[str], name: str) -> None:
    try:
        folder.take(source, name)
        with open(source, "rb") as file:
            _settle(file)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        # another file system, or one without hard links
        with open(source, "rb") as file, os.fdopen(folder.new_file(name), "wb") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            _settle(copy)
