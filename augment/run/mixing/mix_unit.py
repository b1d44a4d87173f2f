"""One unit of a data set: real rows, pool rows and the copies of both -> one shard.

Reads its slice of the frozen census and its row groups of the pool; every image is read
once. Rows are shuffled inside the shard; the record counts what was written and what was
left out, cell by cell.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import SampleError, StorageError, UnitFailed
from augment.logs import actor
from augment.mix import MixUnit, PoolSlice, shuffled
from augment.run.census import read_census
from augment.run.engines.ending import Ending
from augment.run.engines.suspects import Stage, Trail, Watch
from augment.run.mixing.copying import count_copies
from augment.run.mixing.refused import in_record
from augment.run.mixing.rows import Made, RowMaker
from augment.run.prepare import Frozen
from augment.run.scoring.kept import FOLDER, Scores
from augment.run.scoring.scorers import Scorers, known_scorers
from augment.run.synthesis.pool_unit import is_published
from augment.run.watch.beats import Beat
from augment.sample import (
    GeneratorRef,
    Origin,
    Parent,
    PoolRow,
    QuarantinedRow,
    RealRow,
    SampleRow,
    sample_table,
)
from augment.sources import SourceReader, open_source
from augment.storage import Folder
from augment.transforms import limit_threads
from augment.write import count_cells, cut_by_bytes, image_sizes, write_shard


@dataclass(frozen=True)
class MixTask:
    """What a worker of data-set units is made from. run: names the run, for its tries."""

    frozen: Frozen
    run: str = ""

    def worker(self, alone: bool = False) -> MixWorker:
        return MixWorker(self.frozen, self.run, alone=alone)


@dataclass(frozen=True)
class Input:
    """One image and what can be made of it: so many rows, or losses with their cause."""

    make: Callable[[], Made]
    lose: Callable[[SampleError], Made]
    rows: int


class Named(Protocol):
    """What a shard is named after."""

    @property
    def split(self) -> str: ...
    @property
    def name(self) -> str: ...


class MixWorker:
    """Builds units of one job's data set."""

    def __init__(
        self, frozen: Frozen, run: str = "", stage: str = "mix", *, alone: bool = False
    ) -> None:
        """stage: what its progress is told as. alone: see `Task.worker`."""
        limit_threads(1)  # a unit has one CPU; OpenCV would start a thread per core
        self._frozen, self._run = frozen, run
        self._prepared = prepared = frozen.prepared
        self._output, self._pool, self._work = prepared.output, prepared.pool, prepared.work
        self._scorers = known_scorers(prepared)
        self.maker = RowMaker(frozen)
        self._beat = Beat(prepared.work.folder, run, stage, actor())
        self._ending = Ending(alone)
        self._row_s = prepared.job.spec.execution.image_timeout_s
        self._readers: dict[str, SourceReader] = {
            name: open_source(name, source, prepared.options)
            for name, source in prepared.job.spec.sources.items()
        }

    def __call__(self, unit: str) -> str:
        todo = MixUnit.from_json(json.loads(unit))
        known = self._work.get(todo.name)
        if known is None:
            attempt = self._work.begin(todo.name)
            begun = time.monotonic()
            built = self.build(todo, Trail(self._work, attempt, self._run))
            seconds = {"make": round(time.monotonic() - begun, 3)}
            known = self._work.record(attempt, {**built, "seconds": seconds})
        elif not is_published(self._output, known["entry"]):
            self._remake(todo, known)
        return json.dumps(known)

    def risky(self, unit: str) -> bool:
        """See `Wary`."""
        return self._work.troubled(MixUnit.from_json(json.loads(unit)).name)

    def _remake(self, unit: MixUnit, known: Mapping[str, Any]) -> None:
        """A recorded shard was lost: the same inputs give the same bytes and so the same name."""
        path = known["entry"]["path"]
        trail = Trail(self._work, self._work.begin(unit.name), self._run)
        check_same(self._output, path, self.build(unit, trail)["entry"])

    def build(self, unit: MixUnit, trail: Trail) -> dict[str, Any]:
        """Write the unit's shard and say what is in it."""
        census = read_census(self._work, self._frozen.census, *unit.census)
        found = self._inputs(census, unit.pool)
        return self.keep(unit, found, trail, lambda: self.rows(census, unit.pool))

    def keep(
        self, unit: Named, found: Iterable[Input], trail: Trail, rows: Callable[[], int]
    ) -> dict[str, Any]:
        """Write what was `found` as the unit's shard and say what is in it. rows: how many there
        will be; asked where the unit takes so long that somebody wants to know."""
        made = Made()
        inputs = 0
        trail.at("read")
        self._beat.begin(unit.name, rows)
        watch = Watch(self._row_s, lambda stage, late: self._hung(unit, stage, late, trail))
        with self._ending.told(), watch:
            for at, one in enumerate(found):
                inputs += 1
                made.take(self._taken(at, one, trail, watch))
                self._beat.at(len(made.rows) + len(made.bad))
        trail.at("keep")
        table = self._table(unit, made)
        record = {
            "inputs": inputs,
            "cube": count_cells(table),
            "cells": self._cells(made),
            "copies": count_copies(made.rows),
            "quarantine": [asdict(row) for row, _ in made.bad],
            **in_record(made.refused),
        }
        del made  # a shard's images stand in memory once while it is written, not twice
        return {"entry": self._write(unit, table), **record}

    def _taken(self, at: int, one: Input, trail: Trail, watch: Watch) -> Made:
        """The rows of input number `at`; one that ended earlier tries is not touched."""
        if reason := trail.known.lost.get(at):
            return one.lose(SampleError(reason, self._why_lost(reason, one)))
        trail.reach(at)
        with watch.over("make", lambda: (at,), self._row_s * one.rows):
            return one.make()

    def _why_lost(self, reason: str, one: Input) -> str:
        if reason == "timeout":
            return f"its rows took longer than image_timeout_s allows ({self._row_s:g} s each)"
        return "every process that made rows of it died"

    def _hung(self, unit: Named, stage: Stage, late: Sequence[int], trail: Trail) -> None:
        """An image takes too long: it is noted, and the try ends."""
        trail.fatal(stage, late, "timeout")
        self._ending.end(
            UnitFailed(
                f"unit {unit.name}: the rows of one image took longer than image_timeout_s allows "
                f"({self._row_s:g} s each); run the same command again: it is tried apart once "
                "more and left out then. Raise image_timeout_s if it is only slow"
            )
        )

    def _table(self, unit: Named, made: Made) -> pa.Table:
        order = shuffled(len(made.rows), self._prepared.job.spec.seed, unit.name)
        table = sample_table([made.rows[i][0] for i in order], self._frozen.stamp)
        return table.select(self._frozen.columns)

    def _write(self, unit: Named, table: pa.Table) -> dict[str, Any] | None:
        if not table.num_rows:
            return None
        return write_shard(
            table,
            self._output,
            f"data/{unit.split}/{self._prepared.job_id}/{unit.name}",
            class_names=self._frozen.plan.classes,
            group_rows=cut_by_bytes(
                image_sizes(table), self._prepared.job.spec.output.shard.row_group_bytes
            ),
        ).to_json()

    def _inputs(self, census: Iterable[RealRow], pool: Iterable[PoolSlice]) -> Iterator[Input]:
        yield from self.real(census)
        for part in pool:
            for pool_row, rank in self.pool_rows(part):
                yield self.generated(part, pool_row, rank)

    def pool_rows(self, part: PoolSlice) -> Iterator[tuple[PoolRow, int]]:
        """The selected rows of a pool row group, with their ranks and all scores."""
        return read_slice(self._pool, part, self._scorers)

    def rows(self, census: Iterable[RealRow], pool: Iterable[PoolSlice]) -> int:
        """How many rows these inputs and their copies are."""
        count = self.maker.rows_of
        real = sum(count((row.split, row.label_name, None), row.rank) for row in census)
        return real + sum(
            count((part.split, label, part.generator), first + i)
            for part in pool
            for label, indexes, first in part.selected
            for i in range(len(indexes))
        )

    def real(self, rows: Iterable[RealRow]) -> Iterator[Input]:
        """Census rows as inputs; each source is read in its own order."""
        by_source: dict[str, list[RealRow]] = {}
        for row in rows:
            by_source.setdefault(row.source, []).append(row)
        real, count = self.maker.real, self.maker.rows_of
        for source, some in by_source.items():
            for row, data in zip(some, self._readers[source].read(some), strict=True):
                n = count((row.split, row.label_name, None), row.rank)
                yield Input(partial(real, row, data), partial(real, row), n)

    def generated(self, part: PoolSlice, row: PoolRow, rank: int) -> Input:
        """A pool row as an input."""
        one = (part.generator, part.split, row, rank)
        maker = self.maker
        rows = maker.rows_of((part.split, row.label_name, part.generator), rank)
        return Input(partial(maker.generated, *one), partial(maker.lost_generated, *one), rows)

    def _cells(self, made: Made) -> list[list[Any]]:
        """[split, class, origin, source, generator's name, augmentation, written, quarantined]."""
        names = {self._prepared.generator_id(name): name for name in self._prepared.infos}
        written = Counter(_cell(row, augmentation, names) for row, augmentation in made.rows)
        lost = Counter(_lost_cell(row, augmentation, names) for row, augmentation in made.bad)
        cells = sorted({*written, *lost}, key=str)
        return [[*cell, written[cell], lost[cell]] for cell in cells]


