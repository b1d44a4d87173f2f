"""Remote folders kept on this machine: fetched once, named by content, verified at every use.

    refs/<key>.json        what a remote folder held when it was fetched -> an entry
    entries/<digest>/      files/ as they were, entry.json with their hashes, used (its time)
    partial/               what is being fetched, or thrown away
    locks/                 flock: exclusive to fetch or to throw away, shared while in use

The processes of a machine share it, and any of them may be killed at any moment: a folder
gets its name after all of it is on the disk, and locks end with their process. Its folder may be
reached by a link; a link inside it is refused, for what is behind one is not the cache's to
throw away. Knows nothing of what the files are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from augment.errors import StorageError
from augment.storage import FileInfo, Folder, walking
from augment.storage.below import Top, opened
from augment.storage.trouble import told

_LOG = logging.getLogger("augment.cache")
_CHUNK = 8 << 20
_ROUNDS = 3  # of fetching what is damaged or thrown away before it can be used


@dataclass(frozen=True)
class CacheState:
    """folder: where it lies. entries: how many folders it keeps, of how many bytes."""

    folder: str
    max_bytes: int
    entries: int
    bytes: int


class Cache:
    """folder: made when it is needed. max_bytes: of all that is kept; what was used least
    lately is thrown away first, and nothing that is in use. named: where the operator names
    the two, for errors."""

    def __init__(self, folder: str, max_bytes: int, named: str) -> None:
        self._root = self.folder = Path(folder)
        self._top = Top(folder)
        self._max_bytes = max_bytes
        self._named = named

    def state(self) -> CacheState:
        """What is kept; looks only. Raises: StorageError."""
        with self._writing():
            kept = [self._size(entry) for entry in self._folders("entries")]
        return CacheState(str(self._root), self._max_bytes, len(kept), sum(kept))

    @contextlib.contextmanager
    def local(self, source: Folder, files: Sequence[FileInfo]) -> Iterator[Path]:
        """A local folder with these files of `source`, which stays as it is inside the block.

        files: as a listing of the source just gave them.

        Raises:
            StorageError: the source could not be read, the cache not be written, or there is
                no room for the files.
        """
        key = _key(source, files)
        with contextlib.ExitStack() as used:
            path = self._used(used, key, source, files)
            yield path

    def _used(
        self, used: contextlib.ExitStack, key: str, source: Folder, files: Sequence[FileInfo]
    ) -> Path:
        """The files of an entry that is locked against being thrown away."""
        for _ in range(_ROUNDS):
            entry = self._entry_of(key)
            stamp = _stamp(entry)
            if entry is not None and stamp:
                with contextlib.ExitStack() as lock:
                    lock.enter_context(self._locked(entry.name, fcntl.LOCK_SH))
                    if _whole(entry):
                        self._touch(entry.name)
                        used.push(lock.pop_all())
                        return entry / "files"
                if _stamp(entry) == stamp:
                    _LOG.warning("%s: its copy %s is damaged; fetching it again", source.uri, entry)
            with self._locked(key, fcntl.LOCK_EX):
                now = self._entry_of(key)
                if _stamp(now) in ("", stamp):  # nobody else has fetched it meanwhile
                    self._fetch(key, source, files)
        raise StorageError(
            f"{source.uri}: its copy in the checkpoint cache {self._root} was damaged or thrown "
            f"away {_ROUNDS} times before it could be used; check the disk, or raise "
            f"max_bytes of {self._named}, then run the same command again"
        )

    # ---- fetching ------------------------------------------------------------------

    def _fetch(self, key: str, source: Folder, files: Sequence[FileInfo]) -> None:
        """Called under the key's lock."""
        self._make_room(sum(info.size for info in files), source)
        try:
            with self._writing():
                self._remove("partial", key)  # of a process that was killed
                hashes = {info.path: self._download(source, info, key) for info in files}
                entry = self._publish(key, hashes)
                ref = json.dumps({"entry": entry, "source": source.uri}).encode()
                Folder(self._top.path).replace(f"refs/{key}.json", ref)
        finally:
            with contextlib.suppress(OSError):
                self._remove("partial", key)
        self._make_room(0, source)

    def _download(self, source: Folder, info: FileInfo, key: str) -> str:
        above, _, name = f"partial/{key}/files/{info.path}".rpartition("/")
        found = hashlib.sha256()
        with (
            opened(self._top, above, make=True) as folder,
            os.fdopen(folder.new_file(name), "wb") as file,
        ):
            for data in _chunks(source, info):
                found.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return found.hexdigest()

    def _publish(self, key: str, hashes: dict[str, str]) -> str:
        """Gives the finished folder its name, which is that of its content."""
        text = json.dumps(hashes, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()
        partial = Folder(self._top.path).child(f"partial/{key}")
        partial.replace("used", b"")
        partial.replace("entry.json", text.encode())  # synced, after all files
        with self._locked(name, fcntl.LOCK_EX):
            self._throw_away(name)  # the same content from elsewhere, or a damaged copy
            with (
                opened(self._top, "partial") as here,
                opened(self._top, "entries", make=True) as there,
            ):
                here.rename(key, name, there)
        return name

    # ---- room ----------------------------------------------------------------------

    def _make_room(self, wanted: int, source: Folder) -> None:
        with self._writing():
            entries = sorted(self._folders("entries"), key=self._last_used)
            sizes = {entry: self._size(entry) for entry in entries}
        held = sum(sizes.values())
        for entry in entries:
            if held + wanted <= self._max_bytes:
                break
            with self._locked(entry, fcntl.LOCK_EX | fcntl.LOCK_NB) as mine:
                if mine and self._throw_away(entry):
                    held -= sizes[entry]
        if wanted and held + wanted > self._max_bytes:
            raise StorageError(
                f"{source.uri}: {wanted} bytes do not fit into the checkpoint cache {self._root}, "
                f"which may hold {self._max_bytes} and has {held} in use; raise max_bytes of "
                f"{self._named}, then run the same command again"
            )
        self._sweep()

    def _throw_away(self, entry: str) -> bool:
        """In one step for whoever looks; whether there was one."""
        gone = f"gone-{uuid.uuid4().hex}"
        with (
            self._writing(),
            opened(self._top, "partial", make=True) as there,
            opened(self._top, "entries", make=True) as here,
        ):
            here.refuse_link(entry)
            try:
                here.rename(entry, gone, there)
            except FileNotFoundError:
                return False
            there.remove_tree(gone)
        return True

    def _sweep(self) -> None:
        """What processes that were killed left behind."""
        with self._writing():
            for left in self._folders("partial"):
                if left.startswith("gone-"):
                    self._remove("partial", left)
                    continue
                with self._locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB) as mine:
                    if mine:
                        self._remove("partial", left)

    # ---- helpers -------------------------------------------------------------------

    def _folders(self, path: str) -> list[str]:
        try:
            with opened(self._top, path) as folder:
                return folder.folders()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _remove(self, path: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), opened(self._top, path) as folder:
            folder.remove_tree(name)

    def _touch(self, entry: str) -> None:
        with (
            contextlib.suppress(OSError),  # it may be somebody else's
            opened(self._top, f"entries/{entry}") as folder,
        ):
            folder.touch("used")

    def _size(self, entry: str) -> int:
        with contextlib.suppress(FileNotFoundError):  # thrown away meanwhile
            return sum(f.state.st_size for f in walking.lying(self._top, f"entries/{entry}/files"))
        return 0

    def _last_used(self, entry: str) -> float:
        try:
            return (self._root / "entries" / entry / "used").stat().st_mtime
        except OSError:
            return 0.0

    def _entry_of(self, key: str) -> Path | None:
        try:
            ref = json.loads((self._root / "refs" / f"{key}.json").read_bytes())
            return self._root / "entries" / Path(ref["entry"]).name
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    @contextlib.contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[bool]:
        """Whether the lock was had: always, unless `kind` says not to wait."""
        with self._writing():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(self._top, "locks", make=True) as folder:
                descriptor = folder.lock_file(name)
        try:
            try:
                fcntl.flock(descriptor, kind)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"checkpoint cache {self._trouble(error)}; {self._named} names its folder"
            ) from error

    def _trouble(self, error: OSError) -> str:
        try:
            with told(str(self._root), "written", is_local=True):
                raise error
        except StorageError as trouble:
            return str(trouble)


