"""Making the data set's units: which rows each holds, who builds them, what came of it.

The arrangement (census slices and pool row groups of every unit) is frozen before the first
unit is built, so that a resume, another engine or another pool cannot change it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from augment.errors import InterruptedRun, RequestError
from augment.mix import MixUnit, cut_mix_units, select
from augment.run.engines.engine import Resources
from augment.run.mixing.mix_unit import MixTask
from augment.run.prepare import Frozen
from augment.run.scoring.scorers import known_scorers
from augment.run.synthesis.accounts import Synthesis
from augment.run.synthesis.cost import Spent
from augment.run.synthesis.filling import Crew
from augment.run.synthesis.uses import note_uses
from augment.run.watch.account import Account, account_from_json, account_to_json
from augment.run.watch.beats import Listening
from augment.storage import Folder
from augment.write import Work

Record = dict[str, Any]
_UNITS = "units.json"


class Losses(Protocol):
    """What was lost, and whether the job bears it."""

    def add(self, record: Record) -> None: ...
    def check(self) -> None: ...


class Borne:
    """Losses of a data set that is committed: whatever they are, they were borne."""

    def add(self, record: Record) -> None:
        """Nothing is counted."""

    def check(self) -> None:
        """Nothing stops the run."""


@dataclass(frozen=True)
class Arrangement:
    """The frozen units of a data set, with the accounts of the synthesis they draw from."""

    units: tuple[MixUnit, ...]
    accounts: tuple[Account, ...]
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """generator -> what was spent on its samples until then."""


def arrange(frozen: Frozen, synthesis: Synthesis) -> Arrangement:
    """Freeze which rows go into which unit; an arrangement that exists wins."""
    note_uses(frozen)
    selected, _ = select(frozen.plan.draws, synthesis.accepted)
    units = cut_mix_units(
        frozen.plan.units,
        frozen.ranges,
        synthesis.groups(),
        selected,
        frozen.prepared.job.spec.seed,
    )
    document = {
        "units": [unit.to_json() for unit in units],
        "accounts": [account_to_json(a) for a in synthesis.accounts],
        "spent": {name: asdict(one) for name, one in synthesis.spent.items()},
    }
    work = frozen.prepared.work
    return _thaw(work, work.freeze(_UNITS, json.dumps(document).encode()))


def arranged(frozen: Frozen) -> Arrangement | None:
    """The frozen arrangement, if there is one."""
    work = frozen.prepared.work
    text = work.frozen(_UNITS)
    return None if text is None else _thaw(work, text)


def _thaw(work: Work, text: bytes) -> Arrangement:
    try:
        document = json.loads(text)
        return Arrangement(
            tuple(MixUnit.from_json(unit) for unit in document["units"]),
            tuple(account_from_json(a) for a in document["accounts"]),
            {name: Spent(**one) for name, one in document.get("spent", {}).items()},
        )
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InterruptedRun(
            f"{work.folder.url(f'plan/{_UNITS}')}: no frozen units ({error}); it was changed by "
            "hand or written by another version: remove that work folder and run again"
        ) from error


def refuse_short_pool(frozen: Frozen, synthesis: Synthesis) -> None:
    """For `augment mix`, which makes no samples: what the pool lacks is an error.

    Raises:
        RequestError: naming what is missing.
    """
    for account in synthesis.accounts:
        if account.shortfall and account.attempted < account.cap:
            raise RequestError(
                f"pool {frozen.prepared.pool.uri}: generator {account.generator}, class "
                f"{account.label_name!r} has {account.selected} accepted samples; the plan needs "
                f"{account.target}: run `augment synthesize` (or `augment run`) first"
            )


def build(
    frozen: Frozen,
    arrangement: Arrangement,
    done: Mapping[str, Record],
    losses: Losses,
    crew: Crew,
) -> list[Record]:
    """Build the units that are not `done`; the records of all, by unit name. losses: knows what
    was lost before; is told of what is lost now.

    Raises:
        ErrorBudgetExceeded, GateError: too much is lost; what is built is kept.
    """
    records = dict(done)
    for record in records.values():
        crew.reporter.written(record)
    losses.check()
    missing = [unit for unit in arrangement.units if unit.name not in records]
    if missing:
        crew.reporter.begin(crew.engine)
    with crew.reporter.span("mix"):
        for record in _built(frozen, missing, crew):
            records[record["unit"]] = record
            losses.add(record)
            losses.check()
    return [records[name] for name in sorted(records)]


def _built(frozen: Frozen, units: Sequence[MixUnit], crew: Crew) -> Iterator[Record]:
    """The records of these units as they arrive, once everyone has been told of them."""
    if not units:
        return
    reporter, engine = crew.reporter, crew.engine
    reporter.stage("mix", len(units))
    texts = [json.dumps(unit.to_json()) for unit in units]
    task = reporter.task(MixTask(frozen, crew.lease.id), "mix", "", len(units))
    workers = frozen.prepared.job.spec.execution.workers or engine.cpus()
    with Listening(frozen.prepared.work.folder, crew.lease.id, reporter) as listening:
        for number, text in enumerate(engine.run(task, texts, Resources(workers=workers)), start=1):
            crew.watch()
            record = reporter.unit("mix", "", text)
            listening.finished(record["unit"])
            reporter.written(record)
            reporter.advance(number, 0 if record["entry"] is None else record["entry"]["rows"])
            yield record


def finished(frozen: Frozen) -> dict[str, Record]:
    """Records, by unit, whose shard is there with its size: only these need not be built."""
    prepared = frozen.prepared
    there = shard_sizes(prepared.output, list(frozen.plan.units), prepared.job_id)
    return {
        name: record
        for name, record in prepared.work.records()
        if record["entry"] is None or there.get(record["entry"]["path"]) == record["entry"]["size"]
    }


def lost_pool_shards(
    frozen: Frozen, arrangement: Arrangement, done: Mapping[str, Record]
) -> list[str]:
    """Pool shards that units still to be built draw from, but that are gone."""
    pool = frozen.prepared.pool
    units = [unit for unit in arrangement.units if unit.name not in done]
    wanted = {part.shard for unit in units for part in unit.pool}
    folders = {path.rpartition("/")[0] for path in wanted}
    return sorted(wanted - {info.path for folder in folders for info in pool.files(folder)})


def lacks_scores(frozen: Frozen, arrangement: Arrangement, done: Mapping[str, Record]) -> bool:
    """Whether scores are gone that rows of units still to be built keep."""
    scorers = known_scorers(frozen.prepared)
    units = [unit for unit in arrangement.units if unit.name not in done] if scorers else []
    wanted = {part.shard for unit in units for part in unit.pool}
    return any(scorers.of(path) is None for path in sorted(wanted))


def shard_sizes(output: Folder, splits: Sequence[str], job_id: str) -> dict[str, int]:
    """path -> bytes of the job's published shards; lists each folder once."""
    return {
        f"data/{split}/{job_id}/{info.path}": info.size
        for split in splits
        for info in output.child(f"data/{split}/{job_id}").files()
    }
