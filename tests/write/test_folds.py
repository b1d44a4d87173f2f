"""Folds: written after the records, found whole or not at all, the same whoever writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from augment.errors import StorageError
from augment.seeds import canonical_json
from augment.storage import Folder
from augment.write.folds import Fold, Folds

SUMMARY = pa.table({"label": ["cat", "dog"], "stop": [7, 9]})
ABOUT = {"units": 3}


def record(unit: str, **more: Any) -> dict[str, Any]:
    entry = {"path": f"data/u/{unit}.parquet", "size": 10 + len(unit)}
    return {"unit": unit, "attempt": "x", "entry": entry, **more}


RECORDS = [record("unit-1"), record("unit-2", entry=None), record("unit-3", text="é")]


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")


@pytest.fixture
def local(tmp_path: Path) -> tuple[Folds, Path]:
    folds = Folds(Folder(str(tmp_path)))
    folds.write(4, RECORDS, SUMMARY, ABOUT)
    return folds, tmp_path / "folds"


def names(folder: Folder) -> list[str]:
    return sorted(info.path for info in folder.files("folds"))


def whole(folds: Folds) -> list[Fold]:
    return [fold for fold, _ in folds.all()]


def test_what_is_folded_is_read_back(folder: Folder) -> None:
    folds = Folds(folder)
    assert whole(folds) == []
    written = folds.write(4, reversed(RECORDS), SUMMARY, ABOUT)
    [(fold, summary)] = folds.all()
    assert (fold, fold.claim, fold.turn, fold.about["units"]) == (written, 4, 0, 3)
    assert summary.equals(SUMMARY)
    assert list(folds.records(fold)) == RECORDS
    assert list(folds.shards(fold)) == [
        ("unit-1", "data/u/unit-1.parquet", 16),
        ("unit-3", "data/u/unit-3.parquet", 16),
    ]


def test_folds_come_by_claim(folder: Folder) -> None:
    folds = Folds(folder)
    for claim in (12, 3, 100):
        folds.write(claim, [record(f"unit-{claim}")], SUMMARY, ABOUT)
    assert [fold.claim for fold in whole(folds)] == [3, 12, 100]
    assert [next(folds.records(fold))["unit"] for fold in whole(folds)] == [
        "unit-3",
        "unit-12",
        "unit-100",
    ]


def test_two_drivers_write_one_fold(folder: Folder) -> None:
    Folds(folder).write(4, RECORDS, SUMMARY, ABOUT)
    first = names(folder)
    Folds(folder).write(4, reversed(RECORDS), SUMMARY, ABOUT)
    assert names(folder) == first
    assert len(first) == 2


def test_a_claim_without_records_can_be_folded(folder: Folder) -> None:
    folds = Folds(folder)
    folds.write(0, [], SUMMARY.slice(0, 0), ABOUT)
    [(fold, summary)] = folds.all()
    assert (list(folds.records(fold)), summary.num_rows) == ([], 0)


def test_records_that_no_summary_names_are_no_fold(local: tuple[Folds, Path]) -> None:
    folds, place = local
    [summary] = place.glob("*-0000-*")
    summary.unlink()
    (place / ".tmp-1-half").write_bytes(b"PAR1")
    assert whole(folds) == []
    folds.write(4, RECORDS, SUMMARY, ABOUT)
    assert len(whole(folds)) == 1
    assert len(list(place.glob("0*"))) == 2


@pytest.mark.parametrize("damage", [b"", b"PAR1", None], ids=["empty", "cut", "one bit"])
def test_a_damaged_summary_is_no_fold_until_it_is_written_again(
    local: tuple[Folds, Path], damage: bytes | None
) -> None:
    folds, place = local
    [summary] = place.glob("*-0000-*")
    sound = summary.read_bytes()
    summary.write_bytes(_flipped(sound) if damage is None else damage)
    assert whole(folds) == []
    folds.write(4, RECORDS, SUMMARY, ABOUT)
    assert summary.read_bytes() == sound
    assert len(whole(folds)) == 1


def test_a_fold_whose_records_are_gone_or_cut_is_none(local: tuple[Folds, Path]) -> None:
    folds, place = local
    [records] = place.glob("*.records.parquet")
    sound = records.read_bytes()
    records.write_bytes(sound[:-1])
    assert whole(folds) == []
    records.unlink()
    assert whole(folds) == []
    folds.write(4, RECORDS, SUMMARY, ABOUT)
    assert records.read_bytes() == sound


def test_damaged_records_are_named_with_the_way_out(local: tuple[Folds, Path]) -> None:
    folds, place = local
    [records] = place.glob("*.records.parquet")
    sound = records.read_bytes()
    records.write_bytes(_flipped(sound))
    [fold] = whole(folds)
    for read in (folds.records, folds.shards):
        with pytest.raises(StorageError) as told:
            list(read(fold))
        assert str(told.value).startswith(f"{records}: the file holds {len(sound)} bytes that are")
        assert "run the same command again: it is made anew from the records" in str(told.value)
    folds.write(4, RECORDS, SUMMARY, ABOUT, after=fold)
    assert list(folds.records(fold)) == RECORDS
    records.unlink()
    with pytest.raises(StorageError, match="the file is gone"):
        list(folds.records(fold))


def test_the_fold_of_other_records_comes_after_and_counts(local: tuple[Folds, Path]) -> None:
    folds, place = local
    [old] = whole(folds)
    other = [*RECORDS[:2], record("unit-3", text="replaced by hand")]
    new = folds.write(4, other, SUMMARY, ABOUT, after=old)
    assert (new.turn, whole(folds)) == (1, [new, old])
    assert list(folds.records(new)) == other
    assert folds.write(4, other, SUMMARY, ABOUT, after=new).turn == 1
    assert len(list(place.iterdir())) == 4


def test_what_stands_beside_folds_is_none(local: tuple[Folds, Path]) -> None:
    folds, place = local
    (place / "notes.txt").write_text("mine")
    (place / f"00000005-0000-{'0' * 16}.parquet").write_bytes(canonical_json({}).encode())
    assert [fold.claim for fold in whole(folds)] == [4]


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
