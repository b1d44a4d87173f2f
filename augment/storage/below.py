"""Writing and removing below a folder, never through a link.

The folder that somebody named may itself be a link (`/data -> /mnt/x`), for that is what they
named. Below it every part of a path must be a folder of its own: what stands behind a link is
somebody else's. Where the system can, each part is opened from the one above (openat with
O_NOFOLLOW) and the last step is taken from there, so that no link can be put in between;
elsewhere each part is looked at just before the step. Errors are plain OSError. Knows nothing
of URIs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

STEPWISE = {os.open, os.stat, os.mkdir, os.link, os.rename, os.unlink} <= os.supports_dir_fd
"""Whether this system opens a name from an open folder."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""A folder on the way need not be readable."""
_OTHER = "a pipe, a socket or a device has that name"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_APPENDED = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class LinkInTheWay(OSError):  # noqa: N818 - it names what stands there
    """A part of a path below the folder that was named is a link. link: its path."""

    def __init__(self, link: str, target: str) -> None:
        super().__init__(errno.ELOOP, f"it is a link to {target}", link)
        self.link, self.target = link, target


class OtherInTheWay(OSError):  # noqa: N818 - it names what stands there
    """A name that a file should have is a pipe's, a socket's or a device's."""


@dataclass(frozen=True)
class OpenFolder:
    """A folder that was reached without a link; names given to it have no '/'.

    path: for texts, and where steps are taken by path. descriptor: where they are taken from
    the open folder."""

    path: str
    descriptor: int | None

    def full(self, name: str) -> str:
        """The path of a name here."""
        return f"{self.path.rstrip('/')}/{name}"

    def look(self, name: str) -> os.stat_result:
        """What stands under a name, itself. Raises: FileNotFoundError."""
        return os.stat(self._at(name), dir_fd=self.descriptor, follow_symlinks=False)

    def refuse_link(self, name: str) -> None:
        """Raises: LinkInTheWay where a link stands under the name."""
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(self.look(name).st_mode):
                raise LinkInTheWay(self.full(name), self.target(name))

    def new_file(self, name: str) -> int:
        """A descriptor of a file that was not there, for writing."""
        return os.open(self._at(name), _NEW, 0o666, dir_fd=self.descriptor)

    def appended_file(self, name: str) -> int:
        """A descriptor at the end of a file, made where there is none."""
        self.refuse_link(name)
        return os.open(self._at(name), _APPENDED, 0o666, dir_fd=self.descriptor)

    def lock_file(self, name: str) -> int:
        """A descriptor of a file to lock, made for its owner alone where there is none."""
        return os.open(self._at(name), _LOCK, 0o600, dir_fd=self.descriptor)

    def touch(self, name: str) -> None:
        """Says that a file was used now."""
        os.utime(self._at(name), dir_fd=self.descriptor, follow_symlinks=False)

    def take(self, source: str | os.PathLike[str], name: str) -> None:
        """A second name here for the file at the path `source`."""
        os.link(source, self._at(name), dst_dir_fd=self.descriptor)

    def link(self, name: str, other: str) -> None:
        """A second name for a file. Raises: FileExistsError."""
        own = self.descriptor
        os.link(
            self._at(name), self._at(other), src_dir_fd=own, dst_dir_fd=own, follow_symlinks=False
        )

    def rename(self, name: str, other: str, to: OpenFolder | None = None) -> None:
        """Gives a file or folder another name, here or in `to`, in place of what has it."""
        target = to or self
        os.replace(
            self._at(name),
            target._at(other),
            src_dir_fd=self.descriptor,
            dst_dir_fd=target.descriptor,
        )

    def unlink(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self.descriptor)

    def remove_tree(self, name: str) -> None:
        """Removes a folder with all that is in it, as far as that can be removed; links in it
        go, what they lead to stays. Raises: LinkInTheWay where the name itself is a link."""
        self.refuse_link(name)
        shutil.rmtree(self._at(name), ignore_errors=True, dir_fd=self.descriptor)

    def make_folder(self, name: str) -> None:
        """Raises: FileExistsError."""
        os.mkdir(self._at(name), dir_fd=self.descriptor)

    def entries(self) -> Iterator[os.DirEntry[str]]:
        """What is in it, as `os.scandir` shows it."""
        with os.scandir(self.path if self.descriptor is None else self.descriptor) as found:
            yield from found

    def folders(self) -> list[str]:
        """Names of the folders in it, sorted; links to folders are none."""
        return sorted(e.name for e in self.entries() if e.is_dir(follow_symlinks=False))

    def below(self, name: str, flags: int) -> OpenFolder:
        """A folder in this one, opened with `flags`.

        Raises:
            LinkInTheWay. FileNotFoundError, NotADirectoryError.
        """
        if self.descriptor is None:
            self.refuse_link(name)
            if not stat.S_ISDIR(self.look(name).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            return OpenFolder(self.full(name), None)
        try:
            opened = os.open(name, flags | os.O_NOFOLLOW, dir_fd=self.descriptor)
        except OSError:
            self.refuse_link(name)
            raise
        return OpenFolder(self.full(name), opened)

    def sync(self) -> None:
        """What was done to names here outlives a crash."""
        handle = os.open(self._at("."), _FOLDER, dir_fd=self.descriptor)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have none
                raise
        finally:
            os.close(handle)

    def _at(self, name: str) -> str:
        return self.full(name) if self.descriptor is None else name

    def refuse_odd(self, name: str) -> None:
        """Before a file takes a name. Raises: LinkInTheWay where a link has it, OtherInTheWay where
        a pipe, a socket or a device does, which would be gone for everybody."""
        self.refuse_link(name)
        with contextlib.suppress(FileNotFoundError):
            mode = self.look(name).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise OtherInTheWay(errno.EEXIST, _OTHER, self.full(name))

    def target(self, name: str) -> str:
        return os.readlink(self._at(name), dir_fd=self.descriptor)


@dataclass(frozen=True)
class Top:
    """A folder that somebody named. key: its identity, where it must be the very one."""

    path: str
    key: tuple[int, int] | None = None

    def pinned(self) -> Top:
        """The folder that stands there now, and no other that takes its place."""
        return Top(self.path, _key(os.stat(self.path)))

    def check(self, found: os.stat_result) -> None:
        """Raises: OSError where another folder took its place."""
        if self.key is not None and _key(found) != self.key:
            raise OSError(errno.ESTALE, "another folder took its place meanwhile", self.path)


def _key(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def opened(
    top: Top, path: str = "", *, make: bool = False, stepwise: bool = STEPWISE
) -> Iterator[OpenFolder]:
    """The folder at `path` (relative, '/'-separated, without `..`) below `top`.

    make: folders that are missing are made, and outlive a crash. stepwise: whether parts are
    opened from one another; False: by path, each looked at first.

    Raises:
        LinkInTheWay: a part below `top` is a link. OSError: as of opening.
    """
    if make:
        _make_top(top.path)
    parts = [part for part in path.split("/") if part]
    with contextlib.ExitStack() as stack:
        handle = os.open(top.path, _through(parts)) if stepwise else None
        here = _kept(stack, OpenFolder(top.path, handle))
        top.check(os.stat(top.path) if handle is None else os.fstat(handle))
        for n, part in enumerate(parts, 1):
            try:
                found = here.below(part, _through(parts[n:]))
            except FileNotFoundError:
                if not make:
                    raise
                _make(here, part)
                found = here.below(part, _through(parts[n:]))
            here = _kept(stack, found)
        yield here


def _through(rest: list[str]) -> int:
    return _THROUGH if rest else _FOLDER


def _kept(stack: contextlib.ExitStack, folder: OpenFolder) -> OpenFolder:
    if folder.descriptor is not None:
        stack.callback(os.close, folder.descriptor)
    return folder


def _make(above: OpenFolder, name: str) -> None:
    try:
        above.make_folder(name)
    except FileExistsError:
        return
    above.sync()


def _make_top(path: str) -> None:
    """mkdir -p that also survives a crash: every parent that got an entry is synced."""
    if os.path.isdir(path):
        return
    above, name = os.path.split(path)
    _make_top(above)
    with opened(Top(above)) as folder:
        _make(folder, name)
