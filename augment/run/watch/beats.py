"""How far workers are inside their units, told while they work: `<work>/beats/<run>.<worker>.json`.

A worker replaces one small file now and then, at most once a second (every ten seconds in an
object store), so that the driver and `augment status` can show rows before a unit is finished.
Nothing that decides a row is read from it; one that cannot be written is not missed. Knows
nothing of plans or engines.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from augment.errors import StorageError
from augment.run.progress import Reporter
from augment.storage import Folder

FOLDER = "beats"
NEAR_S = 1.0
FAR_S = 10.0
"""Between two words of a worker whose work folder is remote: each is a request to the store."""
STALE_S = 60.0
"""What is older says nothing of now."""
_SHOWN = 3


@dataclass(frozen=True)
class Progress:
    """One worker's word. rows: of `total`, rows of the data set or samples of a generator that
    are finished or lost. at: when it was said, by the worker's clock. actor: its host and
    process."""

    run: str
    unit: str
    stage: str
    rows: int
    total: int
    at: float
    actor: str

    def __str__(self) -> str:
        return f"unit {self.unit}: {self.rows:,} of {self.total:,} rows"


class Beat:
    """Says how far one worker is. folder: the job's work folder. run: names the run; empty: it
    says nothing. clock: seconds, monotonic."""

    def __init__(
        self,
        folder: Folder,
        run: str,
        stage: str,
        actor: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._run, self._stage, self._actor = folder, run, stage, actor
        self._clock = clock
        self._every_s = every_s(folder) if run else float("inf")
        self._path = f"{FOLDER}/{run}.{uuid.uuid4().hex[:12]}.json"
        self._unit, self._total = "", 0
        self._count: Callable[[], int] = int
        self._due = float("inf")
        self._writing: threading.Thread | None = None

    def begin(self, unit: str, count: Callable[[], int]) -> None:
        """A unit begins. count: how many rows it has; asked where it takes so long that a word
        is said of it."""
        self._unit, self._count, self._total = unit, count, 0
        self._due = self._clock() + self._every_s

    def at(self, rows: int) -> None:
        """So many rows of the unit are done; cheap, for every row."""
        if self._clock() >= self._due:
            self._due = self._clock() + self._every_s
            self._say(rows)

    def _say(self, rows: int) -> None:
        """In another thread, so that a slow store holds no row up; nothing where the last word
        is still being written."""
        if self._writing is not None and self._writing.is_alive():
            return
        self._total = self._total or self._count()
        word = Progress(
            self._run, self._unit, self._stage, rows, self._total, time.time(), self._actor
        )
        self._writing = threading.Thread(target=self._write, args=(word,), daemon=True)
        self._writing.start()

    def _write(self, word: Progress) -> None:
        with contextlib.suppress(StorageError):
            self._folder.tell(self._path, json.dumps(asdict(word)).encode())


def every_s(folder: Folder) -> float:
    """Seconds between two words, or two looks."""
    return NEAR_S if folder.is_local else FAR_S


def heard(folder: Folder, run: str | None = None) -> list[Progress]:
    """The last word of every worker (of one run, where it is named), by unit."""
    found = []
    for info in folder.files(FOLDER):
        if run is None or info.path.startswith(f"{FOLDER}/{run}."):
            with contextlib.suppress(FileNotFoundError, ValueError, TypeError, RecursionError):
                found.append(Progress(**json.loads(folder.read(info.path))))
    return sorted(found, key=lambda one: one.unit)


def told(words: Sequence[Progress]) -> str:
    """For people, in one line."""
    if len(words) <= _SHOWN:
        return ", ".join(map(str, words))
    rows, total = sum(one.rows for one in words), sum(one.total for one in words)
    return f"{len(words)} units in hand: {rows:,} of {total:,} rows"


class Listening:
    """Tells a reporter what the workers of a run say, while it is entered; then what they said
    is removed."""

    def __init__(self, folder: Folder, run: str, reporter: Reporter) -> None:
        self._folder, self._run, self._reporter = folder, run, reporter
        self._finished: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="augment-beats", daemon=True)

    def finished(self, unit: str) -> None:
        """The unit has come back: what was said of it is old."""
        self._finished.add(unit)

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(StorageError):
            for info in list(self._folder.files(FOLDER)):
                if info.path.startswith(f"{FOLDER}/{self._run}."):
                    self._folder.remove(info.path)

    def _listen(self) -> None:
        while not self._stop.wait(every_s(self._folder)):
            with contextlib.suppress(StorageError):
                words = heard(self._folder, self._run)
                self._reporter.doing(told([w for w in words if w.unit not in self._finished]))
