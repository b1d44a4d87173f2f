"""What is read through folds is what the records say, whatever became of the folds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from augment.errors import StorageError
from augment.intervals import Intervals
from augment.plan import PoolUnit, cut_pool_units
from augment.run.synthesis.holdings import Holdings
from augment.storage import Folder
from augment.write import Claim, Claims, Folds, Work

UNIVERSE = "ab" * 32
SHORT = UNIVERSE[:16]
FILTERS = "f" * 64
NEEDS = [
    {"cat": Intervals([(0, 40)]), "dog": Intervals([(0, 8)])},
    {"cat": Intervals([(40, 70)])},
    {"cat": Intervals([(70, 75)]), "dog": Intervals([(8, 30)])},
]


class Pool:
    """A pool whose claims are made by hand; each fifth sample fails, each seventh is dark."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, Folder(str(root))
        self.place = root / "_work" / SHORT
        self.work = Work(self.folder.child(f"_work/{SHORT}"))
        self.claims = [self.claim(needs) for needs in NEEDS]

    def claim(self, needs: dict[str, Intervals], again: int = 0) -> Claim:
        place = f"_work/{SHORT}/again-{again}" if again else f"_work/{SHORT}"
        claim = Claims(self.folder.child(place), "owner").claim(needs, 6)
        assert claim is not None
        return claim

    def units(self, claim: Claim, again: int = 0) -> list[PoolUnit]:
        return list(cut_pool_units(UNIVERSE, "g", claim.needs, claim.rows_per_unit, again))

    def make(self, units: Sequence[PoolUnit], job: str = "mine", note: str = "") -> None:
        for unit in units:
            self.work.record(self.work.begin(unit.name), self.body(unit, job, note))

    def body(self, unit: PoolUnit, job: str, note: str) -> dict[str, Any]:
        made = [(c, i) for c, i in unit.samples() if i % 5 or unit.again]
        entry = None
        if made:
            entry = {"path": f"data/{SHORT}/{unit.name}{note}.parquet", "size": len(made)}
            entry |= {"rows": len(made), "sha256": "0" * 64, "group_rows": [len(made)]}
            self.folder.publish(entry["path"], bytes(len(made)))
        return {
            "ranges": [list(r) for r in unit.ranges],
            **({"again": unit.again} if unit.again else {}),
            "stamp": [job, "2026-01-01"],
            "entry": entry,
            "groups": [spans(made)] if made else [],
            "failed": [] if unit.again else [[c, i, "nan"] for c, i in unit.samples() if not i % 5],
            "verdicts": {FILTERS: [{"dark": spans(p for p in made if not p[1] % 7)}][: bool(made)]},
            "seconds": {"make": 1.0},
            "device_s": 0.5,
            "gpus": 1.0,
        }

    def read(self, job: str = "mine") -> Holdings:
        return Holdings(self.folder, UNIVERSE, "g", ([], FILTERS), job)

    def folds(self) -> list[Path]:
        return sorted((self.place / "folds").glob("*"))


def spans(points: Any) -> dict[str, list[list[int]]]:
    found: dict[str, list[int]] = {}
    for label, index in points:
        found.setdefault(label, []).append(index)
    return {label: Intervals.of(some).to_json() for label, some in sorted(found.items())}


def seen(held: Holdings) -> dict[str, Any]:
    """All that a job takes from what is held."""
    universe = held.universe
    groups = [(g.shard, g.row_group, tuple(sorted(g.accepted.items()))) for g in held.groups()]
    return {
        "made": [universe.made(c) for c in ("cat", "dog")],
        "failed": [universe.failed(c) for c in ("cat", "dog")],
        "accepted": [universe.accepted(c) for c in ("cat", "dog")],
        "rejected": [universe.rejected(c) for c in ("cat", "dog")],
        "again": universe.tried_again,
        "spent": held.spent,
        "groups": sorted(groups),
        "entries": held.entries(()),
    }


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


