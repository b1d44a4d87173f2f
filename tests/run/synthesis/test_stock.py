"""What a pool says of itself through folds is what its records say, without opening them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from augment.errors import StorageError
from augment.intervals import Intervals
from augment.plan import PoolUnit
from augment.run.synthesis.stock import Stock, folded_shards, read_stock
from augment.run.synthesis.summary import summarise
from augment.write import Folds
from tests.run.synthesis.test_holdings import FILTERS, SHORT, UNIVERSE, Pool

OTHERS = "e" * 64


class Mixed(Pool):
    """Another job's filters judged what it made."""

    def body(self, unit: PoolUnit, job: str, note: str) -> dict[str, Any]:
        body = super().body(unit, job, note)
        if job == "theirs":
            body["verdicts"] = {OTHERS: body["verdicts"][FILTERS]}
        return body


def facts(stock: Stock) -> dict[str, Any]:
    """All but where it was read from, and when."""
    said = asdict(stock)
    for key in ("moments", "touched", "paths", "recorded", "waiting"):
        del said[key]
    return {**said, "jobs": stock.jobs, "unmade": stock.unmade}


def without_folds(pool: Pool) -> dict[str, Any]:
    shutil.move(pool.place / "folds", pool.root / "aside")
    found = read_stock(pool.folder, SHORT, UNIVERSE)
    shutil.move(pool.root / "aside", pool.place / "folds")
    assert found.waiting is None
    return facts(found)


def fill(pool: Pool) -> Pool:
    """Two whole claims by two jobs, part of a third, and failures that were tried again."""
    pool.make(pool.units(pool.claims[0])[:3], "theirs")
    pool.make(pool.units(pool.claims[0])[3:])
    pool.make(pool.units(pool.claims[1]), "theirs")
    pool.make(pool.units(pool.claims[2])[1:3])
    again = pool.claim({"cat": Intervals([(5, 6), (10, 11)])}, again=1)
    pool.make(pool.units(again, 1))
    if isinstance(pool, Mixed):
        fold_by_hand(pool)
    else:
        pool.read().fold()
    return pool


def fold_by_hand(pool: Pool) -> None:
    """As a job folds that can judge the others' shards, which are none here."""
    for claim in pool.claims[:2]:
        records = [pool.work.get(unit.name) or {} for unit in pool.units(claim)]
        summary, about = summarise(records)
        about |= {"claim": claim.digest, "universe": UNIVERSE}
        Folds(pool.work.folder).write(claim.number, records, summary, about)


@pytest.fixture
def folded(tmp_path: Path) -> Pool:
    return fill(Pool(tmp_path))


def spoil_folded(pool: Pool, claims: tuple[int, ...] = (0, 1)) -> None:
    """So that whoever opens a record that a fold holds is told."""
    for number in claims:
        for unit in pool.units(pool.claims[number]):
            (pool.place / "units" / f"{unit.name}.json").write_text("spoilt")


@pytest.mark.parametrize("universe", [UNIVERSE, None])
def test_folds_say_what_the_records_say(folded: Pool, universe: str | None) -> None:
    expected = without_folds(folded)
    assert (expected["units"], expected["again"], expected["unmade"]) == (16, 1, 3)
    assert expected["failed"]["cat"] - expected["made"]["cat"]
    assert expected["accepted"][FILTERS]["cat"] != expected["made"]["cat"]
    spoil_folded(folded)
    assert facts(read_stock(folded.folder, SHORT, universe)) == expected


def test_a_fold_of_two_filters_is_no_word_on_either(tmp_path: Path) -> None:
    pool = fill(Mixed(tmp_path))
    expected = without_folds(pool)
    assert {*expected["accepted"]} == {FILTERS, OTHERS}
    assert facts(read_stock(pool.folder, SHORT, UNIVERSE)) == expected
    spoil_folded(pool, (1,))
    assert facts(read_stock(pool.folder, SHORT, UNIVERSE)) == expected
    spoil_folded(pool, (0,))
    with pytest.raises(StorageError, match="no record of unit"):
        read_stock(pool.folder, SHORT, UNIVERSE)


