"""Who is working: a lease file with a heartbeat, and whether its holder still lives.

A courtesy, not a lock: safety rests on exclusive records and the transaction. On the
same host a holder lives while its process does; elsewhere while its heartbeat is fresh
by the store's own clock, so the clocks of two hosts are never compared. Whoever is sure that
a holder hangs takes its lease over: from then on nobody counts it, and it stops when it looks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from augment.errors import InterruptedRun, StorageError
from augment.storage import Folder

HEARTBEAT_S = 10.0
STALE_AFTER_S = 60.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. host: a place where process ids mean the same. started: the
    process's start, so that a reused pid is another process; "" where unknown. since:
    seconds since the epoch by the holder's clock, for people only."""

    id: str
    host: str
    pid: int
    started: str
    since: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host.split('/')[0]}"

    def since_when(self) -> str:
        """The minute in UTC, for people."""
        return f"{dt.datetime.fromtimestamp(self.since, dt.UTC):%Y-%m-%d %H:%M} UTC"

    def is_process_of(self, other: Holder) -> bool:
        """Whether both leases are of one process."""
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)


class Lease:
    """Holds `lease-<id>.json` in `folder` while it is entered, and keeps touching it.

    clock: seconds since the epoch. wait: sleeps up to so many seconds, True when it is
    time to stop; both are arguments for tests.
    """

    def __init__(
        self,
        folder: Folder,
        clock: Callable[[], float],
        interval_s: float = HEARTBEAT_S,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.holder = Holder(uuid.uuid4().hex, _host(), os.getpid(), _started(os.getpid()), clock())
        self._folder = folder
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._thread = threading.Thread(target=self._beat, name="augment-lease", daemon=True)

    @property
    def id(self) -> str:
        return self.holder.id

    def __enter__(self) -> Lease:
        self._touch()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(StorageError):  # a lease left behind goes stale by itself
            self._folder.remove(_path(self.id))
            self._folder.remove(_over(self.id))

    def check(self) -> None:
        """Raises:
        InterruptedRun: another driver took this lease over.
        """
        by = _taker(self._folder, self.id)
        if by is not None:
            raise InterruptedRun(
                f"{self._folder.uri}: {by} took this job over at {by.since_when()}; this run "
                "stops, what it finished is kept"
            )

    def take_over(self, folder: Folder, holder: Holder) -> None:
        """From now on nobody counts `holder` of `folder` among the living, and it stops as soon
        as it looks."""
        folder.create(_over(holder.id), json.dumps(asdict(self.holder)).encode())

    def _touch(self) -> None:
        self._folder.replace(_path(self.id), json.dumps(asdict(self.holder)).encode())

    def _beat(self) -> None:
        while not self._wait(self._interval_s):
            with contextlib.suppress(StorageError):  # a missed beat is made up by the next
                self._touch()


def alive(folder: Folder, lease_id: str, stale_after_s: float = STALE_AFTER_S) -> bool:
    """Whether the holder of this lease still works. False also where it ended cleanly.

    stale_after_s: several heartbeats; only used for holders on other hosts.
    """
    holder = _read(folder, lease_id)
    if holder is None or folder.exists(_over(lease_id)):
        return False
    if holder.host == _host() and holder.started:
        return _started(holder.pid) == holder.started
    try:
        return _store_now(folder) - folder.touch_time(_path(lease_id)) < stale_after_s
    except FileNotFoundError:
        return False


def holders(folder: Folder, stale_after_s: float = STALE_AFTER_S) -> list[Holder]:
    """Everyone alive who holds a lease in `folder`, longest first."""
    ids = [name for name in _lease_ids(folder) if alive(folder, name, stale_after_s)]
    found = [holder for name in ids if (holder := _read(folder, name)) is not None]
    return sorted(found, key=lambda h: (h.since, h.id))


def _lease_ids(folder: Folder) -> Iterator[str]:
    for info in folder.files("leases"):
        if info.path.startswith("leases/lease-"):
            yield info.path.removeprefix("leases/lease-").removesuffix(".json")


def _path(lease_id: str) -> str:
    return f"leases/lease-{lease_id}.json"


def _over(lease_id: str) -> str:
    return f"leases/over-{lease_id}.json"


def _read(folder: Folder, lease_id: str) -> Holder | None:
    return _holder(folder, _path(lease_id))


def _taker(folder: Folder, lease_id: str) -> Holder | None:
    return _holder(folder, _over(lease_id))


def _holder(folder: Folder, path: str) -> Holder | None:
    """None where there is none, or none that can be read: nobody is kept waiting by it."""
    try:
        return Holder(**json.loads(folder.read(path)))
    except (FileNotFoundError, ValueError, TypeError, RecursionError):
        return None


def _store_now(folder: Folder) -> float:
    """The store's clock: the modification time of a file written just now."""
    probe = f"clock/{uuid.uuid4().hex}"
    folder.replace(probe, b"")
    now = folder.touch_time(probe)
    folder.remove(probe)
    return now


def driver() -> dict[str, str | int]:
    """This process, so that a reader can tell whether it still runs."""
    return {"place": _host(), "pid": os.getpid(), "born": _started(os.getpid())}


def runs(said: Mapping[str, Any], now: float, stale_after_s: float = STALE_AFTER_S) -> bool:
    """Whether the process that `driver` described runs. said: with `at`, when it last gave a
    sign of life, in seconds since the epoch; that decides where it cannot be asked."""
    if said.get("place") == _host() and said.get("born"):
        return bool(_started(int(said["pid"])) == said["born"])
    return now - float(said["at"]) < stale_after_s


def _host() -> str:
    """Name, boot and process namespace: within one value pids can be compared."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # not Linux: the heartbeat decides
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return "/".join(parts)


def _started(pid: int) -> str:
    """Start of a running process in ticks since boot; "" where none runs (a killed one that
    nobody waited for does not run) or where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # proc(5): fields 3 (state) and 22


@dataclass(frozen=True)
class Seen:
    """A lease file as a reader finds it. touched: when, by the store's clock, its holder last
    said that it lives. runs: whether its process runs; None where that cannot be asked here."""

    holder: Holder
    touched: float
    runs: bool | None

    def alive(self, now: float, stale_after_s: float = STALE_AFTER_S) -> bool:
        """As `alive`, by this machine's clock: nothing is written to ask the store for its."""
        return now - self.touched < stale_after_s if self.runs is None else self.runs


def look(folder: Folder) -> list[Seen]:
    """Every lease file in `folder`, of the living and the dead, longest first. Writes nothing."""
    found: list[Seen] = []
    for lease_id in _lease_ids(folder):
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError):  # ended, or none
            holder, touched = _read(folder, lease_id), folder.touch_time(_path(lease_id))
            if holder is not None:
                here = holder.host == _host() and bool(holder.started)
                runs = _started(holder.pid) == holder.started if here else None
                if folder.exists(_over(lease_id)):
                    runs = False
                found.append(Seen(holder, touched, runs))
    return sorted(found, key=lambda s: (s.holder.since, s.holder.id))
