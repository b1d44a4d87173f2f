"""What a job wants of a pool, cell by cell, and what became of it.

Knows nothing of how samples are made or where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from augment.intervals import Intervals
from augment.mix import PoolGroup
from augment.plan import Plan, certain_needs, next_needs
from augment.run.prepare import Prepared
from augment.run.synthesis.cost import Spent
from augment.run.watch.account import Account


@dataclass
class Synthesis:
    """What the pool holds for a job once it is filled."""

    accepted: dict[tuple[str, str], Intervals] = field(default_factory=dict)
    held: list[Callable[[], Iterable[PoolGroup]]] = field(default_factory=list)
    """What gives the row groups of a generator: reading them takes longer than all the rest."""
    accounts: list[Account] = field(default_factory=list)
    made_now: int = 0
    """Samples that this run generated; 0 where the pool had them all."""
    spent: dict[str, Spent] = field(default_factory=dict)
    """generator -> what this job's runs spent on its samples."""
    emptied: list[str] = field(default_factory=list)
    """Cells of the plan for which the pool has nothing, in words."""

    def groups(self) -> list[PoolGroup]:
        """The row groups of all generators, read now. Raises: StorageError."""
        return [group for groups in self.held for group in groups()]


@dataclass(frozen=True)
class Want:
    """What a job wants of one class of a universe."""

    quota: int
    cap: int
    exact: Intervals

    def within(self, accepted: Intervals) -> Intervals:
        """Those of `accepted` that may be selected: another job may have made more."""
        return accepted if self.exact else accepted & Intervals([(0, self.cap)])

    def needs(self, decided: Intervals, accepted: Intervals) -> Intervals:
        if self.exact:
            return self.exact - decided
        return next_needs(self.quota, self.cap, decided, accepted)

    def certain(
        self, decided: Intervals, claimed: Intervals, accepted: Intervals
    ) -> Intervals | None:
        """What will be needed beyond what is claimed, however that goes; None: it depends."""
        if self.exact:
            return self.exact - claimed - decided
        return certain_needs(self.quota, self.cap, decided, claimed, accepted)


def wants_of(prepared: Prepared, plan: Plan, generator: str) -> dict[str, Want]:
    """class -> what the plan draws of it from one generator."""
    attempts = prepared.job.spec.max_attempts_per_sample
    quota: dict[str, int] = {}
    exact: dict[str, Intervals] = {}
    for draw in plan.draws:
        if draw.generator == generator:
            quota[draw.label_name] = quota.get(draw.label_name, 0) + draw.n
            if draw.exact is not None:
                exact[draw.label_name] = exact.get(draw.label_name, Intervals()) | draw.exact
    capacity = plan.generator(generator).capacity
    caps = {label: attempts * n for label, n in quota.items()}
    if capacity is not None:  # an image gives no more samples than the job allows
        caps = {label: min(cap, capacity[label]) for label, cap in caps.items()}
    return {
        label: Want(n, caps[label], exact.get(label, Intervals())) for label, n in quota.items()
    }