def test_a_claim_without_a_shard_is_read_from_its_fold(tmp_path: Path) -> None:
    class Failing(Pool):
        def body(self, unit: PoolUnit, job: str, note: str) -> dict[str, Any]:
            nothing: Mapping[str, Any] = {"entry": None, "groups": [], "verdicts": {FILTERS: []}}
            failed = [[c, i, "nan"] for c, i in unit.samples()]
            return {**super().body(unit, job, note), **nothing, "failed": failed}

    pool = fill(Failing(tmp_path))
    expected = without_folds(pool)
    assert (expected["shards"], expected["made"]) == (0, {})
    assert facts(read_stock(pool.folder, SHORT, UNIVERSE)) == expected


@pytest.mark.parametrize("ending", [".parquet", ".records.parquet"])
def test_beside_a_damaged_fold_records_are_read(folded: Pool, ending: str) -> None:
    expected = without_folds(folded)
    one = next(
        path for path in folded.folds()
        if path.name.startswith("00000000-") and path.name.endswith(ending)
    )  # fmt: skip
    one.write_bytes(one.read_bytes()[:-1])
    spoil_folded(folded, (1,))
    assert facts(read_stock(folded.folder, SHORT, UNIVERSE)) == expected


def test_a_pool_whose_folds_do_not_name_it_is_read_as_before(folded: Pool) -> None:
    expected = without_folds(folded)
    files = Folds(folded.work.folder)
    for fold, summary in list(files.all()):
        about = {key: value for key, value in fold.about.items() if key != "universe"}
        for path in folded.folds():
            if path.name.startswith(f"{fold.claim:08d}-"):
                path.unlink()
        about = {k: v for k, v in about.items() if k not in ("records", "bytes_of_records")}
        records = [folded.work.get(u.name) or {} for u in folded.units(folded.claims[fold.claim])]
        files.write(fold.claim, records, summary, about)
    assert facts(read_stock(folded.folder, SHORT)) == expected
    spoil_folded(folded)
    assert facts(read_stock(folded.folder, SHORT, UNIVERSE)) == expected  # somebody knows its name
    with pytest.raises(StorageError, match="no record of unit"):
        read_stock(folded.folder, SHORT)


def test_who_asks_for_a_unit_in_hand_hears_whether_it_is_recorded(folded: Pool) -> None:
    names = [unit.name for claim in folded.claims for unit in folded.units(claim)]
    recorded = {name for name in names if (folded.place / "units" / f"{name}.json").exists()}
    assert 0 < len(recorded) < len(names)
    for stock in (read_stock(folded.folder, SHORT, UNIVERSE), bare(folded)):
        assert {name for name in names if stock.finished(name)} == recorded


def bare(pool: Pool) -> Stock:
    shutil.rmtree(pool.place / "folds")
    return read_stock(pool.folder, SHORT, UNIVERSE)


def test_times_are_those_of_the_units_made_last(folded: Pool) -> None:
    for at, claim in enumerate(folded.claims):
        for unit in folded.units(claim):
            path = folded.place / "units" / f"{unit.name}.json"
            if path.exists():
                os.utime(path, (1000.0 * at, 1000.0 * at))
    for path in folded.folds():
        os.utime(path, (5.0, 5.0))
    stock = read_stock(folded.folder, SHORT, UNIVERSE)
    made = [*folded.units(folded.claims[1]), *folded.units(folded.claims[2])[1:3]]
    assert [moment for moment in stock.moments if moment[0] <= 2000.0] == [
        (1000.0 if at < len(made) - 2 else 2000.0, unit.rows) for at, unit in enumerate(made)
    ]
    assert stock.touched == max(at for at, _ in stock.moments)
    for path in folded.folds():
        os.utime(path, (4e9, 4e9))
    assert read_stock(folded.folder, SHORT, UNIVERSE).touched == 4e9


def test_shards_of_folds(folded: Pool) -> None:
    records = [json.loads(path.read_text()) for path in (folded.place / "units").glob("*.json")]
    names = {unit.name for claim in folded.claims[:2] for unit in folded.units(claim)}
    paths = {r["entry"]["path"] for r in records if r["unit"] in names and r["entry"]}
    assert set(folded_shards(folded.folder, SHORT)) == paths
    [torn] = folded.place.glob("folds/00000000-*.records.parquet")
    torn.write_bytes(bytes(torn.stat().st_size))
    assert set(folded_shards(folded.folder, SHORT)) < paths
