"""Local files written so that a crash at any moment leaves the old state or the new one.

Everything is first written and synced under a `.tmp-` name beside its final place. Paths
are absolute here; errors are plain OSError. Knows nothing of URIs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator

TEMPORARY = ".tmp-"
"""How the names of temporary files begin; no listing shows them."""

_LARGE = 1 << 20  # bytes

Content = bytes | memoryview | os.PathLike[str]
"""Bytes, or a finished local file."""


def create(path: str, data: bytes) -> bool:
    """Temporary file, fsync, hard link (fails where the name exists), fsync of the folder.

    False: the name exists."""
    with _temporary(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    _sync_folder(os.path.dirname(path))
    return True


def replace(path: str, data: Content) -> None:
    """Temporary file (or a link to the finished file `data`), fsync, rename, fsync."""
    with _temporary(path, data) as temporary:
        _uncache(temporary)
        os.replace(temporary, path)
    _sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def _temporary(path: str, data: Content) -> Iterator[str]:
    """A synced file beside `path` that holds `data`; gone afterwards unless it was renamed."""
    folder = os.path.dirname(path)
    _make_folder(folder)
    temporary = os.path.join(folder, f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:12]}")
    try:
        if not isinstance(data, bytes | memoryview):
            _link_or_copy(data, temporary)
        with open(temporary, "xb" if isinstance(data, bytes | memoryview) else "rb") as file:
            if isinstance(data, bytes | memoryview):
                file.write(data)
                file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(temporary)


def _uncache(path: str) -> None:
    """A large file that is on the disk leaves the page cache: its writer never reads it again,
    and the next one takes its pages. Measured: 0.2 instead of 2.3 ms CPU to write a MB on a
    virtual machine whose host hands out memory page by page. Who reads it next reads the disk."""
    if not hasattr(os, "posix_fadvise"):  # macOS has none
        return
    with open(path, "rb") as file, contextlib.suppress(OSError):  # advice, no promise
        if os.fstat(file.fileno()).st_size >= _LARGE:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _link_or_copy(source: os.PathLike[str], target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        shutil.copyfile(source, target)  # another file system, or one without hard links


def _make_folder(folder: str) -> None:
    """mkdir -p that also survives a crash: every parent that got an entry is synced."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    _make_folder(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    _sync_folder(parent)


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have none
            raise
    finally:
        os.close(handle)
