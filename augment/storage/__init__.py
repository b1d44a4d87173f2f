"""Files under a URI: read, listed, created once, published whole, replaced at once.

The only user of fsspec. Local paths go through `os` directly (local.py), because a
crash-atomic, exclusive create has no fsspec form; everything else (memory://, s3://, ...)
goes through fsspec. Temporary files are named `.tmp-...` and no listing shows them.
Knows nothing of images, tables or jobs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import io
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, cast

from fsspec.core import url_to_fs
from fsspec.spec import AbstractFileSystem

from augment.errors import RequestError
from augment.storage import credentials, local
from augment.storage.remote_file import RemoteFile
from augment.storage.trouble import told, unless_conflicting

Options = Mapping[str, Mapping[str, Any]]

_EXCLUSIVE = (*credentials.S3, "gs", "gcs", *credentials.AZURE, "memory")
"""Their clients have a put that fails where the name exists."""
_MEMORY_LOCK = threading.Lock()  # fsspec's memory store looks, then writes


class FileInfo(NamedTuple):
    """A file of a folder. path: relative to the folder, '/'-separated, as it is stored.
    size: bytes. token: changes when the file does (size-mtime_ns, ETag); "" if unknown."""

    path: str
    size: int
    token: str


class Stored(NamedTuple):
    """A file as who cleans sees it. path, size: as in `FileInfo`. modified: when it was last
    written, in seconds, by the clock of the store; None if unknown."""

    path: str
    size: int
    modified: float | None

    @property
    def temporary(self) -> bool:
        """Whether it is a write that never ended (or has not ended yet)."""
        return _name(self.path).startswith(local.TEMPORARY)


class Folder:
    """The files under one URI. Picklable; opens its connection when first used.

    uri: a local path, `file://`, or any fsspec URI. options: fsspec options by protocol,
    for example {"s3": {"endpoint_url": "..."}}. Paths given to a folder are relative,
    '/'-separated and cannot leave it (RequestError). Reading what is missing raises
    FileNotFoundError; all other trouble raises StorageError with the way out.
    """

    def __init__(self, uri: str, options: Options | None = None) -> None:
        if not uri or "\0" in uri:
            raise RequestError(f"storage: got the URI {uri!r}; expected a path or a URI")
        self.options: dict[str, dict[str, Any]] = {k: dict(v) for k, v in (options or {}).items()}
        self.protocol = uri.split("://", 1)[0] if "://" in uri else "file"
        self.is_local = self.protocol in ("file", "local")
        if self.is_local:
            self.uri = os.path.abspath(uri.split("://", 1)[-1])
        else:
            self.uri = uri.rstrip("/") if uri.rstrip("/") != f"{self.protocol}:" else uri
        self._connected: tuple[AbstractFileSystem, str] | None = None

    def __repr__(self) -> str:
        return f"Folder({self.uri!r})"  # never the options: they may hold secrets

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connected": None}

    # ---- names ---------------------------------------------------------------------

    def child(self, path: str) -> Folder:
        """The folder at `path` in this one."""
        return Folder(self.url(path), self.options)

    def url(self, path: str) -> str:
        """The URI of `path`: absolute for local folders."""
        inside = _inside(path, self.uri)
        return f"{self.uri.rstrip('/')}/{inside}" if inside else self.uri

    def delta_uri(self) -> str:
        """This folder as delta-rs names it."""
        if self.protocol == "memory":
            raise RequestError(
                f"{self.uri}: a table cannot stand in memory://; expected a local path or s3://"
            )
        return self.uri.replace("s3a://", "s3://", 1) if self.protocol == "s3a" else self.uri

    def delta_options(self) -> dict[str, str]:
        """The fsspec options of this folder, as delta-rs names them."""
        if self.is_local:
            return {}
        return credentials.delta_options(self.uri, self.protocol, self._own_options())

    def without_secrets(self, text: str) -> str:
        """What a client said, fit to be shown."""
        return credentials.without_secrets(text, self.options)

    # ---- reading -------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        """All bytes of a file. Raises: FileNotFoundError, StorageError."""
        if self.is_local:
            with self._reading(path), open(self.url(path), "rb") as file:
                return file.read()
        fs, full = self._remote(path)
        # one request, which s3fs repeats as a whole: its parallel reads are asked for the size
        # first, and a part whose body breaks off is not asked for again
        alone = {"max_concurrency": 1} if self.protocol in credentials.S3 else {}
        with self._reading(path):
            return cast(bytes, fs.cat_file(full, **alone))

    def fetch(self, path: str) -> tuple[bytes, FileInfo]:
        """All bytes of a file, with what `info` says of it; of a local file both are taken
        from one open file. Raises: FileNotFoundError (a folder is none), StorageError."""
        if not self.is_local:
            found = self.info(path)
            return self.read(path), found
        with self._reading(path), open(self.url(path), "rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            return file.readall(), _local_info(path, state)

    def open(self, path: str) -> BinaryIO:
        """A file for reading, seekable. Raises: FileNotFoundError, StorageError, while reading
        as well."""
        if self.is_local:
            with self._reading(path):
                return open(self.url(path), "rb")
        if self.protocol == "memory":  # its file objects share one position
            return io.BytesIO(self.read(path))
        fs, full = self._remote(path)
        with self._reading(path):
            file = fs.open(full, "rb")
        return cast(BinaryIO, RemoteFile(file, lambda: self._reading(path)))

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
                return _local_info(inside, found)
        fs, full = self._remote(path)
        with self._reading(path):
            entry = fs.info(full)
            if entry["type"] != "file":
                raise FileNotFoundError(errno.ENOENT, "not a file", self.url(path))
            return _remote_info(inside, entry)

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
        for info, _ in self._walk(path):
            if not _name(info.path).startswith(local.TEMPORARY):
                yield info

    def stored(self, path: str = "") -> Iterator[Stored]:
        """As `files`, with their times, temporary files among them: for who cleans or measures."""
        for info, modified in self._walk(path):
            yield Stored(info.path, info.size, modified)

    def folders(self, path: str = "") -> list[str]:
        """Names of the direct sub-folders, sorted; none where the folder is missing."""
        try:
            if self.is_local:
                with self._reading(path), os.scandir(self.url(path)) as entries:
                    names = [e.name for e in entries if e.is_dir()]
            else:
                names = [_name(n) for n, e in self._ls(path) if e["type"] == "directory"]
        except FileNotFoundError:
            return []
        return sorted(n for n in names if not n.startswith(local.TEMPORARY))

    def _walk(self, path: str) -> Iterator[tuple[FileInfo, float | None]]:
        inside = _inside(path, self.uri)
        return self._walk_local(inside) if self.is_local else self._walk_remote(inside)

    def _walk_local(self, inside: str) -> Iterator[tuple[FileInfo, float | None]]:
        todo: list[tuple[str, frozenset[tuple[int, int]]]] = [(inside, frozenset())]
        while todo:
            here, above = todo.pop()
            try:
                with self._reading(here):
                    found = os.stat(self.url(here))
                    entries = os.scandir(self.url(here))
            except FileNotFoundError:
                continue
            key = (found.st_dev, found.st_ino)
            if key in above:
                entries.close()
                continue
            with self._reading(here), entries:
                for entry in entries:
                    name = f"{here}/{entry.name}" if here else entry.name
                    if entry.is_dir():
                        todo.append((name, above | {key}))
                    elif entry.is_file():
                        with contextlib.suppress(FileNotFoundError):  # vanished meanwhile
                            state = entry.stat()
                            yield _local_info(name, state), state.st_mtime

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
                    yield _remote_info(name, entry), _modified(entry)

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
                return local.create(self.url(path), data)
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
        with contextlib.suppress(FileNotFoundError):
            if self.info(path).size == size:
                return
        if self.is_local:
            with self._writing(path):
                local.replace(self.url(path), data)
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
                local.replace(self.url(path), data)
            else:
                fs, full = self._remote(path)
                fs.pipe_file(full, data)

    def remove(self, path: str) -> None:
        """Removes a file; one that is missing is fine."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if self.is_local:
                with self._reading(path):
                    os.unlink(self.url(path))
            else:
                fs, full = self._remote(path)
                with self._reading(path):
                    fs.rm_file(full)

    # ---- helpers -------------------------------------------------------------------

    def _own_options(self) -> dict[str, Any]:
        return credentials.own_options(self.protocol, self.options)

    def _remote(self, path: str) -> tuple[AbstractFileSystem, str]:
        if self._connected is None:
            given = credentials.client_options(self.protocol, self._own_options())
            options = {"use_listings_cache": False, **given}
            with self._writing(""):
                try:
                    fs, root = url_to_fs(self.uri, **options)
                except (ImportError, ValueError) as error:
                    raise RequestError(
                        f"{self.uri}: {self.protocol}:// cannot be opened: {error}; expected a "
                        "local path or a protocol that the installed fsspec knows"
                    ) from error
            self._connected = fs, root.rstrip("/")
        fs, root = self._connected
        inside = _inside(path, self.uri)
        return fs, f"{root}/{inside}" if inside else root

    def _reading(self, path: str) -> contextlib.AbstractContextManager[None]:
        return told(self.url(path), "read", self.is_local, self.without_secrets)

    def _writing(self, path: str) -> contextlib.AbstractContextManager[None]:
        return told(self.url(path), "written", self.is_local, self.without_secrets)


def split_uri(uri: str) -> tuple[str, str]:
    """(URI of the folder, name) of a file."""
    folder, _, name = uri.rpartition("/")
    if folder.endswith(":/"):  # memory://name
        folder += "/"
    return folder or ("/" if uri.startswith("/") else "."), name


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


def _local_info(path: str, found: os.stat_result) -> FileInfo:
    return FileInfo(path, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


_TOKENS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "mtime", "created")


def _remote_info(path: str, entry: Mapping[str, Any]) -> FileInfo:
    size = entry.get("size")
    size = -1 if size is None else int(size)
    for name in _TOKENS:
        if (value := entry.get(name)) is not None:
            if isinstance(value, dt.datetime):
                value = value.timestamp()
            return FileInfo(path, size, f"{size}-{str(value).strip(chr(34))}")
    return FileInfo(path, size, "")


_TIMES = ("LastModified", "last_modified", "mtime", "created")


def _modified(entry: Mapping[str, Any]) -> float | None:
    found = next((v for name in _TIMES if (v := entry.get(name)) is not None), None)
    if isinstance(found, dt.datetime):
        return found.timestamp()
    return float(found) if isinstance(found, int | float) else None
