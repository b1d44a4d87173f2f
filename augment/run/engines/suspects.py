"""Which rows of a unit kill or hang whoever makes them: told from how earlier tries ended.

A try that begins after another left no record is careful: it notes what it is busy with. A
batch that a try died at is tried again row by row, each alone; a row at which two tries died
alone is given up until the next run, its neighbours are made. Rows are named by their
positions in the unit. Where a batch kills although none of its rows does, batches are halved.
Knows no generator.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from augment.errors import UnitFailed
from augment.write import Attempt, Work

Stage = Literal["load", "read", "probe", "make", "keep"]
_BUSY_WITH = {
    "load": "loading the generator",
    "read": "reading its inputs",
    "probe": "making single rows",
    "make": "making a batch",
    "keep": "writing what was made",
}
_SURE = 2
"""Tries that must die at a row alone, one of them in this run: one may have been killed by
chance, and between two runs the cause may have been mended."""
_FRUITLESS = 5
"""Tries of one run that may die where no row is to blame."""
_PIECE = 64
"""Rows that are probed together before each is probed alone."""


@dataclass(frozen=True)
class Suspicion:
    """What earlier tries of a unit say.

    lost: position -> reason, of rows that are given up. probe: positions to try first, apart
    from the others. limit: rows of a batch at most. fruitless: what tries of this run died at
    where no row was to blame. slow: whether one of them took too long to load the generator.
    """

    lost: Mapping[int, str] = field(default_factory=dict)
    probe: tuple[int, ...] = ()
    limit: int | None = None
    fruitless: tuple[str, ...] = ()
    slow: bool = False

    def pieces(self) -> list[tuple[int, ...]]:
        """`probe` cut into what is tried at once: single rows, unless there are many."""
        each = -(-len(self.probe) // _PIECE)
        return [self.probe[i : i + each] for i in range(0, len(self.probe), max(1, each))]


def suspicion(notes: Sequence[Mapping[str, Any]], run: str) -> Suspicion:
    """What the last notes of earlier tries (oldest first) say to a try of `run`."""
    deaths: Counter[int] = Counter()
    here: set[int] = set()
    reasons: dict[int, str] = {}
    probe: tuple[int, ...] = ()
    limit: int | None = None
    fruitless, slow = [], False
    for note in notes:
        positions = tuple(note.get("positions", ()))
        if not positions:
            if note.get("run") == run:
                fruitless.append(str(note.get("stage")))
                slow = slow or note.get("reason") == "timeout"
            continue
        probe = positions
        if len(positions) == 1:
            deaths[positions[0]] += 1
            here |= {positions[0]} if note.get("run") == run else set()
            reasons[positions[0]] = note.get("reason", "killed")
        elif note.get("probed"):
            limit = min(limit or len(positions), len(positions) // 2)
    lost = {at: reasons[at] for at, n in deaths.items() if n >= _SURE and at in here}
    again = [at for at, n in deaths.items() if n >= _SURE]
    probe = tuple(at for at in dict.fromkeys([*again, *probe]) if at not in lost)
    return Suspicion(lost, probe, limit, tuple(fruitless), slow)


class Trail:
    """What one try of a unit notes; silent in a first try, whose death is nobody's fault yet."""

    def __init__(self, work: Work, attempt: Attempt, run: str) -> None:
        """Raises:
        UnitFailed: too many tries of this run died where no row is to blame.
        """
        self._work, self._attempt, self._run = work, attempt, run
        self.careful = attempt.number > 1
        self.known = suspicion(work.notes(attempt), run)
        self._probed: frozenset[int] = frozenset()
        if len(self.known.fruitless) >= _FRUITLESS:
            at = _BUSY_WITH.get(self.known.fruitless[-1], self.known.fruitless[-1])
            raise UnitFailed(
                f"{work.folder.url(attempt.unit)}: {len(self.known.fruitless)} processes died with "
                f"this unit, the last while {at}; look for what ended them (memory, driver, "
                "node) in the system's log, mend it and run the same command again"
            )

    def at(self, stage: Stage, positions: Sequence[int] = ()) -> None:
        """The try begins something; positions: the rows that it would be the fault of."""
        if self.careful:
            self._note(stage, positions)

    def reach(self, at: int) -> None:
        """Row `at` is next, of rows that are made one by one in their order."""
        if not self.careful:
            return
        suspects = self.known.probe
        if at in suspects:
            self._note("make", [at])
        elif at % _PIECE == 0 or at - 1 in suspects:
            end = at - at % _PIECE + _PIECE
            self._note("make", [row for row in range(at, end) if row not in suspects])

    def passed(self, positions: Sequence[int]) -> None:
        """These rows were made apart from the others, and nothing happened."""
        self._probed |= frozenset(positions)

    def fatal(self, stage: Stage, positions: Sequence[int], reason: str) -> None:
        """The process is about to be ended because of these rows."""
        self._note(stage, positions, reason=reason)

    def _note(self, stage: Stage, positions: Sequence[int], **more: str) -> None:
        probed = stage == "make" and bool(positions) and self._probed.issuperset(positions)
        note = {"run": self._run, "stage": stage, "positions": [int(p) for p in positions]}
        self._work.note(self._attempt, {**note, "probed": probed, **more})


class Watch:
    """Notices that something takes longer than `seconds`. expired is called once, in another
    thread, with what was being done and the positions that it was done with; clock: seconds,
    monotonic."""

    def __init__(
        self,
        seconds: float,
        expired: Callable[[Stage, Sequence[int]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._expired, self._clock = seconds, expired, clock
        self._busy: tuple[float, Stage, Callable[[], Sequence[int]]] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="augment-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    @contextlib.contextmanager
    def over(
        self, stage: Stage, positions: Callable[[], Sequence[int]], seconds: float | None = None
    ) -> Iterator[None]:
        """What is done inside must not take longer. positions: what it would be the fault of;
        asked where it is late. seconds: None for those that hold where nothing else is said."""
        limit = self._seconds if seconds is None else seconds
        self._busy = (self._clock() + limit, stage, positions)
        try:
            yield
        finally:
            self._busy = None

    def _look(self) -> None:
        while not self._stop.wait(min(1.0, self._seconds / 4)):
            busy = self._busy
            if busy is not None and self._clock() > busy[0]:
                _, stage, positions = busy
                self._expired(stage, positions())
                return
