"""Which units a job makes next: a round is claimed, cut into units, and handed over.

While the units of a round are made, the next one is claimed as soon as it is certain what it
holds: what will be needed, whatever becomes of that which is being made. So claims are those
that a job makes which waits for the end of each round, in the same order, and nothing is asked
for that is not needed (decision 0055). Knows nothing of engines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from augment.intervals import Intervals
from augment.plan import PoolUnit, first_of
from augment.run.synthesis.accounts import Want
from augment.run.synthesis.holdings import Holdings
from augment.storage import Folder
from augment.write import Claim, Claims, Lease, alive

ROUND_UNITS = 10_000
"""Units of a round at most: each costs the driver some kilobytes until it is recorded."""


class Unit(NamedTuple):
    """A unit as an engine is given it: its name, and itself as JSON."""

    name: str
    text: str


class Rounds:
    """The rounds of one generator's part of a pool, for one job."""

    def __init__(
        self,
        held: Holdings,
        wants: Mapping[str, Want],
        pool: Folder,
        lease: Lease,
        rows_per_unit: int,
        units: int = ROUND_UNITS,
    ) -> None:
        """units: of a round, at most."""
        self._held, self._wants, self._pool, self._lease = held, wants, pool, lease
        self._rows_per_unit, self._units = rows_per_unit, units
        self._claims: Claims = held.claims.under(lease.id)

    def begin(self, needs: Mapping[str, Intervals]) -> tuple[list[Unit], list[Unit]]:
        """Claimed units that hold needed indexes and are not made: this job's (or a dead one's),
        and those that a living job makes. Where this job has none, it first claims what nobody has.

        Raises:
            StorageError: the log of claims could not be read or written.
        """
        mine, theirs = self._pending(needs)
        if not mine:
            taken = self._claims.taken()
            free = {c: need - taken.get(c, Intervals()) for c, need in needs.items()}
            self._claim(free)
            mine, theirs = self._pending(needs)
        return mine, theirs

    def follow(self) -> bool:
        """Whether another round is certain for some class, while this one is being made."""
        return any(need for need in self._certain().values() if need is not None)

    @property
    def ahead(self) -> int:
        """How many units are left to be made when the next round is due: half a round."""
        return self._units // 2

    def more(self) -> list[Unit] | None:
        """The units of the next round; none while it is not certain what it holds, None where all
        that is certain is claimed.

        Raises:
            StorageError: see `begin`.
        """
        certain = self._certain()
        if not any(need for need in certain.values() if need is not None):
            return None
        if any(need is None for need in certain.values()):
            return []
        claim = self._claim({label: need for label, need in certain.items() if need is not None})
        return [] if claim is None else list(handed(self._held.units(claim)))

    def _certain(self) -> dict[str, Intervals | None]:
        taken, universe = self._claims.taken(), self._held.universe
        return {
            label: want.certain(
                universe.decided(label), taken.get(label, Intervals()), universe.accepted(label)
            )
            for label, want in self._wants.items()
        }

    def _claim(self, free: Mapping[str, Intervals]) -> Claim | None:
        """One round of it: the driver holds no more units at once."""
        some = first_of({c: need for c, need in free.items() if need}, self._limit)
        return self._claims.claim(some, self._rows_per_unit)

    @property
    def _limit(self) -> int:
        return self._units * self._rows_per_unit

    def _pending(self, needs: Mapping[str, Intervals]) -> tuple[list[Unit], list[Unit]]:
        mine: list[Unit] = []
        theirs: list[Unit] = []
        for claim in self._claims.all():
            if self._held.folded(claim):
                continue
            units = holding(self._held.units(claim), claim.needs, needs)
            if wanted := [u for u in handed(units) if not self._held.holds(u.name)]:
                another = held_by_another(self._pool, claim, self._lease)
                (theirs if another else mine).extend(wanted)
        return mine, theirs


def lease_folder(pool: Folder) -> Folder:
    """Where the jobs that fill a pool keep their leases."""
    return pool.child("_work")


def held_by_another(pool: Folder, claim: Claim, lease: Lease) -> bool:
    """Whether a claim is that of another job that is alive."""
    return claim.owner != lease.id and alive(lease_folder(pool), claim.owner)


def handed(units: Iterable[PoolUnit]) -> Iterator[Unit]:
    """As an engine is given them."""
    return (Unit(unit.name, json.dumps(unit.to_json())) for unit in units)


def holding(
    units: Sequence[PoolUnit], claimed: Mapping[str, Intervals], needs: Mapping[str, Intervals]
) -> Iterator[PoolUnit]:
    """Those of a claim's units that hold a needed index."""
    if not any(claimed.get(label, Intervals()) & need for label, need in needs.items()):
        return
    for unit in units:
        if any(needs[c].meets(a, b) for c, a, b in unit.ranges if c in needs):
            yield unit


class Following:
    """The units that an engine was given, round by round, and how many have come back.

    rounds: what follows the first units, None where nothing does. tell: is told how many units
    are left where another round was given.
    """

    def __init__(self, rounds: Rounds | None, tell: Callable[[int], None]) -> None:
        self._rounds, self._tell = rounds, tell
        self.left = 0
        """Units that have not come back."""
        self.told = 0
        """Units that have come back since another round was given."""
        self._round: dict[str, int] = {}
        self._left: list[int] = []
        self._ended = False
        self._look_at = 0  # how many units are left when it is worth a look

    def begin(self, units: Sequence[Unit]) -> list[str]:
        """The units as text."""
        self._round.update((unit.name, len(self._left)) for unit in units)
        self._left.append(len(units))
        self.left += len(units)
        self._look_at, self.told = self._rounds.ahead if self._rounds else 0, 0
        return [unit.text for unit in units]

    def back(self, unit: str) -> bool:
        """A unit has come back; whether it was the last one of those that were given with it."""
        number = self._round.pop(unit)
        self._left[number] -= 1
        self.left -= 1
        self.told += 1
        return not self._left[number]

    def more(self) -> list[str] | None:
        """The units of another round as text; see `Rounds.more`. Looks when it is due, and then
        seldom: whenever half of what was left has come back."""
        if self._rounds is None or self._ended:
            return None
        if self.left > self._look_at:
            return []
        self._look_at = self.left // 2
        if not (units := self._rounds.more()):
            self._ended = units is None  # what follows then is a round of its own
            return None if self._ended else []
        texts = self.begin(units)
        self._tell(self.left)
        return texts
