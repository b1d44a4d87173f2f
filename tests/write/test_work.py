"""The protocol: frozen once, begun often, recorded once; failures name the file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from augment.errors import StorageError
from augment.storage import Folder
from augment.write.shards import ShardEntry, write_shard
from augment.write.work import Attempt, Work


@pytest.fixture(params=["local", "memory"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    uri = str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}-{id(request)}"
    return Work(Folder(uri).child("_work/job"))


def test_the_first_frozen_plan_holds(work: Work) -> None:
    assert work.frozen("plan.json") is None
    assert work.freeze("plan.json", b"one") == b"one"
    assert work.freeze("plan.json", b"two") == b"one"
    assert work.frozen("plan.json") == b"one"


def test_tries_are_counted_and_prove_nothing(work: Work) -> None:
    first, second = work.begin("train-00001"), work.begin("train-00001")
    assert (first.number, second.number) == (1, 2)
    assert first.id != second.id
    assert work.begin("train-00002").number == 1
    assert work.get("train-00001") is None
    assert list(work.records()) == []


def test_the_first_record_holds_and_both_read_it(work: Work) -> None:
    first, second = work.begin("u"), work.begin("u")
    won = work.record(second, {"rows": 2})
    assert won == {"unit": "u", "attempt": second.id, "rows": 2}
    assert work.record(first, {"rows": 1}) == won
    assert work.get("u") == won
    assert dict(work.records()) == {"u": won}


def test_a_winner_that_is_told_exists_reads_its_own_record(work: Work) -> None:
    attempt = work.begin("u")
    work.record(attempt, {"rows": 1})
    assert work.record(attempt, {"rows": 1})["attempt"] == attempt.id


def test_of_many_at_once_one_wins(work: Work) -> None:
    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(work.begin, ["u"] * 8))
        won = list(pool.map(lambda a: work.record(a, {"n": a.number})["attempt"], attempts))
        plans = set(pool.map(lambda i: work.freeze("p", bytes([i])), range(8)))
    assert sorted(a.number for a in attempts) == list(range(1, 9))
    assert len(set(won)) == len(plans) == 1


@pytest.mark.parametrize(
    "data", [b"", b'{"unit": "u", "att', b"[]", b'{"unit": "v", "attempt": "x"}', b'{"unit": "u"}']
)
def test_a_damaged_record_names_the_file_and_the_way_out(tmp_path: Path, data: bytes) -> None:
    work = Work(Folder(str(tmp_path)))
    attempt = work.begin("u")
    (tmp_path / "units/u.json").write_bytes(data)
    text = r"units/u\.json: \d+ bytes that are no record of unit u; .* delete this one file"
    with pytest.raises(StorageError, match=text):
        work.get("u")
    with pytest.raises(StorageError, match=text):
        list(work.records())
    with pytest.raises(StorageError, match=text):
        work.record(attempt, {})


def test_some_records_are_found_by_name_and_nothing_is_listed(work: Work) -> None:
    for name in ("u1", "u2", "u3"):
        work.record(work.begin(name), {"name": name})
    work.folder.create("units/other.json", b"damaged")
    found = dict(work.some(["u3", "u1", "u9"]))
    assert {unit: record["name"] for unit, record in found.items()} == {"u1": "u1", "u3": "u3"}
    with pytest.raises(StorageError, match="no record of unit other"):
        list(work.some(["u1", "other"]))


def test_a_half_written_temporary_file_is_no_record(tmp_path: Path) -> None:
    work = Work(Folder(str(tmp_path)))
    work.begin("u")
    (tmp_path / "units/.tmp-1-x").write_bytes(b'{"uni')
    assert list(work.records()) == []


def test_what_cannot_be_recorded(work: Work) -> None:
    with pytest.raises(ValueError, match=r"body may not hold \['unit'\]"):
        work.record(Attempt("u", 1, "x"), {"unit": "v"})
    for name in ("a/b", "../a", "", ".hidden"):
        with pytest.raises(ValueError, match="cannot name a file of the work folder"):
            work.begin(name)


def test_work_survives_pickling(tmp_path: Path) -> None:
    work = Work(Folder(str(tmp_path)))
    work.record(work.begin("u"), {})
    assert pickle.loads(pickle.dumps(work)).get("u") == work.get("u")


@pytest.mark.parametrize("stopped_after", ["nothing", "begin", "publish", "record"])
def test_a_unit_killed_anywhere_is_made_again_to_the_same_end(
    tmp_path: Path, rows: Callable[..., pa.Table], stopped_after: str
) -> None:
    folder = Folder(str(tmp_path))
    work = Work(folder.child("_work/job"))

    def run(stop: str) -> None:
        if work.get("u") is not None or stop == "nothing":
            return
        attempt = work.begin("u")
        if stop == "begin":
            return
        entry = write_shard(rows(3), folder, "data/train/job/u", None, (3,))
        if stop != "publish":
            work.record(attempt, {"entry": entry.to_json()})

    run(stopped_after)
    run("end")
    run("end")  # a third run finds it done
    record = work.get("u")
    assert record
    entry = ShardEntry.from_json(record["entry"])
    assert [info.path for info in folder.files("data")] == [entry.path]
    tries = [i.path for i in folder.files("_work/job/units") if ".try-" in i.path]
    assert len(tries) == (2 if stopped_after in ("begin", "publish") else 1)
