"""Folders of this process alone: what is put there stays as it is, whoever else writes to the
place where it came from.

A file is cloned where the file system can (the two share blocks until one is written to),
else copied: libraries map weights and read their pages long after loading, so that a mere
link would let a later write into the original reach a running network. Only files of a place
that is never written to in place are linked. Folders of processes that were killed are found
by their lock, which ended with the process, and removed by the next one. Knows nothing of
what the files are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from augment.errors import StorageError
from augment.storage.below import Top, opened
from augment.storage.trouble import told

PREFIX = "augment-load-"
_CHUNK = 8 << 20
_CLONE = 0x40049409
"""FICLONE of linux/fs.h; other systems refuse the number, and get a copy."""
_TRIES = 8


class PrivateFolder:
    """path: mode 0700, on this machine. fixed: a folder whose files are never written to once
    they have their name, so that a link to one is as good as a copy."""

    def __init__(self, path: Path, fixed: Path | None = None) -> None:
        self.path = path
        self._fixed = None if fixed is None else fixed.resolve()

    def put(self, source: Path, inside: str, size: int | None = None) -> Path:
        """The file at `source` (a regular one, no link) under the name `inside`. size: what a
        look at it said before.

        Raises:
            StorageError: it is gone or another by now, cannot be read, or there is no room.
        """
        target = self.path / inside
        with contextlib.ExitStack() as reading:
            try:
                reading.enter_context(told(str(source), "read", is_local=True))
                descriptor = reading.enter_context(_opened(source, size))
            except FileNotFoundError:
                raise _changed(source) from None
            with told(str(self.path), "written", is_local=True):
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not self._linked(source, descriptor, target):
                    _copied(descriptor, target, source)
        return target

    def _linked(self, source: Path, descriptor: int, target: Path) -> bool:
        if self._fixed is None or self._fixed not in source.resolve().parents:
            return False
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:  # another file system, or one without links
            return False
        if os.path.samestat(os.fstat(descriptor), target.lstat()):
            return True
        target.unlink()  # another file has taken the name meanwhile
        return False


@contextlib.contextmanager
def private_folder(above: Path, fixed: Path | None = None) -> Iterator[PrivateFolder]:
    """An empty folder below `above`, which is made where it is missing; gone afterwards.

    Raises:
        StorageError: it cannot be made.
    """
    with told(str(above), "written", is_local=True):
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(above)
        path, lock = _made(above)
    try:
        yield PrivateFolder(path, fixed)
    finally:
        _removed(above, path.name)
        os.close(lock)


def sweep(above: Path) -> None:
    """Removes what processes of this user that are gone have left below `above`."""
    for entry in _entries(above):
        found = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            continue
        with contextlib.suppress(OSError):  # somebody else's process removes it just now
            lock = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _removed(above, entry.name)
            finally:
                os.close(lock)


def _removed(above: Path, name: str) -> None:
    with contextlib.suppress(OSError), opened(Top(str(above))) as folder:
        folder.remove_tree(name)


def _entries(above: Path) -> list[os.DirEntry[str]]:
    with os.scandir(above) as entries:
        return [entry for entry in entries if entry.name.startswith(PREFIX)]


def _made(above: Path) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock. Between the two steps a sweep may
    take the folder for a dead process's: then there is another."""
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)
    raise StorageError(
        f"{above}: a new folder there was removed {_TRIES} times by somebody else; look for what "
        "cleans that place"
    )


@contextlib.contextmanager
def _opened(source: Path, size: int | None) -> Iterator[int]:
    """A descriptor of the file, which must be the regular file that was looked at."""
    # without O_NONBLOCK, opening a named pipe waits for somebody to write to it
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(source, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or size not in (None, found.st_size):
            raise _changed(source)
        yield descriptor
    finally:
        os.close(descriptor)


def _copied(descriptor: int, target: Path, source: Path) -> None:
    with open(target, "xb", opener=_private) as file:
        if _cloned(descriptor, file.fileno()):
            return
        size = os.fstat(descriptor).st_size
        with open(descriptor, "rb", buffering=0, closefd=False) as reader:
            shutil.copyfileobj(reader, file, _CHUNK)
        if file.tell() != size or os.fstat(descriptor).st_size != size:
            raise _changed(source)


def _cloned(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _changed(source: Path) -> StorageError:
    return StorageError(
        f"{source}: it was removed or written to while it was read; run the same command again"
    )
