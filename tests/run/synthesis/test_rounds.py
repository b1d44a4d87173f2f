"""What is asked for ahead is what would be asked for at the end of a round, and nothing more."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment.intervals import Intervals
from augment.plan import PoolUnit
from augment.run.synthesis.accounts import Want
from augment.run.synthesis.holdings import Holdings
from augment.run.synthesis.rounds import Following, Rounds, Unit, lease_folder
from augment.storage import Folder
from augment.write import Claims, Lease
from tests.run.synthesis.test_holdings import SHORT, Pool

ROWS = 6
NONE = Intervals()


def wants(**quotas: int) -> dict[str, Want]:
    return {label: Want(quota, 3 * quota, NONE) for label, quota in quotas.items()}


class Driver:
    """Fills a pool in rounds of four units; each fifth sample fails and each seventh is dark."""

    def __init__(self, root: Path, lease: Lease, wanted: dict[str, Want], units: int = 4) -> None:
        self.pool = Pool.__new__(Pool)
        self.pool.root, self.pool.folder = root, Folder(str(root))
        self.pool.place = root / "_work" / SHORT
        self.held: Holdings = self.pool.read()
        self.pool.work = self.held.work
        self.wants = wanted
        self.rounds = Rounds(self.held, wanted, self.pool.folder, lease, ROWS, units)

    def needs(self) -> dict[str, Intervals]:
        universe = self.held.universe
        found = {
            label: want.needs(universe.decided(label), universe.accepted(label))
            for label, want in self.wants.items()
        }
        return {label: need for label, need in found.items() if need}

    def make(self, unit: Unit) -> None:
        one = PoolUnit.from_json(json.loads(unit.text))
        self.pool.make([one])
        record = self.held.work.get(one.name)
        assert record is not None
        self.held.take(record)

    def claims(self) -> list[tuple[dict[str, object], int]]:
        log = Claims(self.held.work.folder, "").all()
        return [({c: n.spans for c, n in one.needs.items()}, one.rows_per_unit) for one in log]


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Lease]:
    with Lease(lease_folder(Folder(str(tmp_path / "pool"))), lambda: 0.0) as held:
        yield held


def one_after_the_other(driver: Driver) -> list[str]:
    made = []
    while needs := driver.needs():
        mine, _ = driver.rounds.begin(needs)
        for unit in mine:
            driver.make(unit)
            made.append(unit.name)
    return made


def overlapping(driver: Driver, shuffle: random.Random) -> tuple[list[str], int]:
    """Units are made in any order, and of the next round while this one lasts; what was made, and
    how often a round was given while units of the one before it were not made."""
    made: list[str] = []
    ahead = 0
    while needs := driver.needs():
        todo, _ = driver.rounds.begin(needs)
        while todo:
            unit = todo.pop(shuffle.randrange(len(todo)))
            driver.make(unit)
            made.append(unit.name)
            more = driver.rounds.more() if len(todo) <= driver.rounds.ahead else []
            ahead += bool(more) and bool(todo)
            todo += more or []
    return made, ahead


@pytest.mark.parametrize(
    ("quotas", "overlap"),
    [
        ({"cat": 80, "dog": 50}, True),  # both classes last through all rounds
        ({"cat": 90, "dog": 2}, True),  # the small one is decided somewhere in the first round
        ({"cat": 20}, False),  # one round, and what was rejected
    ],
)
def test_claims_are_those_of_rounds_one_after_the_other(
    tmp_path: Path, lease: Lease, quotas: dict[str, int], overlap: bool
) -> None:
    slow = Driver(tmp_path / "slow", lease, wants(**quotas))
    expected = one_after_the_other(slow)
    assert len(slow.claims()) > 2
    for seed in range(3):
        quick = Driver(tmp_path / str(seed), lease, wants(**quotas))
        made, ahead = overlapping(quick, random.Random(seed))
        assert sorted(made) == sorted(expected)
        assert quick.claims() == slow.claims()
        assert bool(ahead) == overlap


def test_what_depends_on_units_that_are_being_made_is_not_asked_for(
    tmp_path: Path, lease: Lease
) -> None:
    driver = Driver(tmp_path / "pool", lease, wants(cat=90, dog=1))
    mine, _ = driver.rounds.begin(driver.needs())
    with_dog = [unit for unit in mine if "dog" in unit.text]
    assert len(with_dog) == 1
    for unit in mine:
        if unit not in with_dog:
            driver.make(unit)
    assert driver.rounds.more() == []  # dog 0 may be rejected: then the next round has dog 1
    assert len(driver.claims()) == 1
    driver.make(with_dog[0])
    assert driver.rounds.more()
    [(first, _), (second, _)] = driver.claims()
    assert first["dog"] == ((0, 1),)
    assert second["dog"] == ((1, 2),)  # dog 0 fails, as each fifth does


def test_where_all_that_is_certain_is_claimed_no_more_will_come(
    tmp_path: Path, lease: Lease
) -> None:
    driver = Driver(tmp_path / "pool", lease, wants(cat=30))
    driver.rounds.begin(driver.needs())
    assert driver.rounds.follow()
    assert driver.rounds.more()
    assert not driver.rounds.follow()
    assert driver.rounds.more() is None


def test_what_a_driver_that_died_had_claimed_is_made_before_more_is_claimed(
    tmp_path: Path, lease: Lease
) -> None:
    first = Driver(tmp_path / "pool", lease, wants(cat=90))
    mine, _ = first.rounds.begin(first.needs())
    more = first.rounds.more() or []
    assert len(mine) == len(more) == 4
    for unit in (mine[0], more[2]):
        first.make(unit)
    rest = [*mine[1:], *more[:2], more[3]]
    again = Driver(tmp_path / "pool", lease, wants(cat=90))
    assert again.rounds.begin(again.needs()) == (rest, [])
    assert len(first.claims()) == 2
    with Lease(lease_folder(first.pool.folder), lambda: 0.0) as other:
        second = Driver(tmp_path / "pool", other, wants(cat=90))
        own, theirs = second.rounds.begin(second.needs())
        assert theirs == rest
        assert len(own) == 4
    assert len(first.claims()) == 3


def test_following_looks_when_half_of_what_was_left_has_come_back(
    tmp_path: Path, lease: Lease
) -> None:
    driver = Driver(tmp_path / "pool", lease, wants(cat=60))
    mine, _ = driver.rounds.begin(driver.needs())
    told: list[int] = []
    given = Following(driver.rounds, told.append)
    assert given.begin(mine) == [unit.text for unit in mine]
    found = []
    for unit in mine[:2]:
        assert not given.back(unit.name)
        found.append(given.more())
    assert found[0] == []
    assert len(found[1] or []) == 4  # half a round is left
    assert (told, given.left, given.told) == ([6], 6, 0)
    assert [given.back(unit.name) for unit in mine[2:]] == [False, True]
    assert given.told == 2


def test_once_it_said_that_no_more_will_come_none_does(tmp_path: Path, lease: Lease) -> None:
    driver = Driver(tmp_path / "pool", lease, wants(cat=20))
    mine, _ = driver.rounds.begin(driver.needs())
    given = Following(driver.rounds, lambda left: None)
    given.begin(mine)
    found = []
    for unit in mine:
        driver.make(unit)
        given.back(unit.name)
        found.append(given.more())
    assert found[-1] is None
    assert found == sorted(found, key=lambda one: one is None)
    assert driver.needs()  # what was rejected, in a round of its own
    assert len(driver.claims()) == 1


def test_without_rounds_nothing_follows() -> None:
    given = Following(None, lambda left: None)
    given.begin([Unit("unit-1", "{}")])
    assert given.back("unit-1")
    assert given.more() is None
