"""What may be removed from under a table, and removing it: the part that data sets and pools share.

Litter is what no record and no version names: half-written files, marks of tries that ended in
a record, leases of the dead. Everything here errs on the side of keeping: what is young, what
is not named as this package names its files, and what somebody living may still want stays.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augment.errors import RequestError, StorageError
from augment.storage import Folder, Stored
from augment.write import Seen, look

GRACE_S = 3600.0
"""Age under which a temporary file may be one that is being written."""
DEAD_AFTER_S = 600.0
"""Silence of a holder on another host, by this machine's clock, after which its lease goes."""

_MOST_LINKS = 20
"""Links that are named; the others are counted."""

_TEMPORARY = re.compile(r"\.tmp-\d+-[0-9a-f]{12}")

ORPHAN = "named by no record and no version"
TEMPORARY = "a write that never ended"
TRY = "mark of a try whose unit is recorded"
LEASE = "lease of a process that has ended"
_LOG = "_delta_log"
CLOCK = "probe of the store's clock"


@dataclass(frozen=True)
class Litter:
    """A file that may go. path: relative to the table. why: one of a few texts."""

    path: str
    size: int
    why: str


@dataclass(frozen=True)
class Cleaning:
    """What a cleaning found, or did. notes: what was left alone, and why. removed: whether the
    files are gone; else this was a dry run."""

    uri: str
    litter: tuple[Litter, ...]
    notes: tuple[str, ...]
    removed: bool

    @property
    def size(self) -> int:
        return sum(one.size for one in self.litter)

    def to_json(self) -> dict[str, Any]:
        return {
            "uri": self.uri,
            "removed": self.removed,
            "files": len(self.litter),
            "bytes": self.size,
            "litter": [asdict(one) for one in self.litter],
            "notes": list(self.notes),
        }


def found_in(folder: Folder) -> tuple[list[Stored], list[str]]:
    """(files below a table but for its log, notes on the links among them). What stands behind a
    link is somebody else's: it is neither listed nor removed, and the link stays."""
    found = [f for f in folder.stored() if not f.path.startswith(f"{_LOG}/")]
    links = sorted(f for f in found if f.target)
    notes = [f"link, left alone: {link.path} -> {link.target}" for link in links[:_MOST_LINKS]]
    if more := len(links) - _MOST_LINKS:
        notes += [f"links, left alone: {more} more"] if more > 0 else []
    return [f for f in found if not f.target], notes


def refuse_linked_log(folder: Folder) -> None:
    """Raises: StorageError where the log lies behind a link, so that another table's files would
    decide what may go."""
    if folder.is_linked(_LOG):
        raise StorageError(
            f"{folder.url(_LOG)} is a link, so another folder says which files are visible here; "
            "nothing was removed. Put the log itself there, or clean the table that it belongs to"
        )


def temporaries(files: Iterable[Stored], now: float) -> Iterator[Litter]:
    """Writes that never ended and are old enough."""
    for file in files:
        ours = _TEMPORARY.fullmatch(posixpath.basename(file.path))
        if ours and _older(file, now, GRACE_S):
            yield Litter(file.path, file.size, TEMPORARY)


def tries(files: Iterable[Stored]) -> Iterator[Litter]:
    """Marks of tries whose unit is recorded: those of other units still count tries."""
    listed = list(files)
    recorded = {f.path for f in listed if f.path.endswith(".json")}
    for file in listed:
        unit = re.fullmatch(r"(.*/units/[^/]+)\.(?:try|at)-\d+", file.path)
        if unit and f"{unit[1]}.json" in recorded:
            yield Litter(file.path, file.size, TRY)


def leases(folder: Folder, place: str, files: Iterable[Stored], now: float) -> Iterator[Litter]:
    """Leases of the dead, and old probes of the clock, below the folder `place` of a table."""
    dead = {
        f"{place}/leases/{kind}-{seen.holder.id}.json"
        for seen in look(folder.child(place))
        if not seen.alive(now, DEAD_AFTER_S)
        for kind in ("lease", "over")
    }
    for file in files:
        if file.path in dead:
            yield Litter(file.path, file.size, LEASE)
        elif posixpath.dirname(file.path) == f"{place}/clock" and _older(file, now, GRACE_S):
            yield Litter(file.path, file.size, CLOCK)


def living(folder: Folder, place: str, now: float, own: Sequence[str] = ()) -> list[Seen]:
    """Who holds a lease below `place` and may be alive. own: ids that do not count."""
    found = look(folder.child(place))
    return [s for s in found if s.holder.id not in own and s.alive(now, DEAD_AFTER_S)]


def refuse_living(folder: Folder, place: str, found: Sequence[Seen], verb: str) -> None:
    """Raises: RequestError where there is any."""
    if found:
        raise RequestError(
            f"{folder.url(place)}: {found[0].holder} holds a lease there and may be working; "
            f"{verb} again when it has ended, or {DEAD_AFTER_S:.0f} s after its last sign of life "
            "(`augment status` shows it). Nothing was removed"
        )


def remove(folder: Folder, litter: Iterable[Litter]) -> None:
    """Remove the files in the order given; one that is gone already is fine."""
    for one in litter:
        folder.remove(one.path)


def _older(file: Stored, now: float, seconds: float) -> bool:
    """False where the store does not say when it was written."""
    return file.modified is not None and now - file.modified > seconds