@pytest.fixture
def made(pool: Pool) -> Pool:
    """Two claims are made, by two jobs, and of the third some units; failures were tried again."""
    pool.make(pool.units(pool.claims[0])[:3], "theirs")
    pool.make(pool.units(pool.claims[0])[3:])
    pool.make(pool.units(pool.claims[1]))
    pool.make(pool.units(pool.claims[2])[1:3])
    again = pool.claim({"cat": Intervals([(5, 6), (10, 11)])}, again=1)
    pool.make(pool.units(again, 1))
    return pool


@pytest.fixture
def folded(made: Pool) -> tuple[Pool, dict[str, Any]]:
    """With what was seen before there were folds."""
    expected = seen(made.read())
    made.read().fold()
    return made, expected


def test_complete_claims_are_folded_and_say_the_same(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, expected = folded
    assert [p.name.split("-")[0] for p in pool.folds()] == ["00000000"] * 2 + ["00000001"] * 2
    held = pool.read()
    assert [held.folded(claim) for claim in pool.claims] == [True, True, False]
    assert seen(held) == expected
    assert expected["again"] == 1
    assert expected["failed"][0] & Intervals([(5, 11)]) == Intervals()


def test_it_says_the_same_in_the_run_that_folds(made: Pool) -> None:
    expected, held = seen(made.read()), made.read()
    held.fold()
    assert len(held.universe.records) == 3  # of no fold: two units, and one made again
    assert seen(held) == expected


def test_folds_hold_the_records_as_they_stand(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, _ = folded
    files = Folds(pool.work.folder)
    held = [record for fold, _ in files.all() for record in files.records(fold)]
    names = [unit.name for claim in pool.claims[:2] for unit in pool.units(claim)]
    assert {r["unit"]: r for r in held} == dict(pool.work.some(names))


def test_records_of_folded_claims_are_neither_listed_nor_read(
    folded: tuple[Pool, dict[str, Any]],
) -> None:
    pool, expected = folded
    for claim in pool.claims[:2]:
        for unit in pool.units(claim):
            (pool.place / "units" / f"{unit.name}.json").write_bytes(b"damaged")
    (pool.place / "units" / "unit-of-nobody.json").write_bytes(b"damaged")
    assert seen(pool.read()) == expected


def test_bytes_of_shards_are_told_once(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, expected = folded
    size = sum(entry.size for entry in expected["entries"])
    held = pool.read()
    assert (held.untold(), held.untold()) == (size, 0)
    unit = pool.units(pool.claims[2])[0]
    pool.make([unit])
    [(_, record)] = pool.work.some([unit.name])
    held.take(record)
    held.take(record)
    assert held.untold() == record["entry"]["size"]


def test_two_drivers_fold_at_once(made: Pool) -> None:
    one, two = made.read(), made.read("theirs")
    one.fold()
    names = made.folds()
    two.fold()
    assert made.folds() == names
    assert seen(one) == seen(made.read())


def test_a_claim_that_another_job_completes_is_folded(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, _ = folded
    held = pool.read()
    units = pool.units(pool.claims[2])
    pool.make(units, "theirs")
    held.fold()
    assert not held.folded(pool.claims[2])
    for unit in units:
        if not held.holds(unit.name) and (record := pool.work.get(unit.name)):
            held.take({**record, "made": True, "batches": {}})
    held.fold()
    assert held.folded(pool.claims[2])
    assert seen(held) == seen(pool.read())
    shutil.rmtree(pool.place / "folds")
    assert seen(pool.read())["accepted"] == [
        held.universe.accepted(label) for label in ("cat", "dog")
    ]


@pytest.mark.parametrize("which", [".records.parquet", "-0000-"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_fold_that_is_not_whole_is_made_again_from_the_records(
    folded: tuple[Pool, dict[str, Any]], which: str, how: str
) -> None:
    pool, expected = folded
    before = {path: path.read_bytes() for path in pool.folds()}
    path = next(p for p in pool.folds() if which in p.name)
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-9])
    held = pool.read()
    assert not held.folded(pool.claims[0])
    assert seen(held) == expected
    held.fold()
    assert {path: path.read_bytes() for path in pool.folds()} == before
    assert seen(held) == seen(pool.read())


def test_a_fold_whose_records_have_a_wrong_bit_is_found_by_the_look(
    folded: tuple[Pool, dict[str, Any]],
) -> None:
    pool, expected = folded
    path = next(p for p in pool.folds() if ".records." in p.name)
    sound = path.read_bytes()
    path.write_bytes(sound[:50] + bytes([sound[50] ^ 1]) + sound[51:])
    held = pool.read()
    with pytest.raises(StorageError, match=path.name):
        list(held.groups())
    assert held.look()
    held.fold()
    assert path.read_bytes() == sound
    assert seen(held) == seen(pool.read()) == expected


def test_a_lost_shard_is_not_held_until_it_is_made_again(
    folded: tuple[Pool, dict[str, Any]],
) -> None:
    pool, expected = folded
    unit = pool.units(pool.claims[0])[2]
    [entry] = [e for e in expected["entries"] if unit.name in e.path]
    (pool.root / entry.path).unlink()
    held = pool.read()
    assert held.look()
    assert not held.look()
    assert not held.folded(pool.claims[0])
    assert not held.holds(unit.name)
    label, start, stop = unit.ranges[0]
    assert not held.universe.made(label) & Intervals([(start + 1, stop)])
    record = pool.work.get(unit.name)
    assert record is not None
    pool.folder.publish(entry.path, bytes(entry.size))
    held.take(record)
    before = pool.folds()
    held.fold()
    assert pool.folds() == before
    assert seen(held)["groups"] == expected["groups"]
    assert not pool.read().look()


def test_a_record_that_was_made_anew_counts_in_the_next_fold(
    folded: tuple[Pool, dict[str, Any]],
) -> None:
    """As the error of a shard that cannot be made again says: its record was removed."""
    pool, expected = folded
    unit = pool.units(pool.claims[0])[2]
    [entry] = [e for e in expected["entries"] if unit.name in e.path]
    (pool.root / entry.path).unlink()
    (pool.place / "units" / f"{unit.name}.json").unlink()
    held = pool.read()
    assert held.look()
    pool.make([unit], note="-anew")
    record = pool.work.get(unit.name)
    assert record is not None
    held.take(record)
    held.fold()
    after = pool.read()
    assert not after.look()
    assert any("-anew" in e.path for e in after.entries(()))
    assert seen(after)["groups"] == seen(held)["groups"]
    assert len([p for p in pool.folds() if "-0001-" in p.name]) == 1


def test_a_fold_of_another_claim_is_not_read(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, expected = folded
    shutil.copytree(pool.place / "folds", pool.root / "kept")
    shutil.rmtree(pool.place / "claims")
    pool.claims = [pool.claim(needs) for needs in (NEEDS[1], NEEDS[0], NEEDS[2])]
    held = pool.read()
    assert not any(held.folded(claim) for claim in pool.claims)
    assert seen(held) == expected


def test_records_that_no_claim_names_are_read_and_keep_the_pool_from_folds(made: Pool) -> None:
    stray = PoolUnit(UNIVERSE, "g", (("cat", 500, 510),))
    made.make([stray])
    held = made.read()
    held.fold()
    assert made.folds() == []
    assert Intervals([(501, 502)]) & made.read().universe.made("cat")


def test_a_fold_that_cannot_be_written_costs_nothing_else(made: Pool) -> None:
    expected = seen(made.read())
    (made.place / "folds").write_text("in the way")
    held = made.read()
    held.fold()
    assert seen(held) == seen(made.read()) == expected


def test_shards_that_a_table_has_are_left_out(folded: tuple[Pool, dict[str, Any]]) -> None:
    pool, expected = folded
    paths = [entry.path for entry in expected["entries"]]
    assert [e.path for e in pool.read().entries(set(paths[1:]))] == paths[:1]
    assert pool.read().entries(set(paths)) == []
