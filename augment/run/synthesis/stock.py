"""What a pool's work folder says of one universe: made, failed, accepted, claimed, how fast.

Read from records and claims alone, so that it needs no job, no generator and no images; writes
nothing. A record holds the verdicts of the filters of the job that made it; what other
filters would say is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augment.intervals import Intervals
from augment.plan import cut_pool_units
from augment.run.synthesis.cost import Spent
from augment.storage import Folder
from augment.write import Claims, Work

WINDOW_S = 600.0
ByClass = dict[str, Intervals]
Moment = tuple[float, int]
"""When a unit was recorded, and how many rows it made."""


@dataclass
class Stock:
    """One universe of a pool. made, failed: class -> indexes; one that failed and was made
    later is made. accepted: digest of the filters -> class -> indexes. shards: path -> bytes.
    units: recorded. again: how many of them make failed indexes again. claimed: units in claims.
    jobs: that made some of it. moments: of the records whose time is known."""

    name: str
    made: ByClass = field(default_factory=dict)
    failed: ByClass = field(default_factory=dict)
    accepted: dict[str, ByClass] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)
    again: int = 0
    claimed: int = 0
    jobs: set[str] = field(default_factory=set)
    moments: list[Moment] = field(default_factory=list)
    spent: dict[str, Spent] = field(default_factory=dict)
    """job id -> what it spent on what it made."""

    @property
    def unmade(self) -> int:
        """Units that somebody claimed and nobody recorded."""
        return max(0, self.claimed - (len(self.units) - self.again))

    def lost(self, label: str) -> Intervals:
        """Indexes that failed and have not been made since."""
        return self.failed.get(label, Intervals()) - self.made.get(label, Intervals())


def read_stock(pool: Folder, name: str) -> Stock:
    """name: of the universe's folder, the first 16 digits of its id.

    Raises:
        StorageError: a record or a claim cannot be read as one.
    """
    work = Work(pool.child(f"_work/{name}"))
    stock = Stock(name)
    for info in work.folder.stored("units"):
        if info.path.endswith(".json") and not info.temporary:
            unit = info.path.removeprefix("units/").removesuffix(".json")
            record = work.get(unit)
            if record is not None:
                _take(stock, record)
                if info.modified is not None:
                    stock.moments.append((info.modified, _rows(record)))
    for claim in Claims(work.folder, "").all():
        cut = cut_pool_units(name, "", claim.needs, claim.rows_per_unit)
        stock.claimed += len(cut)
    return stock


def _take(stock: Stock, record: Mapping[str, Any]) -> None:
    stock.units.add(record["unit"])
    stock.again += record.get("again", 0) > 0
    job_id = str(record["stamp"][0])
    stock.jobs.add(job_id)
    stock.spent[job_id] = stock.spent.get(job_id, Spent()).plus(record)
    for label, index, _ in record["failed"]:
        _merge(stock.failed, label, Intervals([(index, index + 1)]))
    if record["entry"] is None:
        return
    stock.shards[record["entry"]["path"]] = record["entry"]["size"]
    for number, group in enumerate(record["groups"]):
        for label, spans in group.items():
            made = Intervals((a, b) for a, b in spans)
            _merge(stock.made, label, made)
            for digest, groups in record["verdicts"].items():
                rejected = [
                    (a, b)
                    for by_class in groups[number].values()
                    for a, b in by_class.get(label, ())
                ]
                passed = made - Intervals(rejected)
                _merge(stock.accepted.setdefault(digest, {}), label, passed)


def _merge(into: ByClass, label: str, more: Intervals) -> None:
    into[label] = into.get(label, Intervals()) | more


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
