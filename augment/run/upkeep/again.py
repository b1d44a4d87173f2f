"""Lost rows of a job that is not committed, made again by a later run of the same command.

A record stands for ever, and so does what it says was lost: a run that was stopped by its losses
would be stopped by the same ones each time. So where the losses of earlier runs alone stop a run,
it first tries those rows again, as a retry of a committed job does (same units, same folders
`retry-<k>`); what it makes belongs to the first commit. Rows that stop nothing are not tried:
a resume of a run that was merely killed gives what that run would have given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from augment.run.mixing.gates import Gates
from augment.run.mixing.mix import Arrangement, build
from augment.run.mixing.retry_plan import again_units, outstanding, rows_per_unit
from augment.run.mixing.retry_unit import RetryUnit
from augment.run.prepare import Frozen
from augment.run.synthesis.filling import Crew
from augment.run.upkeep.attempts import Attempt, Attempts
from augment.run.upkeep.retry_build import Restore, build_units
from augment.run.watch.account import account_to_json
from augment.write import Record

_UNITS = "units.json"
Later = tuple[Record, RetryUnit]


@dataclass(frozen=True)
class Built:
    """Records of a data set's units. later: of lost rows that were tried again, each with its
    unit."""

    first: Sequence[Record]
    later: Sequence[Later] = ()

    @property
    def records(self) -> list[Record]:
        return [*self.first, *(record for record, _ in self.later)]


def build_all(
    frozen: Frozen,
    arrangement: Arrangement,
    done: Mapping[str, Record],
    crew: Crew,
    restore: Restore,
) -> Built:
    """Every unit, and what earlier runs lost, if it stops this one. done: records of earlier runs.

    Raises:
        ErrorBudgetExceeded, GateError: too much is lost, also now; nothing may be committed.
    """
    again = _Again(frozen, arrangement, crew, restore)
    later = list(again.begun())
    if _stopped(frozen, arrangement, done, later):
        later += again.tried(done.values(), later)
    gates = Gates(frozen, [*done.values(), *(record for record, _ in later)])
    built = Built(build(frozen, arrangement, done, gates, crew), later)
    gates.check_all(built.records)
    return built


def _stopped(
    frozen: Frozen, arrangement: Arrangement, done: Mapping[str, Record], later: Sequence[Later]
) -> bool:
    """Whether what is known before anything is built would stop the run."""
    records = [*done.values(), *(record for record, _ in later)]
    gates = Gates(frozen, records)
    if gates.early() is not None:
        return True
    whole = all(unit.name in done for unit in arrangement.units)
    return whole and gates.final(records) is not None


class _Again:
    """The later tries of one job."""

    def __init__(
        self, frozen: Frozen, arrangement: Arrangement, crew: Crew, restore: Restore
    ) -> None:
        self._frozen, self._arrangement = frozen, arrangement
        self._crew, self._restore = crew, restore
        self._attempts = Attempts(frozen.prepared.work)

    def begun(self) -> Iterator[Later]:
        """What earlier runs tried again, in their order; one that was stopped goes on."""
        for attempt in self._attempts.all():
            yield from self._made(attempt)

    def tried(self, first: Iterable[Record], later: Sequence[Later]) -> list[Later]:
        """What is lost up to now, tried again."""
        attempt, plan = self._attempts.current(), self._frozen.plan
        lost = outstanding(self._arrangement, first, later)
        rows = min((rows_per_unit(plan, split) for split in plan.units), default=1)
        units = again_units(lost, attempt.number, rows)
        if not units:
            return []
        self._crew.reporter.note(
            f"{len(lost.homes)} rows that earlier runs lost are tried again, for they stop this one"
        )
        document = {
            "generation": 1,
            "units": [unit.to_json() for unit in units],
            "accounts": [account_to_json(a) for a in self._arrangement.accounts],
        }
        attempt.freeze(_UNITS, document)
        return self._made(attempt)

    def _made(self, attempt: Attempt) -> list[Later]:
        document = attempt.document(_UNITS)
        if document is None:
            return []
        units = {u.name: u for u in map(RetryUnit.from_json, document["units"])}
        records = build_units(
            self._frozen, attempt.work, list(units.values()), self._crew, self._restore
        )
        for record in records:
            # what it lost was told of when it was lost first
            self._crew.reporter.written({**record, "quarantine": []})
        if not attempt.closed:
            attempt.close(committed=True)
        return [(record, units[record["unit"]]) for record in records]
