"""What a pool holds of one universe for one job: folds first, then the records that none holds.

Where there are folds nothing is listed but them: the log of claims says which units there are,
and records of claims that no fold holds are asked for by name. Where there is none yet, as in
a pool that an older version filled, all records are listed and read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augment.errors import StorageError
from augment.filters import Filter
from augment.mix import PoolGroup
from augment.plan import PoolUnits, cut_pool_units
from augment.run.scoring.scorers import Scorers
from augment.run.scoring.scoring import PoolShard
from augment.run.synthesis.cost import Spent
from augment.run.synthesis.pool_unit import is_published, universe_work
from augment.run.synthesis.summary import said_together, summarise
from augment.run.synthesis.verdicts import Universe
from augment.storage import Folder
from augment.write import Claim, Claims, Fold, Folds, Record, ShardEntry, claims_again

_LOG = logging.getLogger("augment.run")
_AT_ONCE = 64
"""Summaries that are put together at once."""
_OF_RESULT = ("made", "batches")
"""What a worker's result has and its record has not."""


class Holdings:
    """Knows which units are recorded and what they hold; folds the claims that are complete."""

    universe: Universe
    spent: Spent
    """What this job's runs spent on what is held."""

    def __init__(
        self,
        pool: Folder,
        universe: str,
        generator: str,
        judge: tuple[Sequence[Filter], str],
        job_id: str,
        scorers: Scorers | None = None,
    ) -> None:
        """universe: the whole id. generator: the job's name for it. judge: the job's filters,
        and their digest. scorers: of filters that need more than the image."""
        self.work = universe_work(pool, universe)
        self.claims = Claims(self.work.folder, "")
        self._pool, self._id, self._generator = pool, universe, generator
        self._filters, self._digest = judge
        self._job_id, self._scorers = job_id, scorers or Scorers(pool)
        self._files = Folds(self.work.folder)
        self._looked = False
        self._listed = False
        self._untold = 0
        self._read()

    # ---- reading ---------------------------------------------------------------------

    def _read(self, lost: Collection[str] = (), torn: Mapping[int, Fold] | None = None) -> None:
        """lost: units whose shard is gone; they are not held. torn: folds that do not
        hold, by claim."""
        self.universe, self.spent = Universe(self._generator), Spent()
        self._folds: dict[int, Fold] = {}
        self._foreign: set[int] = set()  # claims whose fold has not the job's verdicts
        self._unscored: dict[str, Record] = {}
        self._torn = dict(torn or {})
        self._read_folds()
        self._listed = not (self._folds or self._foreign)
        found = self.work.records() if self._listed else self.work.some(self._open_units())
        for unit, record in found:
            if unit not in lost:
                self.take(record)

    def _read_folds(self) -> None:
        said: list[pa.Table] = []
        log: list[Claim] = []
        for fold, summary in self._files.all():
            log = log or self.claims.all()  # after the folds were listed, so that it holds theirs
            number = fold.claim
            passed = number in self._folds or number in self._torn or number in self._foreign
            if passed or not _is_of(fold, log):
                continue
            if not self._judged(fold):
                self._foreign.add(number)
                continue
            self._count(fold)
            said.append(summary)
            if len(said) == _AT_ONCE:
                self.universe.include(said_together(said, self._digest))
                said.clear()
        if said:
            self.universe.include(said_together(said, self._digest))

    def _judged(self, fold: Fold) -> bool:
        """Whether the fold's summary holds the verdicts of the job's filters."""
        return self._digest in fold.about["filters"] or not fold.about["shards"]

    def _count(self, fold: Fold) -> None:
        self._folds[fold.claim] = fold
        if (mine := fold.about["spent"].get(self._job_id)) is not None:
            self.spent = self.spent.and_of(Spent.kept(mine))
        self._untold += fold.about["bytes"]

    def _open_units(self) -> Iterator[str]:
        """Units of claims that no fold holds, those that try failed indexes again among them."""
        for claim in self.claims.all():
            if claim.number not in self._folds:
                yield from (unit.name for unit in self.units(claim))
        yield from self._units_again()

    def _units_again(self) -> Iterator[str]:
        for number, claims in claims_again(self.work.folder):
            for claim in claims:
                yield from (unit.name for unit in self.units(claim, number))

    def units(self, claim: Claim, again: int = 0) -> PoolUnits:
        """The units of a claim."""
        return cut_pool_units(self._id, self._generator, claim.needs, claim.rows_per_unit, again)

    def holds(self, unit: str) -> bool:
        """Whether a unit is recorded, of a claim that no fold holds."""
        return unit in self.universe.records or unit in self._unscored

    def folded(self, claim: Claim) -> bool:
        """Whether a fold says that all units of a claim are recorded."""
        return claim.number in self._folds

    def take(self, found: Mapping[str, Any]) -> None:
        """Take in a record, or a worker's result that is one. Where the job's filters have not
        judged it and its shard, which would tell, is gone, it is no record."""
        record = {key: value for key, value in found.items() if key not in _OF_RESULT}
        entry = record["entry"]
        judged = entry is None or self._digest in record["verdicts"]
        if self.holds(record["unit"]) or not (judged or is_published(self._pool, entry)):
            return
        if record["stamp"][0] == self._job_id:
            self.spent = self.spent.plus(record)
        self._untold += 0 if entry is None else entry["size"]
        self._judge(record)

    def _judge(self, record: Record) -> None:
        """One whose shard is not scored has to wait: nobody knows what of it is accepted."""
        entry, more = record["entry"], None
        if entry is not None and self._scorers:
            more = self._scorers.of(entry["path"], entry["sha256"])
            if more is None:
                self._unscored[record["unit"]] = record
                return
        self.universe.add(record, self._pool, self._filters, self._digest, more)

    def unscored(self) -> list[PoolShard]:
        """Shards that wait to be scored."""
        entries = [record["entry"] for record in self._unscored.values()]
        return [PoolShard(entry["path"], entry["sha256"]) for entry in entries]

    def scored(self) -> None:
        """Take in what waited, once it is scored.

        Raises:
            StorageError: scores that were written cannot be read.
        """
        waiting, self._unscored = self._unscored, {}
        for record in waiting.values():
            self._judge(record)
        if self._unscored:
            path = next(iter(self._unscored.values()))["entry"]["path"]
            raise StorageError(
                f"{self._pool.url(path)}: its scores were written and cannot be read back; "
                "something else writes there, or the disk is bad"
            )

    def untold(self) -> int:
        """Bytes of the shards that were taken in since this was asked last."""
        told, self._untold = self._untold, 0
        return told

    # ---- shards ----------------------------------------------------------------------

    def look(self) -> bool:
        """Look once whether all shards are there; what is lost is not held any more, and whether
        there was any. A shard is published before its record, so records are read first."""
        if self._looked:
            return False
        self._looked = True
        data = f"data/{self._id[:16]}"
        files = self._pool.child(data).files()
        there = np.fromiter(
            (hash((f"{data}/{file.path}", file.size)) for file in files), dtype=np.int64
        )
        there.sort()
        lost, torn = self._gone(there)
        if lost or torn:
            untold = self._untold
            self._read(lost, torn)
            self._untold = untold
        return bool(lost or torn)

    def _gone(self, there: np.ndarray) -> tuple[set[str], dict[int, Fold]]:
        """(units whose shard is not there, folds that hold one or are damaged)."""
        entries = (
            (name, json.loads(text)["entry"]) for name, text in self.universe.records.items()
        )
        lost = set(_missing(((n, e["path"], e["size"]) for n, e in entries if e), there))
        torn: dict[int, Fold] = {}
        for number, fold in self._folds.items():
            try:
                missing = _missing(self._files.shards(fold), there)
            except StorageError as error:
                _LOG.warning("%s", error)
                missing, torn[number] = [], fold
            if missing:
                lost.update(missing)
                torn[number] = fold
        return lost, torn

    def _records(self, wanted: Callable[[str], bool] | None = None) -> Iterator[Record]:
        """All that is held; records of folds come first. wanted: of a fold that has no shard
        whose path is, none."""
        for _, fold in sorted(self._folds.items()):
            if wanted is None or any(wanted(path) for _, path, _ in self._files.shards(fold)):
                yield from self._files.records(fold)
        yield from (json.loads(text) for _, text in self.universe.records.items())

    def groups(self) -> Iterator[PoolGroup]:
        """Every row group that is held, with what the job accepts of it."""
        return self.universe.groups(self._records(), self._digest)

    def entries(self, but: Collection[str]) -> list[ShardEntry]:
        """Of the shards that are held, those whose path is not one of these, by path."""
        found = {
            entry["path"]: entry
            for record in self._records(lambda path: path not in but)
            if (entry := record["entry"]) is not None and entry["path"] not in but
        }
        return [ShardEntry.from_json(found[path]) for path in sorted(found)]

    # ---- folding ---------------------------------------------------------------------

    def fold(self) -> None:
        """Fold every claim whose units are all recorded. A fold that cannot be written costs the
        next reader time, and nothing else."""
        log = self.claims.all()
        if self._listed and self._strays(log):
            return
        self._listed = False
        for claim in log:
            if self.folded(claim) or claim.number in self._foreign:
                continue
            if all(unit.name in self.universe.records for unit in self.units(claim)):
                try:
                    self._fold(claim)
                except StorageError as error:
                    _LOG.warning("%s", error)
                    return

    def _strays(self, log: Sequence[Claim]) -> bool:
        """Whether there are records that no claim names, which nobody finds beside folds."""
        claimed = {unit.name for claim in log for unit in self.units(claim)}
        return not self.universe.records.keys() <= claimed.union(self._units_again())

    def _fold(self, claim: Claim) -> None:
        names = [unit.name for unit in self.units(claim)]
        records = [json.loads(self.universe.records[name]) for name in names]
        summary, about = summarise(records)
        about |= {"claim": claim.digest, "universe": self._id}
        after = self._torn.get(claim.number)
        fold = self._files.write(claim.number, records, summary, about, after)
        self._folds[claim.number] = fold
        for name in names:
            del self.universe.records[name]


def _is_of(fold: Fold, log: Sequence[Claim]) -> bool:
    return fold.claim < len(log) and bool(fold.about["claim"] == log[fold.claim].digest)


def _missing(shards: Iterator[tuple[str, str, int]], there: np.ndarray) -> list[str]:
    """Units whose shard is not there with its size. there: hashes of (path, size), sorted."""
    known = list(shards)
    wanted = np.fromiter((hash((path, size)) for _, path, size in known), dtype=np.int64)
    return [known[at][0] for at in np.flatnonzero(~np.isin(wanted, there)).tolist()]
