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
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from augment.storage.below import LinkInTheWay, OpenFolder, Top, opened
from augment.storage.reach import Odd, Reach, TruePlaces

_NOWHERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))
_CLOSED = frozenset((errno.EACCES, errno.EPERM, errno.ENAMETOOLONG))
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
    """A folder to look into. place: its true one. above: the folders on the way to it. entered:
    those that were entered since the way came through a link; None where it came through none.
    by_link: it is one."""

    path: str
    place: str
    above: frozenset[_Key] = frozenset()
    entered: set[_Key] | None = None
    by_link: bool = False

    def again(self, key: _Key) -> bool:
        """Whether a link leads to where the way has been."""
        return key in self.above or (self.entered is not None and key in self.entered)


def reachable(base: str, start: str, reach: Reach | None) -> Iterator[Reached | Left]:
    """Every file below `start`, and what is left out beside them.

    reach: where links may lead; a folder that may not be read costs itself alone then. None:
    they lead anywhere, and it raises.

    No link is followed to a folder that the way to it leads through. Behind a link, none is
    followed to a folder that was entered since, and so many at most, so that links in all
    directions end. Links to folders come after everything else and in the order of their names, so
    that what is found does not depend on the order of a folder.
    """
    place = ""
    if reach is not None:
        place = os.path.realpath(_join(base, start))
        if (why := reach.why_not(place)) is not None and os.path.exists(place):
            yield Left(start, why)
            return
    walk = _Walk(base, start, reach, [_Visit(start, place)])
    while (visit := walk.next()) is not None:
        yield from walk.look_into(visit)


_MOST_NESTED = 10_000
"""Links to folders that are followed behind other links to folders, in all."""


@dataclass
class _Walk:
    """todo: folders to look into. links: links to folders, which come after them. nested: links
    that were followed behind others."""

    base: str
    start: str
    reach: Reach | None
    todo: list[_Visit]
    links: list[_Visit] = field(default_factory=list)
    nested: int = 0
    places: TruePlaces = field(default_factory=TruePlaces)

    def next(self) -> _Visit | None:
        if not self.todo and self.links:
            self.todo = sorted(self.links, key=lambda visit: visit.path, reverse=True)
            self.links = []
        return self.todo.pop() if self.todo else None

    def look_into(self, visit: _Visit) -> Iterator[Reached | Left]:
        here = _join(self.base, visit.path)
        try:
            found = os.stat(here)
            key = (found.st_dev, found.st_ino)
            if key in visit.above or (visit.by_link and visit.again(key)):
                yield Left(visit.path, Odd.LOOP)
                return
            entries = os.scandir(here)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            if visit.path == self.start:
                raise
            yield Left(visit.path, self._why(error))
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
            found: os.stat_result | _Visit | Odd
            try:
                if entry.is_file(follow_symlinks=False):
                    yield name, entry.stat(follow_symlinks=False)
                    continue
                found = self._no_file(entry, visit, name, above)
            except FileNotFoundError:  # vanished meanwhile
                continue
            except OSError as error:
                found = self._why(error)
            if isinstance(found, Odd):
                yield Left(name, found)
            elif isinstance(found, _Visit):
                self._go_on(folders, found)
            else:
                yield name, found
        self.todo += reversed(folders)

    def _no_file(
        self, entry: _Entry, visit: _Visit, name: str, above: frozenset[_Key]
    ) -> os.stat_result | _Visit | Odd:
        """A file behind a link, a folder to look into, or why the name is left out."""
        place, by_link = _join(visit.place, entry.name), entry.is_symlink()
        found = self._link(entry.path, visit) if by_link else entry.stat(follow_symlinks=False)
        if by_link and not isinstance(found, Odd) and self.reach is not None:
            place = self.places.of(visit.place, entry.name)
            found = self.reach.why_not(place) or found
        if isinstance(found, Odd) or stat.S_ISREG(found.st_mode):
            return found
        if not stat.S_ISDIR(found.st_mode):
            return Odd.SPECIAL
        return _Visit(name, place, above, visit.entered, by_link)

    def _go_on(self, folders: list[_Visit], visit: _Visit) -> None:
        if not visit.by_link:
            folders.append(visit)
        elif visit.entered is None:
            self.links.append(replace(visit, entered=set()))
        else:
            self.nested += 1
            folders.append(visit)

    def _link(self, path: str, visit: _Visit) -> os.stat_result | Odd:
        """The file or folder that a link leads to, or why it is left out."""
        try:
            found = os.stat(path)
        except OSError as error:
            return Odd.NOTHING if error.errno in _NOWHERE else self._why(error, readable=True)
        if not stat.S_ISDIR(found.st_mode):
            return found
        again = visit.again((found.st_dev, found.st_ino))
        return Odd.LOOP if again or self.nested >= _MOST_NESTED else found

    def _why(self, error: OSError, *, readable: bool = False) -> Odd:
        """Why one name is left out; raises what concerns more than it. readable: its folder is."""
        if error.errno == errno.ELOOP:
            return Odd.LOOP
        if error.errno in _CLOSED and (self.reach is not None or readable):
            return Odd.UNREADABLE
        raise error


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