def check_same(output: Folder, path: str, made: Mapping[str, Any] | None) -> None:
    """Raises:
    StorageError: a recorded shard that was lost was made again with other bytes.
    """
    if (made or {}).get("path") != path:
        raise StorageError(
            f"{output.url(path)}: this recorded shard is gone and its inputs have changed since, "
            "so it cannot be made again; restore it, or restore its inputs"
        )


def read_slice(
    pool: Folder, part: PoolSlice, scorers: Scorers | None = None
) -> Iterator[tuple[PoolRow, int]]:
    """The selected rows of one pool row group, with their ranks in this data set. scorers: their
    scores stand beside those of the rows."""
    try:
        with pool.open(part.shard) as file:
            parquet = pq.ParquetFile(file)
            at = sum(parquet.metadata.row_group(n).num_rows for n in range(part.row_group))
            table = parquet.read_row_group(part.row_group)
    except FileNotFoundError as e:
        raise StorageError(
            f"{pool.url(part.shard)}: the plan draws from this pool shard, but it is gone; "
            "restore it, or make it again: `augment run` does, `augment mix` makes no samples"
        ) from e
    more = _scores(pool, part.shard, scorers) if scorers else None
    for batch in table.to_batches(max_chunksize=256):
        for raw in batch.to_pylist():
            rank = _rank(part, raw["label_name"], raw["generator"]["index"])
            if rank is not None:
                row = _pool_row(raw)
                yield row if more is None else _with_scores(row, more[at]), rank
            at += 1


