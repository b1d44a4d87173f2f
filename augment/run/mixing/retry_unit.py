"""One unit of a retry: rows that were left out are made again, and new pool rows are added.

Inputs are found through the unit that they were first part of, and go the way that every
input goes; of what comes out only the rows that are wanted are kept, since the others are in
the data set already. Knows nothing of which rows ought to be tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augment.errors import InterruptedRun
from augment.mix import MixUnit, PoolSlice
from augment.run.census import read_census
from augment.run.engines.suspects import Trail
from augment.run.mixing.mix_unit import Input, MixWorker, check_same
from augment.run.mixing.rows import Made
from augment.run.prepare import Frozen, as_it_stands
from augment.run.synthesis.pool_unit import is_published
from augment.sample import RealRow
from augment.seeds import real_id
from augment.write import Work

Place = tuple[str, str]
"""A real row: its source and its locator."""


@dataclass(frozen=True)
class Part:
    """What is wanted of one earlier unit. ids: of its rows that were left out. real: inputs of
    those that are real rows or copies of such. made: whether any is a pool row or a copy of one."""

    unit: MixUnit
    ids: frozenset[str]
    real: frozenset[Place]
    made: bool


@dataclass(frozen=True)
class RetryUnit:
    """One shard to be made by retry `attempt`: parts of earlier units, or fresh pool rows."""

    split: str
    attempt: int
    number: int
    parts: tuple[Part, ...] = ()
    fresh: MixUnit | None = None

    @property
    def name(self) -> str:
        """`<split>-r2-00007`: unique within a job."""
        return f"{self.split}-r{self.attempt}-{self.number:05d}"

    def to_json(self) -> dict[str, Any]:
        parts = [
            {
                "unit": p.unit.to_json(),
                "ids": sorted(p.ids),
                "real": sorted(map(list, p.real)),
                "made": p.made,
            }
            for p in self.parts
        ]
        return {
            "split": self.split,
            "attempt": self.attempt,
            "number": self.number,
            "parts": parts,
            "fresh": None if self.fresh is None else self.fresh.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RetryUnit:
        parts = tuple(
            Part(
                MixUnit.from_json(p["unit"]),
                frozenset(p["ids"]),
                frozenset((source, locator) for source, locator in p["real"]),
                p["made"],
            )
            for p in value["parts"]
        )
        fresh = None if value["fresh"] is None else MixUnit.from_json(value["fresh"])
        return cls(value["split"], value["attempt"], value["number"], parts, fresh)


@dataclass(frozen=True)
class RetryTask:
    """What a worker of a retry's units is made from. work: of this retry. run: names the run,
    for its tries."""

    frozen: Frozen
    work: Work
    run: str = ""
    number: int = 0
    """Of this retry."""

    def worker(self, alone: bool = False) -> RetryWorker:
        return RetryWorker(self, alone)


class RetryWorker:
    """Builds units of one retry."""

    def __init__(self, task: RetryTask, alone: bool = False) -> None:
        """alone: see `Task.worker`."""
        self._frozen, self._work, self._run = task.frozen, task.work, task.run
        self._prepared = task.frozen.prepared
        self._mixer = MixWorker(task.frozen, task.run, f"retry {task.number}", alone=alone)

    def __call__(self, unit: str) -> str:
        todo = RetryUnit.from_json(json.loads(unit))
        known = self._work.get(todo.name)
        if known is None:
            attempt = self._work.begin(todo.name)
            built = self._build(todo, Trail(self._work, attempt, self._run))
            known = self._work.record(attempt, built)
        elif not is_published(self._prepared.output, known["entry"]):
            self._remake(todo, known["entry"]["path"])
        return json.dumps(known)

    def risky(self, unit: str) -> bool:
        """See `Wary`."""
        return self._work.troubled(RetryUnit.from_json(json.loads(unit)).name)

    def _remake(self, unit: RetryUnit, path: str) -> None:
        """A recorded shard was lost: the same inputs give the same bytes and so the same name."""
        trail = Trail(self._work, self._work.begin(unit.name), self._run)
        check_same(self._prepared.output, path, self._build(unit, trail)["entry"])

    def _build(self, unit: RetryUnit, trail: Trail) -> dict[str, Any]:
        """As a unit's record; what was tried before counts as a change: written rows were
        quarantined ones, so `quarantined` of a cell falls by what is written."""
        if unit.fresh is not None:
            fresh = unit.fresh
            found = self._pool(fresh.pool)
            record = self._mixer.keep(unit, found, trail, lambda: self._mixer.rows((), fresh.pool))
            return {**record, "tried": []}
        tried = sorted(i for part in unit.parts for i in part.ids)
        record = self._mixer.keep(unit, self._again(unit), trail, lambda: len(tried))
        written = sum(cell[-2] for cell in record["cells"])
        if written + len(record["quarantine"]) != len(tried):
            raise InterruptedRun(
                f"{unit.name}: {len(tried)} rows were tried again, {written} of them were made "
                f"and {len(record['quarantine'])} failed; nothing was committed. This is a defect "
                "of augment or a work folder changed by hand: please report it"
            )
        cells = [[*cell, wrote, -wrote] for *cell, wrote, _ in record["cells"] if wrote]
        return {**record, "cells": cells, "tried": tried}

    def _again(self, unit: RetryUnit) -> Iterator[Input]:
        for part in unit.parts:
            census = read_census(self._prepared.work, self._frozen.census, *part.unit.census)
            found = self._mixer.real(self._rows(part, census))
            yield from (_only(one, part.ids) for one in found)
            if part.made:
                yield from self._made(part)

    def _rows(self, part: Part, census: Iterable[RealRow]) -> Iterator[RealRow]:
        """A row that the data set lacks is read as its file stands now; where only copies of it
        are lacking, they are made from the very bytes that the data set holds."""
        for row in census:
            if (row.source, row.locator) in part.real:
                lacking = real_id(row.source, row.locator) in part.ids
                yield as_it_stands(self._prepared, row) if lacking else row

    def _made(self, part: Part) -> Iterator[Input]:
        for cut in part.unit.pool:
            for row, rank in self._mixer.pool_rows(cut):
                ids = self._mixer.maker.ids_of_made(cut.generator, cut.split, row, rank)
                if part.ids.intersection(ids):
                    yield _only(self._mixer.generated(cut, row, rank), part.ids)

    def _pool(self, slices: Iterable[PoolSlice]) -> Iterator[Input]:
        for cut in slices:
            for row, rank in self._mixer.pool_rows(cut):
                yield self._mixer.generated(cut, row, rank)


def _only(one: Input, ids: frozenset[str]) -> Input:
    """The input, of whose rows only these are kept."""
    make, lose = one.make, one.lose
    return Input(lambda: _kept(make(), ids), lambda error: _kept(lose(error), ids), one.rows)


def _kept(made: Made, ids: frozenset[str]) -> Made:
    return Made(
        [(row, rule) for row, rule in made.rows if row.sample_id in ids],
        [(row, rule) for row, rule in made.bad if row.sample_id in ids],
    )
