"""Remote folders kept on this machine: fetched once, named by content, verified at every use.

    refs/<key>.json        what a remote folder held when it was fetched -> an entry
    entries/<digest>/      files/ as they were, entry.json with their hashes, used (its time)
    partial/               what is being fetched, or thrown away
    locks/                 flock: exclusive to fetch or to throw away, shared while in use

The processes of a machine share it, and any of them may be killed at any moment: a folder
gets its name after all of it is on the disk, and locks end with their process. Knows nothing
of what the files are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from augment.errors import StorageError
from augment.storage import FileInfo, Folder
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
        self._root = Path(folder)
        self._max_bytes = max_bytes
        self._named = named

    def state(self) -> CacheState:
        """What is kept; looks only."""
        kept = [_size(entry) for entry in self._entries()]
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
                        with contextlib.suppress(OSError):  # it may be somebody else's
                            os.utime(entry / "used")
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
        partial = self._root / "partial" / key
        try:
            with self._writing():
                shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
                hashes = {info.path: self._download(source, info, partial) for info in files}
                entry = self._publish(partial, hashes)
                ref = json.dumps({"entry": entry, "source": source.uri}).encode()
                Folder(str(self._root / "refs")).replace(f"{key}.json", ref)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._make_room(0, source)

    def _download(self, source: Folder, info: FileInfo, partial: Path) -> str:
        target = partial / "files" / info.path
        target.parent.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        with target.open("xb") as file:
            for data in _chunks(source, info):
                found.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return found.hexdigest()

    def _publish(self, partial: Path, hashes: dict[str, str]) -> str:
        """Gives the finished folder its name, which is that of its content."""
        text = json.dumps(hashes, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()
        (partial / "used").touch()
        Folder(str(partial)).replace("entry.json", text.encode())  # synced, after all files
        entry = self._root / "entries" / name
        entry.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(name, fcntl.LOCK_EX):
            if entry.exists():  # the same content from elsewhere, or a damaged copy
                self._throw_away(entry)
            partial.rename(entry)
        return name

    # ---- room ----------------------------------------------------------------------

    def _make_room(self, wanted: int, source: Folder) -> None:
        entries = sorted(self._entries(), key=_last_used)
        held = sum(map(_size, entries))
        for entry in entries:
            if held + wanted <= self._max_bytes:
                break
            size = _size(entry)
            with self._locked(entry.name, fcntl.LOCK_EX | fcntl.LOCK_NB) as mine:
                if mine and entry.exists():
                    self._throw_away(entry)
                    held -= size
        if wanted and held + wanted > self._max_bytes:
            raise StorageError(
                f"{source.uri}: {wanted} bytes do not fit into the checkpoint cache {self._root}, "
                f"which may hold {self._max_bytes} and has {held} in use; raise max_bytes of "
                f"{self._named}, then run the same command again"
            )
        self._sweep()

    def _throw_away(self, entry: Path) -> None:
        """In one step for whoever looks."""
        gone = self._root / "partial" / f"gone-{uuid.uuid4().hex}"
        gone.parent.mkdir(parents=True, exist_ok=True)
        entry.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self) -> None:
        """What processes that were killed left behind."""
        for left in _listed(self._root / "partial"):
            if left.name.startswith("gone-"):
                shutil.rmtree(left, ignore_errors=True)
                continue
            with self._locked(left.name, fcntl.LOCK_EX | fcntl.LOCK_NB) as mine:
                if mine:
                    shutil.rmtree(left, ignore_errors=True)

    # ---- helpers -------------------------------------------------------------------

    def _entries(self) -> list[Path]:
        return _listed(self._root / "entries")

    def _entry_of(self, key: str) -> Path | None:
        try:
            ref = json.loads((self._root / "refs" / f"{key}.json").read_bytes())
            return self._root / "entries" / Path(ref["entry"]).name
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[bool]:
        """Whether the lock was had: always, unless `kind` says not to wait."""
        with self._writing():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._root / "locks").mkdir(exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._root / "locks" / name, flags, 0o600)
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
            while data := file.read(_CHUNK):
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


def _size(entry: Path) -> int:
    total = 0
    for path in (entry / "files").rglob("*"):
        with contextlib.suppress(OSError):  # thrown away meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _last_used(entry: Path) -> float:
    try:
        return (entry / "used").stat().st_mtime
    except OSError:
        return 0.0


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
