"""What a pool's work folder says of one universe: made, failed, accepted, claimed, how fast.

Read from folds, records and claims alone, so that it needs no job, no generator and no images;
writes nothing. What folds hold is read from them, as a resume does: a record that somebody removed
by hand counts as long as its fold does. A record holds the verdicts of the filters of the job that
made it; what other filters would say is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from augment.errors import StorageError
from augment.intervals import Intervals
from augment.plan import PoolUnits, cut_pool_units
from augment.run.synthesis.cost import Spent
from augment.run.synthesis.growing import Growing
from augment.run.synthesis.summary import FAILED, MADE, said_together
from augment.storage import Folder
from augment.write import Claim, Claims, Fold, Folds, Work, claims_again, touched_each

WINDOW_S = 600.0
_AT_ONCE = 64
"""Summaries that are put together at once."""
_TIMED = 1000
"""Units whose times are asked for, where not all are listed: the last ones in the order of the
log."""
ByClass = dict[str, Intervals]
Moment = tuple[float, int]
"""When a unit was recorded, and how many rows it made."""


@dataclass
class Stock:
    """One universe of a pool. made, failed: class -> indexes; one that failed and was made
    later is made. accepted: digest of the filters -> class -> indexes. shards, bytes: of what
    was made. units: recorded. again: how many of them make failed indexes again. claimed: units
    in claims. jobs: that made some of it. moments: of the last units whose time is known.
    touched: when something of it was recorded or folded last, None if unknown."""

    name: str
    made: ByClass = field(default_factory=dict)
    failed: ByClass = field(default_factory=dict)
    accepted: dict[str, ByClass] = field(default_factory=dict)
    shards: int = 0
    bytes: int = 0
    units: int = 0
    again: int = 0
    claimed: int = 0
    moments: list[Moment] = field(default_factory=list)
    touched: float | None = None
    spent: dict[str, Spent] = field(default_factory=dict)
    """job id -> what it spent on what it made."""
    paths: list[str] = field(default_factory=list)
    """Of the shards of units that no fold holds."""
    recorded: set[str] = field(default_factory=set)
    """Units that no fold holds."""
    waiting: set[str] | None = None
    """Units of claims that nobody recorded; None where there are no folds to tell them from."""

    @property
    def jobs(self) -> set[str]:
        return set(self.spent)

    @property
    def unmade(self) -> int:
        """Units that somebody claimed and nobody recorded."""
        return max(0, self.claimed - (self.units - self.again))

    def lost(self, label: str) -> Intervals:
        """Indexes that failed and have not been made since."""
        return self.failed.get(label, Intervals()) - self.made.get(label, Intervals())

    def finished(self, unit: str) -> bool:
        """Whether a unit that somebody works on, or did a moment ago, is recorded."""
        if self.waiting is None:
            return unit in self.recorded
        return unit not in self.waiting


def read_stock(pool: Folder, name: str, universe: str | None = None) -> Stock:
    """name: of the universe's folder, the first 16 digits of its id. universe: the whole id,
    where it is known; folds say it too. Without both, or without folds, all records are read.

    Raises:
        StorageError: a record or a claim cannot be read as one.
    """
    return _Reading(pool, name).stock(universe)


def folded_shards(pool: Folder, name: str) -> Iterator[str]:
    """Paths of the shards that folds name; a fold whose file of records is damaged names none.

    Raises:
        StorageError: the folds cannot be read at all.
    """
    folds = Folds(pool.child(f"_work/{name}"))
    for fold, _ in folds.all():
        try:
            yield from [path for _, path, _ in folds.shards(fold)]
        except StorageError:
            continue


class _Reading:
    """Reads one universe's folder once."""

    def __init__(self, pool: Folder, name: str) -> None:
        self._work = Work(pool.child(f"_work/{name}"))
        self._stock = Stock(name)
        self._made, self._failed = Growing(), Growing()
        self._accepted: dict[str, Growing] = defaultdict(Growing)
        self._folds: dict[int, Fold] = {}
        self._whole: str | None = None

    def stock(self, universe: str | None) -> Stock:
        stock, log = self._stock, self._read_folds()
        whole = universe or self._whole
        if self._folds and whole is not None:
            self._read_open(whole, log)
        else:
            self._read_all(log)
        stock.made, stock.failed = self._made.by_class(), self._failed.by_class()
        stock.accepted = {one: sets.by_class() for one, sets in sorted(self._accepted.items())}
        times = [at for at, _ in stock.moments]
        folded = (info.modified for info in self._work.folder.stored("folds"))
        stock.touched = max([*times, *(at for at in folded if at is not None)], default=None)
        return stock

    # ---- folds -----------------------------------------------------------------------

    def _read_folds(self) -> list[Claim]:
        """The log of claims; of what they fold only the summaries are looked at."""
        said: dict[str, list[pa.Table]] = defaultdict(list)
        claims = Claims(self._work.folder, "")
        log: list[Claim] = []
        seen: set[int] = set()
        for fold, summary in Folds(self._work.folder).all():
            log = log or claims.all()  # after the folds were listed, so that it holds theirs
            if fold.claim in seen or not _is_of(fold, log):
                continue
            seen.add(fold.claim)
            filters, about = fold.about["filters"], fold.about
            if about["shards"] and len(filters) != 1:
                continue  # several jobs judged it: only its records say by which filters
            self._folds[fold.claim] = fold
            self._whole = about.get("universe", self._whole)
            some = said[filters[0] if filters else ""]
            some.append(summary)
            if len(some) == _AT_ONCE:
                self._include(said.pop(filters[0] if filters else ""), filters)
        for digest, some in said.items():
            self._include(some, [digest] if digest else [])
        return claims.all()

    def _include(self, summaries: Sequence[pa.Table], filters: Sequence[str]) -> None:
        said = said_together(summaries, filters[0] if filters else "")
        made = said.pop((MADE, ""), {})
        self._made.merge(made)
        self._failed.merge(said.pop((FAILED, ""), {}))
        for digest in filters:
            passed = dict(made)
            for rejected in said.values():
                for label, found in rejected.items():
                    passed[label] = passed.get(label, Intervals()) - found
            self._accepted[digest].merge(passed)

    def _count(self, fold: Fold) -> None:
        stock, about = self._stock, fold.about
        stock.units += about["units"]
        stock.claimed += about["units"]
        stock.shards += about["shards"]
        stock.bytes += about["bytes"]
        for job_id, kept in about["spent"].items():
            stock.spent[job_id] = stock.spent.get(job_id, Spent()).and_of(Spent.kept(kept))

    def _units(self, whole: str, claim: Claim, again: int = 0) -> PoolUnits:
        return cut_pool_units(whole, "", claim.needs, claim.rows_per_unit, again)

    def _read_open(self, whole: str, log: Sequence[Claim]) -> None:
        """Count the folds, and read the records that none of them holds, by name."""
        for fold in self._folds.values():
            self._count(fold)
        rest = [self._units(whole, claim) for claim in log if claim.number not in self._folds]
        self._stock.claimed += sum(map(len, rest))
        rest += [
            self._units(whole, claim, number)
            for number, claims in claims_again(self._work.folder)
            for claim in claims
        ]
        names = [unit.name for units in rest for unit in units]
        rows: dict[str, int] = {}
        for unit, record in self._work.some(names):
            self._take(record)
            rows[unit] = _rows(record)
        self._stock.waiting = {name for name in names if name not in rows}
        timed = [(name, rows[name]) for name in names if name in rows][-_TIMED:]
        if len(timed) < _TIMED:
            newest = self._units(whole, log[max(self._folds)])
            before = newest[max(0, len(newest) - (_TIMED - len(timed))) :]
            timed = [(unit.name, unit.rows) for unit in before] + timed
        times = touched_each(self._work.folder, [f"units/{name}.json" for name, _ in timed])
        self._stock.moments = [
            (at, n) for at, (_, n) in zip(times, timed, strict=True) if at is not None
        ]

    # ---- records ---------------------------------------------------------------------

    def _read_all(self, log: Sequence[Claim]) -> None:
        """Every record, listed with its time."""
        self._made, self._failed = Growing(), Growing()
        self._accepted = defaultdict(Growing)
        for info in self._work.folder.stored("units"):
            if info.path.endswith(".json") and not info.temporary:
                unit = info.path.removeprefix("units/").removesuffix(".json")
                record = self._work.get(unit)
                if record is not None:
                    self._take(record)
                    if info.modified is not None:
                        self._stock.moments.append((info.modified, _rows(record)))
        name = self._stock.name
        self._stock.claimed = sum(len(self._units(name, claim)) for claim in log)

    def _take(self, record: Mapping[str, Any]) -> None:
        stock = self._stock
        stock.recorded.add(record["unit"])
        stock.units += 1
        stock.again += record.get("again", 0) > 0
        job_id = str(record["stamp"][0])
        stock.spent[job_id] = stock.spent.get(job_id, Spent()).plus(record)
        for label, index, _ in record["failed"]:
            self._failed.add(label, ((index, index + 1),))
        if record["entry"] is None:
            return
        stock.paths.append(record["entry"]["path"])
        stock.shards += 1
        stock.bytes += record["entry"]["size"]
        for number, group in enumerate(record["groups"]):
            for label, spans in group.items():
                made = Intervals((a, b) for a, b in spans)
                self._made.add(label, made.spans)
                for digest, groups in record["verdicts"].items():
                    rejected = [
                        (a, b)
                        for by_class in groups[number].values()
                        for a, b in by_class.get(label, ())
                    ]
                    passed = made - Intervals(rejected)
                    self._accepted[digest].add(label, passed.spans)


def _is_of(fold: Fold, log: Sequence[Claim]) -> bool:
    return fold.claim < len(log) and bool(fold.about["claim"] == log[fold.claim].digest)


def _rows(record: Mapping[str, Any]) -> int:
    return sum(stop - start for _, start, stop in record["ranges"])


def rows_per_minute(moments: Sequence[Moment], window_s: float = WINDOW_S) -> float | None:
    """Over the records of the last `window_s` before the newest one; None where two moments
    are not known. The first one's rows were made before the window."""
    if not moments:
        return None
    newest = max(at for at, _ in moments)
    recent = sorted((at, rows) for at, rows in moments if at >= newest - window_s)
    span = newest - recent[0][0]
    if span <= 0:
        return None
    return 60.0 * sum(rows for _, rows in recent[1:]) / span
