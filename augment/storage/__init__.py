"""Files under a URI: read, listed, created once, published whole, replaced at once.

The only user of fsspec. Local paths go through `os` directly (local.py), because a
crash-atomic, exclusive create has no fsspec form; everything else (memory://, s3://, ...)
goes through fsspec. Temporary files are named `.tmp-...` and no listing shows them.

Nothing is written or removed through a link (below.py); reading follows links, for sources as far
as a `Reach` says. Knows nothing of images, tables or jobs.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import errno
import io
import os
import stat
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from fsspec.spec import AbstractFileSystem

from augment import opening
from augment.errors import RequestError, StorageError
from augment.places import Options, Place, place_of
from augment.storage import credentials, delta_names, local, stores, walking
from augment.storage.below import Top
from augment.storage.info import FileInfo, Stored, local_info, modified_at, remote_info
from augment.storage.reach import Odd, Reach
from augment.storage.remote_file import RemoteFile
from augment.storage.trouble import code_of, plainly, told, unless_conflicting
from augment.storage.walking import Left

__all__ = [
    "FileInfo",
    "Folder",
    "Left",
    "Odd",
    "Options",
    "Reach",
    "Stored",
    "split_uri",
    "writing_file",
]

_EXCLUSIVE = (*credentials.S3, "gs", "gcs", *credentials.AZURE, "memory")
"""Their clients have a put that fails where the name exists."""
_MEMORY_LOCK = threading.Lock()  # fsspec's memory store looks, then writes


class Folder:
    """The files under one URI. Picklable; opens its connection when first used.

    uri: a local path or a URI of a known scheme (`augment.places`). options: storage options by
    protocol or by the URI that they hold below, for example {"s3": {"endpoint_url": "..."}}.
    Paths given to a folder are relative, '/'-separated and cannot leave it (RequestError).
    Reading what is missing raises FileNotFoundError, a bucket that is missing RequestError;
    all other trouble raises StorageError with the way out.

    A local folder may itself be reached by a link; below it, and in the folders that `child`
    makes of it, nothing is created, replaced or removed through one (StorageError).
    """

    def __init__(self, uri: str, options: Options | None = None) -> None:
        self._place = place_of(uri)
        self.options: dict[str, dict[str, Any]] = {k: dict(v) for k, v in (options or {}).items()}
        self.protocol, self.uri = self._place.scheme, self._place.uri
        self.is_local = self._place.is_local
        self._top = Top(self.uri)
        self._reach: Reach | None = None
        self._connected: tuple[AbstractFileSystem, str] | None = None

    def __repr__(self) -> str:
        return f"Folder({self.uri!r})"  # never the options: they may hold secrets

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connected": None}

    # ---- names ---------------------------------------------------------------------

    def child(self, path: str) -> Folder:
        """The folder at `path` in this one."""
        return self._like(self.url(path), self._top, self._reach)

    def within(self, reach: Reach) -> Folder:
        """This folder, of which a local one lists and opens only what `reach` allows."""
        return self._like(self.uri, self._top, reach)

    def pinned(self) -> Folder:
        """This folder as it stands there now: if another one takes its place under the same
        name, nothing is listed to be cleaned, written or removed there (StorageError).
        Raises: RequestError where there is none, StorageError where it cannot be looked at."""
        if not self.is_local:
            return self
        try:
            with self._reading(""):
                return self._like(self.uri, self._top.pinned(), self._reach)
        except FileNotFoundError:
            raise RequestError(
                f"{self.uri}: there is no such folder; expected one that a job writes to"
            ) from None

    def _like(self, uri: str, top: Top, reach: Reach | None) -> Folder:
        found = copy.copy(self)  # names below a folder are what they are: nothing in them is read
        found.uri, found._place = uri, Place(self.protocol, uri)
        found._top, found._reach, found._connected = top, reach, None
        return found

    def url(self, path: str) -> str:
        """The URI of `path`: absolute for local folders."""
        inside = _inside(path, self.uri)
        return f"{self.uri.rstrip('/')}/{inside}" if inside else self.uri

    def delta_uri(self, *, making: bool = False) -> str:
        """This folder as delta-rs names it. making: a table will be created there.

        Raises:
            RequestError: no table can stand there.
        """
        return delta_names.delta_name(self._place, making=making)

    def delta_options(self) -> dict[str, str]:
        """The storage options of this folder, as delta-rs names them."""
        if self.is_local:
            return {}
        return credentials.delta_options(self.uri, self.protocol, self._own_options())

    def without_secrets(self, text: str) -> str:
        """A text without the secret values of the storage options."""
        return credentials.without_secrets(text, self.options)

    def said(self, error: BaseException) -> str:
        """What a client said, fit to be shown: a line without secrets and ids of requests."""
        text = delta_names.as_asked(str(error) or type(error).__name__)
        code = code_of(error)
        return plainly(self.without_secrets(f"{code}: {text}" if code not in text else text))

    def require_bucket(self) -> None:
        """Tells a store without this bucket from one without this file.

        Raises:
            RequestError: the bucket is not there.
        """
        if self.protocol in stores.WITH_BUCKETS:
            stores.require_bucket(self._remote("")[0], self._place)

    # ---- reading -------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        """All bytes of a file. Raises: FileNotFoundError, StorageError."""
        if self.is_local:
            return self.fetch(path)[0]
        fs, full = self._remote(path)
        # one request, which s3fs repeats as a whole: its parallel reads are asked for the size
        # first, and a part whose body breaks off is not asked for again
        alone = {"max_concurrency": 1} if self.protocol in credentials.S3 else {}
        with self._reading(path):
            return cast(bytes, fs.cat_file(full, **alone))

    def start(self, path: str, size: int) -> bytes:
        """The first bytes of a file that has some, at most `size`.
        Raises: FileNotFoundError, StorageError."""
        if self.is_local:
            with self._reading(path), os.fdopen(self._opened(path), "rb", buffering=0) as file:
                return file.read(size)
        fs, full = self._remote(path)
        with self._reading(path):
            return cast(bytes, fs.cat_file(full, start=0, end=size))

    def fetch(self, path: str) -> tuple[bytes, FileInfo]:
        """All bytes of a file, with what `info` says of it; of a local file both are taken
        from one open file. Raises: FileNotFoundError (a folder is none), StorageError."""
        if not self.is_local:
            found = self.info(path)
            return self.read(path), found
        with self._reading(path), os.fdopen(self._opened(path), "rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            return file.readall(), local_info(path, state)

    def open(self, path: str) -> BinaryIO:
        """A file for reading, seekable. Raises: FileNotFoundError, StorageError, while reading
        as well."""
        if self.is_local:
            with self._reading(path):
                return os.fdopen(self._opened(path), "rb")
        if self.protocol == "memory":  # its file objects share one position
            return io.BytesIO(self.read(path))
        fs, full = self._remote(path)
        with self._reading(path):
            file = fs.open(full, "rb")
        return cast(BinaryIO, RemoteFile(file, lambda: self._reading(path)))

    def _opened(self, path: str) -> int:
        """A descriptor of a local file, judged by what was opened and not by its name."""
        full = self.url(path)
        descriptor = opening.opened(full)
        if self._reach is None:
            return descriptor
        try:
            place = opening.true_place(descriptor, full)
            if why := self._reach.why_not(place):
                leads = self._reach.leads(why)
                raise StorageError(f"{full} is not read: it leads to {place}, {leads}")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands there."""
        try:
            if self.is_local:
                with self._reading(path):
                    os.stat(self.url(path))
                return True
            fs, full = self._remote(path)
            with self._reading(path):
                fs.info(full)
            return True
        except FileNotFoundError:
            return False

    def info(self, path: str) -> FileInfo:
        """Size and token of a file. Raises: FileNotFoundError (a folder is none), StorageError."""
        inside = _inside(path, self.uri)
        if self.is_local:
            with self._reading(path):
                found = os.stat(self.url(path))
                if not stat.S_ISREG(found.st_mode):
                    raise FileNotFoundError(errno.ENOENT, "not a file", self.url(path))
                return local_info(inside, found)
        fs, full = self._remote(path)
        with self._reading(path):
            entry = fs.info(full)
            if entry["type"] != "file":
                raise FileNotFoundError(errno.ENOENT, "not a file", self.url(path))
            return remote_info(inside, entry)

    def touch_time(self, path: str) -> float:
        """When a file was last written, in seconds, by the clock of the store."""
        if self.is_local:
            with self._reading(path):
                return os.stat(self.url(path)).st_mtime
        fs, full = self._remote(path)
        with self._reading(path):
            return cast(dt.datetime, fs.modified(full)).timestamp()

    # ---- listing -------------------------------------------------------------------

    def files(self, path: str = "") -> Iterator[FileInfo]:
        """Every file under `path`, streamed folder by folder, in no order; nothing where
        the folder is missing. Links are followed, but not in circles."""
        for found in self.listed(path):
            if isinstance(found, FileInfo) and not _name(found.path).startswith(local.TEMPORARY):
                yield found

    def listed(self, path: str = "") -> Iterator[FileInfo | Left]:
        """As `files`, temporary files among them, and with what is no file: links that lead
        nowhere, in circles or too far, pipes and the like; `within` a reach also folders that
        may not be read. Remote stores have none of these."""
        inside = _inside(path, self.uri)
        if not self.is_local:
            yield from (info for info, _ in self._walk_remote(inside))
            return
        with self._reading(inside):
            for found in walking.reachable(self.uri, inside, self._reach):
                yield found if isinstance(found, Left) else local_info(*found)

    def stored(self, path: str = "") -> Iterator[Stored]:
        """Every file under `path` with its time, temporary ones among them, and every link,
        which is not followed: for who cleans or measures. `path` itself may lead through links."""
        inside = _inside(path, self.uri)
        if not self.is_local:
            for info, modified in self._walk_remote(inside):
                yield Stored(info.path, info.size, modified)
            return
        top, start = self._top, self._below(inside)
        if self.is_linked(inside):
            top, start = Top(self.url(inside)), ""
        with self._reading(inside):
            for found in walking.lying(top, start):
                name = f"{inside}/{found.path[len(start) :].lstrip('/')}".lstrip("/")
                yield Stored(name, found.state.st_size, found.state.st_mtime, found.target)

    def is_linked(self, path: str) -> bool:
        """Whether a part of `path`, or what stands there, is a link below the folder that
        somebody named. Raises: StorageError."""
        if not self.is_local:
            return False
        with self._reading(path):
            return local.is_linked(self._top, self._below(path))

    def folders(self, path: str = "") -> list[str]:
        """Names of the direct sub-folders, links to folders among them, sorted; none where the
        folder is missing."""
        try:
            if self.is_local:
                with self._reading(path):
                    names = walking.folders_in(self.url(path))
            else:
                names = [_name(n) for n, e in self._ls(path) if e["type"] == "directory"]
        except FileNotFoundError:
            return []
        return sorted(n for n in names if not n.startswith(local.TEMPORARY))

    def _walk_remote(self, inside: str) -> Iterator[tuple[FileInfo, float | None]]:
        todo = [inside]
        while todo:
            here = todo.pop()
            try:
                listing = self._ls(here)
            except FileNotFoundError:
                continue
            for name, entry in listing:
                if entry["type"] == "directory":
                    todo.append(name)
                else:
                    yield remote_info(name, entry), modified_at(entry)

    def _ls(self, path: str) -> list[tuple[str, dict[str, Any]]]:
        """Entries of a remote folder with names relative to this one."""
        fs, full = self._remote(path)
        with self._reading(path):
            listing = fs.ls(full, detail=True)
        here = _inside(path, self.uri)
        out = []
        for entry in listing:
            stored = entry["name"].rstrip("/")
            if stored.strip("/") == full.strip("/"):
                continue  # the folder's own marker
            out.append((f"{here}/{_name(stored)}" if here else _name(stored), entry))
        return out

    # ---- writing -------------------------------------------------------------------

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file that must not exist, whole or not at all, also through a crash.

        False: the name exists. A store that retries a timed-out write may tell the winner
        so as well: compare what stands there with what you wrote.
        """
        if self.is_local:
            with self._writing(path):
                return local.create(self._top, self._below(path), data)
        if self.protocol not in _EXCLUSIVE:
            raise RequestError(
                f"{self.url(path)}: {self.protocol!r} is not known to create a file exclusively; "
                f"expected a local path or one of {', '.join(f'{p}://' for p in _EXCLUSIVE)}"
            )
        fs, full = self._remote(path)
        guard = _MEMORY_LOCK if self.protocol == "memory" else contextlib.nullcontext()
        with self._writing(path), guard:
            try:
                unless_conflicting(lambda: fs.pipe_file(full, data, mode="create"))
            except FileExistsError:
                return False
        return True

    def publish(self, path: str, data: bytes | memoryview | os.PathLike[str]) -> None:
        """Puts a file under its final name in one step: visible only whole. `data` may be
        a finished local file, which must not be written to afterwards. An existing name
        of the same size is success (names carry a hash); of another size, it is replaced."""
        if isinstance(data, bytes | memoryview):
            size = memoryview(data).nbytes
        else:
            size = os.stat(data).st_size
        if self.is_local:
            with self._writing(path):
                local.publish(self._top, self._below(path), data, size)
            return
        with contextlib.suppress(FileNotFoundError):
            if self.info(path).size == size:
                return
        fs, full = self._remote(path)
        with self._writing(path):
            if isinstance(data, bytes | memoryview):
                fs.pipe_file(full, bytes(data))
            else:
                fs.put_file(os.fspath(data), full)

    def replace(self, path: str, data: bytes) -> None:
        """Writes a file in one step: readers see the old bytes or the new ones."""
        with self._writing(path):
            if self.is_local:
                local.replace(self._top, self._below(path), data)
            else:
                fs, full = self._remote(path)
                fs.pipe_file(full, data)

    def appended(self, path: str) -> BinaryIO:
        """A file of a local folder, at whose end is written; made where there is none.
        Raises: StorageError."""
        with self._writing(path):
            return local.appended(self._top, self._below(path))

    def tell(self, path: str, data: bytes) -> None:
        """As `replace`, for what need not outlive the machine's power: a reader sees the old bytes
        or the new ones, and nobody waits for a disk."""
        if not self.is_local:
            self.replace(path, data)
            return
        with self._writing(path):
            local.tell(self._top, self._below(path), data)

    def remove(self, path: str) -> None:
        """Removes a file; one that is missing is fine."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if self.is_local:
                with self._removing(path):
                    local.remove(self._top, self._below(path))
            else:
                fs, full = self._remote(path)
                with self._reading(path):
                    fs.rm_file(full)

    # ---- helpers -------------------------------------------------------------------

    def _below(self, path: str) -> str:
        """The path below the folder that somebody named."""
        own, inside = self.uri[len(self._top.path) :].strip("/"), _inside(path, self.uri)
        return f"{own}/{inside}".strip("/")

    def _own_options(self) -> dict[str, Any]:
        return stores.checked_options(self._place, self.options)

    def _remote(self, path: str) -> tuple[AbstractFileSystem, str]:
        if self._connected is None:
            given = credentials.client_options(self.protocol, self._own_options())
            options = {"use_listings_cache": False, **given}
            with told(self.uri, "opened", False, self.said):
                fs, root = stores.opened(self._place, options)
            self._connected = fs, root.rstrip("/")
        fs, root = self._connected
        inside = _inside(path, self.uri)
        return fs, f"{root}/{inside}" if inside else root

    def _reading(self, path: str) -> contextlib.AbstractContextManager[None]:
        return self._telling(path, "read")

    def _writing(self, path: str) -> contextlib.AbstractContextManager[None]:
        return self._telling(path, "written")

    @contextlib.contextmanager
    def _telling(self, path: str, action: str) -> Iterator[None]:
        """What a client raises, as storage's own errors; where something is not there, the
        bucket is looked at first."""
        try:
            with told(self.url(path), action, self.is_local, self.said):
                yield
        except (FileNotFoundError, StorageError) as error:
            if not self.is_local and stores.may_lack_bucket(error):
                self.require_bucket()
            raise

    def _removing(self, path: str) -> contextlib.AbstractContextManager[None]:
        return self._telling(path, "removed")


@contextlib.contextmanager
def writing_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of the one that somebody named, in a folder that
    exists, when the block ends well. Raises: OSError, also where a link has the name."""
    folder, name = os.path.split(os.path.abspath(path))
    with local.replacing(Top(folder), name) as file:
        yield file


def split_uri(uri: str) -> tuple[str, str]:
    """(URI of the folder, name) of a file, as they are found to be named.

    Raises:
        RequestError: the text names no place.
    """
    folder, _, name = place_of(uri).uri.rpartition("/")
    if folder.endswith(":/"):  # memory://name
        folder += "/"
    return folder or "/", name


def _inside(path: str, uri: str) -> str:
    """The path without empty and '.' parts. Raises: RequestError if it leaves the folder."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise RequestError(
            f"{uri}: got the path {path!r}; expected a relative path that stays inside"
        )
    return "/".join(parts)


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
