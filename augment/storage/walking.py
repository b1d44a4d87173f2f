"""What stands below a local folder, streamed folder by folder, in no order.

`reachable` is for who reads: links are followed, but not in circles, and what is no file is told
with the reason. `lying` is for who cleans: no link is followed. Paths are relative to the
folder; errors are plain OSError. Knows nothing of URIs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from augment.storage.below import LinkInTheWay, OpenFolder, Top, opened
from augment.storage.reach import Odd, Reach

_NOWHERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))
_Key = tuple[int, int]
_Entry = os.DirEntry[str]


class Left(NamedTuple):
    """A name that is no file which can be read, and why."""

    path: str
    why: Odd


class Lying(NamedTuple):
    """A file or a link, itself. target: where a link leads; "" if it is none."""

    path: str
    state: os.stat_result
    target: str


Reached = tuple[str, os.stat_result]
"""(path, state) of a file."""


@dataclass(frozen=True)
class _Visit:
    """A folder to look into. above: the folders on the way to it. entered: those that were
    looked into since the way came through a link, None before. by_link: it is one."""

    path: str
    above: frozenset[_Key] = frozenset()
    entered: set[_Key] | None = None
    by_link: bool = False

    def again(self, key: _Key) -> bool:
        """Whether the folder needs no further look."""
        return key in self.above or (self.by_link and key in (self.entered or ()))


def reachable(base: str, start: str, reach: Reach | None) -> Iterator[Reached | Left]:
    """Every file below `start`, and what is left out beside them.

    reach: where links may lead; a folder that may not be read costs itself alone then. None:
    they lead anywhere, and it raises.

    A folder is not entered again on the way that leads through it; behind a link, no further
    link is followed to a folder that was entered there already, so that links in all directions
    end. Names are looked at in their order there, so that what is found has none.
    """
    walk = _Walk(base, start, reach)
    while walk.todo:
        yield from walk.look_into(walk.todo.pop())


@dataclass
class _Walk:
    base: str
    start: str
    reach: Reach | None
    todo: list[_Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.todo.append(_Visit(self.start))

    def look_into(self, visit: _Visit) -> Iterator[Reached | Left]:
        here = _join(self.base, visit.path)
        try:
            found = os.stat(here)
            key = (found.st_dev, found.st_ino)
            if visit.again(key):
                yield Left(visit.path, Odd.LOOP)
                return
            entries = os.scandir(here)
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError:
            if self.reach is None or visit.path == self.start:
                raise
            yield Left(visit.path, Odd.UNREADABLE)
            return
        if visit.entered is not None:
            visit.entered.add(key)
        with entries:
            yield from self._entries(visit, visit.above | {key}, entries)

    def _entries(
        self, visit: _Visit, above: frozenset[_Key], entries: Iterable[_Entry]
    ) -> Iterator[Reached | Left]:
        prefix = f"{visit.path}/" if visit.path else ""
        folders: list[_Visit] = []
        if visit.entered is not None:
            entries = sorted(entries, key=lambda entry: entry.name)
        for entry in entries:
            name = prefix + entry.name
            try:
                if entry.is_file(follow_symlinks=False):
                    yield name, entry.stat(follow_symlinks=False)
                    continue
                found = self._no_file(entry)
            except FileNotFoundError:  # vanished meanwhile
                continue
            except PermissionError:
                if self.reach is None:
                    raise
                found = Odd.UNREADABLE
            if isinstance(found, Odd):
                yield Left(name, found)
            elif stat.S_ISREG(found.st_mode):
                yield name, found
            else:
                folders.append(_below(visit, above, entry, name))
        self.todo += reversed(folders)

    def _no_file(self, entry: _Entry) -> os.stat_result | Odd:
        if entry.is_symlink():
            return self._link(entry.path)
        found = entry.stat(follow_symlinks=False)
        return found if stat.S_ISDIR(found.st_mode) else Odd.SPECIAL

    def _link(self, path: str) -> os.stat_result | Odd:
        """The file or folder that a link leads to, or why it is left out."""
        try:
            found = os.stat(path)
        except PermissionError:
            return Odd.UNREADABLE
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Odd.LOOP
            if error.errno in _NOWHERE:
                return Odd.NOTHING
            raise
        why = None if self.reach is None else self.reach.why_not(os.path.realpath(path))
        if why is None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            why = Odd.SPECIAL
        return why or found


def _below(visit: _Visit, above: frozenset[_Key], entry: _Entry, name: str) -> _Visit:
    if not entry.is_symlink():
        return _Visit(name, above, visit.entered)
    entered = set() if visit.entered is None else visit.entered
    return _Visit(name, above, entered, by_link=True)


def folders_in(path: str) -> list[str]:
    """Names of the folders in a folder, and of links to folders."""
    with os.scandir(path) as entries:
        return [entry.name for entry in entries if _is_folder(entry)]


def _is_folder(entry: _Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a loop, or to where one may not look
        return False


def lying(top: Top, path: str) -> Iterator[Lying]:
    """Every file and link below `path` of the folder `top`, themselves.

    Raises:
        LinkInTheWay: a part of `path` is a link.
    """
    todo = [path]
    while todo:
        here = todo.pop()
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(opened(top, here))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except LinkInTheWay:
                if here == path:
                    raise
                continue  # a link took its place meanwhile
            for entry in folder.entries():
                name = f"{here}/{entry.name}" if here else entry.name
                if entry.is_dir(follow_symlinks=False):
                    todo.append(name)
                elif found := _lies(folder, entry, name):
                    yield found


def _lies(folder: OpenFolder, entry: _Entry, name: str) -> Lying | None:
    """None: it vanished, or is a pipe, a socket or a device."""
    with contextlib.suppress(FileNotFoundError):
        if entry.is_symlink():
            return Lying(name, folder.look(entry.name), folder.target(entry.name))
        if entry.is_file(follow_symlinks=False):
            return Lying(name, entry.stat(follow_symlinks=False), "")
    return None


def _join(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path}" if path else base
