"""Local files opened for reading: regular ones only, and each is known by its true place.

A pipe, a socket or a device is never opened: reading one may hang, or act. The true place is
that of the file that is open, not of the name it was opened by, so that no link can be put in
between looking and reading. Knows nothing of who may read what.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # a pipe must not hang
_OPEN_FILES = "/proc/self/fd"
_GONE = " (deleted)"
"""What Linux puts behind the name of a file that has none any more; a file may be called so."""


class NotRegular(OSError):  # noqa: N818 - it names what stands there
    """A pipe, a socket or a device stands where a file was expected."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "it is a pipe, a socket or a device, not a file", path)


def opened(path: str) -> int:
    """A descriptor of the regular file at `path`, for reading; links are followed.

    Raises:
        NotRegular, IsADirectoryError: something else stands there. OSError: as `os.open`.
    """
    _check(path, os.stat(path))  # opening a device may already act
    descriptor = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def true_place(descriptor: int, path: str, open_files: str = _OPEN_FILES) -> str:
    """The absolute path of an open file, no part of which is a link. path: it was opened by.
    open_files: the folder where the system says what is open; where there is none, it is looked
    up and compared.

    Raises:
        FileNotFoundError: the file has no name any more, or another one took its place.
    """
    place = ""
    with contextlib.suppress(OSError):  # Linux says it; elsewhere there is no such folder
        place = os.readlink(f"{open_files}/{descriptor}")
        if os.path.isabs(place) and not place.endswith(_GONE):
            return place
    place = place or os.path.realpath(path)
    here = os.fstat(descriptor)
    with contextlib.suppress(OSError):
        there = os.stat(place)
        if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
            return place
    raise FileNotFoundError(errno.ENOENT, "no such file any more", path)


def _check(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise NotRegular(path)