def _chunks(source: Folder, info: FileInfo) -> Iterator[bytes]:
    """The bytes of a file that must still be the one that was listed."""
    came = 0
    try:
        with source.open(info.path) as file:
            while came <= info.size and (data := file.read(_CHUNK)):
                came += len(data)
                yield data
    except FileNotFoundError:
        came = 0
    if came != info.size:
        raise StorageError(
            f"{source.url(info.path)}: {came} bytes came, {info.size} were listed; it changed "
            "while it was fetched, run the same command again"
        )


def _key(source: Folder, files: Sequence[FileInfo]) -> str:
    """Of what stands there now. Where a store does not tell changes, nothing is found again."""
    known = sorted(tuple(info) for info in files)
    odd = "" if all(info.token for info in files) else uuid.uuid4().hex
    return hashlib.sha256(json.dumps([source.uri, known, odd]).encode()).hexdigest()


def _whole(entry: Path) -> bool:
    """Whether every file is what was fetched; reads them all."""
    try:
        text = (entry / "entry.json").read_bytes()
        if hashlib.sha256(text).hexdigest() != entry.name:
            return False
        hashes = json.loads(text)
        return all(_sha256(entry / "files" / path) == found for path, found in hashes.items())
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(entry: Path | None) -> str:
    """Changes when an entry is fetched again; "" where there is none."""
    if entry is None:
        return ""
    try:
        found = (entry / "entry.json").stat()
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}"
