"""A job's first run and its retries together: what each cell has by now.

The records of a retry say what changed, so that the records of all generations add up.
Knows nothing of how a retry is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from augment.run.mixing.commit import CellResult, cell_results
from augment.run.mixing.mix import Arrangement
from augment.run.mixing.retry_unit import RetryUnit
from augment.run.prepare import Frozen, Prepared
from augment.run.upkeep.attempts import Attempts
from augment.run.watch.account import Account, account_from_json
from augment.write import Record, open_table, read_job

CLEANED = "cleaned.json"
"""Under `plan/`: says that the records of this committed job were removed on purpose."""


@dataclass(frozen=True)
class History:
    """What a job has done until now: its first run, and the retries that added a version.
    later: their records with their units."""

    first: tuple[Record, ...]
    later: tuple[tuple[Record, RetryUnit], ...]
    accounts: tuple[Account, ...]

    @property
    def records(self) -> list[Record]:
        return [*self.first, *(record for record, _ in self.later)]


def history(prepared: Prepared, arrangement: Arrangement, generation: int) -> History:
    """What was recorded until this generation."""
    first = tuple(record for _, record in sorted(prepared.work.records()))
    later: list[tuple[Record, RetryUnit]] = []
    accounts = arrangement.accounts
    for attempt in Attempts(prepared.work).all():
        document = attempt.document("units.json")
        if document is None or not attempt.committed(generation):
            continue
        units = {u.name: u for u in map(RetryUnit.from_json, document["units"])}
        later += [(record, units[name]) for name, record in sorted(attempt.work.records())]
        accounts = tuple(account_from_json(a) for a in document["accounts"])
    return History(first, tuple(later), accounts)


def latest(
    frozen: Frozen, arrangement: Arrangement, records: Iterable[Record]
) -> tuple[tuple[CellResult, ...], tuple[Account, ...]]:
    """Cells and accounts of a job with what its retries added, or later tries before its first
    commit. records: of its first run."""
    table = open_table(frozen.prepared.output)
    generation = (table and table.transaction_version(frozen.prepared.digest)) or 0
    if generation <= 1 and not any(Attempts(frozen.prepared.work).all()):
        return tuple(cell_results(frozen, list(records))), arrangement.accounts
    now = history(frozen.prepared, arrangement, generation)
    return tuple(cell_results(frozen, now.records)), now.accounts


def from_provenance(
    prepared: Prepared,
) -> tuple[tuple[CellResult, ...], tuple[Account, ...]] | None:
    """Cells and accounts of a committed job whose records were cleaned away, as its provenance
    keeps them; None where its records are there."""
    if prepared.work.frozen(CLEANED) is None:
        return None
    job = read_job(prepared.output, prepared.job_id) or {}
    names = [field.name for field in fields(CellResult)]
    cells = tuple(CellResult(**{n: cell[n] for n in names}) for cell in job.get("cells", ()))
    known = [{k: v for k, v in a.items() if k != "shortfall"} for a in job.get("accounts", ())]
    return cells, tuple(account_from_json(a) for a in known)