def _scores(pool: Folder, shard: str, scorers: Scorers) -> Sequence[Scores]:
    found = scorers.of(shard)
    if found is None:
        raise StorageError(
            f"{pool.url(shard)}: the scores that the job judged this pool shard by are gone from "
            f"{pool.url(FOLDER)}; run the same command again, which computes them again"
        )
    return found


def _with_scores(row: PoolRow, more: Scores) -> PoolRow:
    """A score that its scorer could not say is left out."""
    known = ((name, value) for name, value in more.items() if not math.isnan(value))
    return replace(row, scores=tuple(sorted((*row.scores, *known))))


def _rank(part: PoolSlice, label: str, index: int) -> int | None:
    """The row's rank in split x class x generator; None where it was not selected."""
    for name, selected, first in part.selected:
        if name == label and index in selected:
            return first + selected.rank(index)
    return None


def _pool_row(raw: Mapping[str, Any]) -> PoolRow:
    return PoolRow(
        sample_id=raw["sample_id"],
        image=raw["image"]["bytes"],
        label_name=raw["label_name"],
        origin=Origin(raw["origin"]),
        digital_source_type=raw["digital_source_type"],
        width=raw["width"],
        height=raw["height"],
        sha256=raw["sha256"],
        generator=GeneratorRef(**raw["generator"]),
        parents=tuple(Parent(**p) for p in raw["parents"]),
        scores=tuple((s["name"], s["value"]) for s in raw["scores"]),
        marks=tuple(raw["marks"]),
        mask=None if raw["mask"] is None else raw["mask"]["bytes"],
    )


Cell = tuple[str, str, str, str | None, str | None, str | None]


def _cell(row: SampleRow, augmentation: str | None, names: Mapping[str, str]) -> Cell:
    source = row.source[0] if row.source else None
    generator = names[row.generator.id] if row.generator else None
    return row.split, row.label_name, row.origin.value, source, generator, augmentation


def _lost_cell(row: QuarantinedRow, augmentation: str | None, names: Mapping[str, str]) -> Cell:
    source = row.source if row.origin is Origin.REAL else None
    generator = names[row.generator] if row.generator else None
    return row.split, row.label_name, row.origin.value, source, generator, augmentation
