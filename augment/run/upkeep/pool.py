"""`augment pool ls` and `augment pool gc`: what a pool holds, and what of it may go.

A universe is everything that one generator with one sampling makes from one seed. Its rows are
visible in the pool's table, so they are removed only where somebody names the universe, or an
age: first from the table, in one transaction, then the files, then the records.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import RequestError, StorageError
from augment.run.scoring.kept import FOLDER
from augment.run.synthesis.stock import Stock, folded_shards, read_stock
from augment.run.synthesis.uses import Use, read_uses
from augment.run.upkeep.litter import (
    ORPHAN,
    Cleaning,
    Litter,
    found_in,
    leases,
    living,
    refuse_linked_log,
    refuse_living,
    remove,
    temporaries,
    tries,
)
from augment.storage import Folder, Options, Stored
from augment.write import Lease, Work, live_files, named_files, newest_version, withdraw

Clock = Callable[[], float]

_DAY_S = 86400.0
_UNIVERSE = re.compile(r"[0-9a-f]{16}")
_SHARD = re.compile(
    r"data/(?P<universe>[0-9a-f]{16})/(unit|again)-[0-9a-f]{20}-[0-9a-f]{12}\.parquet"
)
_SCORES = re.compile(rf"{FOLDER}/[0-9a-f]{{32}}/(?P<shard>[0-9a-f]{{16}}/[^/]+)\.json")
_STALE = "scores of a shard that no record and no version names"
_WHOLE = "part of a universe that was asked to go"


@dataclass(frozen=True)
class UniverseStatus:
    """One universe. id: the first 16 digits. names: generators of jobs, as jobs call them.
    classes: class -> samples made. accepted: digest of the filters -> samples. unmade: units
    that somebody claimed and nobody recorded. visible: files in the pool's table. last_use: when
    a job last began to draw from it or made some of it, None if unknown."""

    id: str
    family: str | None
    names: tuple[str, ...]
    classes: dict[str, int]
    made: int
    failed: int
    accepted: dict[str, int]
    units: int
    unmade: int
    shards: int
    visible: int
    bytes: int
    jobs: tuple[str, ...]
    last_use: float | None


@dataclass(frozen=True)
class PoolStatus:
    """A pool. working: who holds a lease there and lives."""

    pool: str
    version: int | None
    at: float
    universes: tuple[UniverseStatus, ...]
    working: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def pool_status(pool: str, options: Options | None = None, clock: Clock = time.time) -> PoolStatus:
    """Every universe of a pool; reads records, not images, and writes nothing.

    Raises:
        RequestError: there is no pool. StorageError: a record or the log cannot be read.
    """
    folder = Folder(pool, options)
    names, now, version = _universes(folder), clock(), newest_version(folder)
    live = {f.path for f in live_files(folder, version)} if version is not None else set()
    working = [str(seen.holder) for seen in living(folder, "_work", now)]
    found = (_status(folder, name, live) for name in names)
    kept = tuple(u for u in found if u.units or u.unmade or u.visible or u.jobs)
    return PoolStatus(folder.uri, version, now, kept, tuple(working))


def gc(
    pool: str,
    *,
    yes: bool = False,
    universes: Sequence[str] = (),
    unused_days: float | None = None,
    options: Options | None = None,
    clock: Clock = time.time,
) -> Cleaning:
    """Find what may go from a pool; with `yes` remove it.

    universes: ids (or their first digits, as many as tell them apart) that go as a whole.
    unused_days: age of its last use after which a universe goes as a whole.

    Raises:
        RequestError: there is no pool, an id names none or several, or (with `yes`) somebody
            works there or on a job that draws from what would go.
        StorageError: a record or the log cannot be read, or the log lies behind a link.
    """
    folder = Folder(pool, options).pinned()
    refuse_linked_log(folder)
    known = [name for name in _universes(folder) if not _linked(folder, name)]
    wanted = _wanted(folder, known, universes, unused_days, clock())
    if not yes:
        litter, notes = _found(folder, wanted, clock())
        return Cleaning(folder.uri, tuple(litter), tuple(notes), removed=False)
    with Lease(folder.child("_work"), time.time) as lease:
        others = living(folder, "_work", clock(), (lease.id,))
        refuse_living(folder, "_work", others, "collect")
        _refuse_users(folder, wanted, clock())
        litter, notes = _found(folder, wanted, clock(), lease.id)
        going = {one.path for one in litter if one.why == _WHOLE}
        if going and newest_version(folder) is not None:
            withdraw(folder, going, {"removed_universes": " ".join(wanted)})
        remove(folder, _in_order(litter))
    return Cleaning(folder.uri, tuple(litter), tuple(notes), removed=True)


def _universes(folder: Folder) -> list[str]:
    known = {*folder.folders("_work"), *folder.folders("data")}
    found = sorted(name for name in known if _UNIVERSE.fullmatch(name))
    if not found and not {"_work", "_delta_log"}.intersection(folder.folders()):
        raise RequestError(
            f"{folder.uri}: no pool stands here; expected the folder that a job names as pool"
        )
    return found


def _linked(folder: Folder, name: str) -> bool:
    return folder.is_linked(f"_work/{name}") or folder.is_linked(f"data/{name}")


# ---- ls ------------------------------------------------------------------------------


def _status(folder: Folder, name: str, live: set[str]) -> UniverseStatus:
    stock, uses = read_stock(folder, name), list(read_uses(folder, name))
    own = [path for path in live if path.startswith(f"data/{name}/")]
    classes = {label: len(indexes) for label, indexes in sorted(stock.made.items())}
    families = sorted({use.family for use in uses})
    return UniverseStatus(
        id=name,
        family=families[0] if families else _family(folder, stock),
        names=tuple(sorted({use.generator for use in uses})),
        classes=classes,
        made=sum(classes.values()),
        failed=sum(len(stock.lost(label)) for label in stock.failed),
        accepted={d: sum(map(len, by.values())) for d, by in sorted(stock.accepted.items())},
        units=stock.units,
        unmade=stock.unmade,
        shards=stock.shards,
        visible=len(own),
        bytes=stock.bytes,
        jobs=tuple(sorted(stock.jobs | {use.job_id for use in uses})),
        last_use=_last_use(stock, uses),
    )


def _last_use(stock: Stock, uses: Sequence[Use]) -> float | None:
    times = [*(use.at for use in uses), stock.touched]
    return max((at for at in times if at is not None), default=None)


def _family(folder: Folder, stock: Stock) -> str | None:
    """As a row of a shard says it; None where no shard can be read."""
    for path in itertools.chain(sorted(stock.paths), folded_shards(folder, stock.name)):
        try:
            with folder.open(path) as file:
                group = pq.ParquetFile(file).read_row_group(0, ["generator"])
            return str(group.column("generator")[0].as_py()["family"])
        except (FileNotFoundError, StorageError, pa.ArrowException, KeyError):
            continue
    return None


# ---- gc ------------------------------------------------------------------------------


def _wanted(
    folder: Folder,
    known: Sequence[str],
    asked: Sequence[str],
    unused_days: float | None,
    now: float,
) -> list[str]:
    out: set[str] = set()
    for text in asked:
        fits = [name for name in known if name.startswith(text[:16]) and text]
        if not fits and any(_linked(folder, name) for name in _universes(folder) if text == name):
            raise RequestError(
                f"{folder.uri}: --universe {text!r} is reached by a link, and nothing is removed "
                "through a link; collect the pool that it leads to"
            )
        if len(fits) != 1:
            raise RequestError(
                f"{folder.uri}: --universe {text!r} fits {len(fits)} universes; expected one of "
                f"{', '.join(known[:10]) or '(none)'} (`augment pool ls` shows them)"
            )
        out.add(fits[0])
    if unused_days is not None:
        if unused_days < 0:
            raise RequestError(f"--unused-days: got {unused_days:g}; expected 0 or more")
        for name in known:
            last = _last_use(read_stock(folder, name), list(read_uses(folder, name)))
            if last is not None and now - last >= unused_days * _DAY_S:
                out.add(name)
    return sorted(out)


def _refuse_users(folder: Folder, wanted: Sequence[str], now: float) -> None:
    """A job that mixes holds a lease at its output, not here."""
    for name in wanted:
        for use in read_uses(folder, name):
            output = Folder(use.output, folder.options)
            refuse_living(output, f"_work/{use.job_id}", _users(output, use, now), "collect")


def _users(output: Folder, use: Use, now: float) -> list[Any]:
    try:
        return living(output, f"_work/{use.job_id}", now)
    except StorageError:  # the output is away: nobody can mix into it
        return []


def _found(
    folder: Folder, wanted: Sequence[str], now: float, own: str = ""
) -> tuple[list[Litter], list[str]]:
    """Files are listed before records and versions are read: what is published in between is
    named by then."""
    files, notes = found_in(folder)
    named = named_files(folder)
    out: list[Litter] = []
    whole = tuple(f"{part}/{name}/" for name in wanted for part in ("data", "_work"))
    going = {f.path for f in files if f.path.startswith(whole) or _universe_scored(f) in wanted}
    out += [Litter(f.path, f.size, _WHOLE) for f in files if f.path in going]
    rest = [f for f in files if f.path not in going]
    if busy := living(folder, "_work", now, (own,)):
        notes.append(f"{busy[0].holder} works here: an orphan may be a shard that is being made")
    notes += [_drawn_by(folder, name) for name in wanted]
    orphans = list(_orphans(folder, rest, named))
    gone = {litter.path for litter in orphans}
    kept = {f.path for f in rest if _SHARD.fullmatch(f.path) and f.path not in gone} | named
    out += orphans
    out += _stale_scores(rest, kept)
    out += temporaries(rest, now)
    out += leases(folder, "_work", rest, now)
    out += tries(rest)
    return list({one.path: one for one in out}.values()), notes


def _drawn_by(folder: Folder, name: str) -> str:
    jobs = (
        ", ".join(sorted(use.job_id for use in read_uses(folder, name))) or "no job that is known"
    )
    return (
        f"universe {name} is drawn from by {jobs}: one that is not committed makes its samples "
        "again, and earlier versions of the pool's table cannot be read any more"
    )


def _orphans(folder: Folder, files: Sequence[Stored], named: frozenset[str]) -> Iterator[Litter]:
    """Shards that no version names, no fold, and no record of the unit that the shard is of."""
    left = [f for f in files if _SHARD.fullmatch(f.path) and f.path not in named]
    for name, some in itertools.groupby(sorted(left), lambda file: file.path.split("/")[1]):
        folded = set(folded_shards(folder, name))
        unfolded = {file.path: file for file in some if file.path not in folded}
        units = {posixpath.basename(path).rpartition("-")[0] for path in unfolded}
        records = Work(folder.child(f"_work/{name}")).some(sorted(units))
        entries = (record["entry"] for _, record in records)
        recorded = {entry["path"] for entry in entries if entry is not None}
        for path, file in unfolded.items():
            if path not in recorded:
                yield Litter(path, file.size, ORPHAN)


def _universe_scored(file: Stored) -> str | None:
    """The universe whose scores a file holds, if it does."""
    found = _SCORES.fullmatch(file.path)
    return found["shard"].partition("/")[0] if found else None


def _stale_scores(files: Sequence[Stored], kept: frozenset[str] | set[str]) -> Iterator[Litter]:
    """What scorers were fit to stays: other shards are judged by it."""
    for file in files:
        found = _SCORES.fullmatch(file.path)
        if found and f"data/{found['shard']}.parquet" not in kept:
            yield Litter(file.path, file.size, _STALE)


def _in_order(litter: Sequence[Litter]) -> list[Litter]:
    """Data before records, and claims last, from the newest down: stopped anywhere, what is left
    of a universe is the beginning of its log of claims."""
    claims = [one for one in litter if "/claims/" in one.path]
    rest = [one for one in litter if "/claims/" not in one.path]
    rest.sort(key=lambda one: not one.path.startswith("data/"))
    return [*rest, *sorted(claims, key=lambda one: one.path, reverse=True)]
