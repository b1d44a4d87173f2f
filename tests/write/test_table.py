"""The Delta table: one transaction per request, whatever is killed, repeated or at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from augment.errors import OutputConflictError, RequestError, StorageError
from augment.sample import SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write.creation import ensure_table
from augment.write.shards import ShardEntry, write_shard
from augment.write.table import (
    Commit,
    commit_once,
    live_files,
    missing_files,
    named_files,
    newest_version,
    open_table,
    refuse_foreign_rows,
    withdraw,
)

CLASSES = ("0", "no|way", "cat")
Rows = Callable[..., pa.Table]


def anything(table: DeltaTable) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "out"))


def shard(folder: Folder, rows: Rows, n: int, start: int = 0, job: str = "job") -> ShardEntry:
    return write_shard(rows(n, start=start), folder, f"data/train/{job}/u-{start}", CLASSES, (n,))


def made(folder: Folder) -> DeltaTable:
    return ensure_table(folder, SAMPLE_SCHEMA, CLASSES)


def test_a_commit_and_its_repeat(folder: Folder, rows: Rows) -> None:
    entries = [shard(folder, rows, 4), shard(folder, rows, 3, start=4)]
    commit = Commit("digest", 1, entries, {"job": "job"})
    first = commit_once(folder, made(folder), commit, anything)
    assert (first.version, first.already) == (1, False)
    again = commit_once(folder, made(folder), commit, anything)
    assert (again.version, again.already) == (1, True)
    assert [(f.path, f.size, f.rows) for f in live_files(folder)] == [
        (e.path, e.size, e.rows) for e in sorted(entries, key=lambda e: e.path)
    ]
    assert live_files(folder, 0) == []
    assert (open_table(folder) or pytest.fail("no table")).history()[0]["job"] == "job"


def test_a_next_generation_adds_to_it_and_an_older_does_nothing(folder: Folder, rows: Rows) -> None:
    one, two = shard(folder, rows, 4), shard(folder, rows, 3, start=4)
    commit_once(folder, made(folder), Commit("digest", 1, [one]), anything)
    both = commit_once(folder, made(folder), Commit("digest", 2, [one, two]), anything)
    assert (both.version, both.already) == (2, False)  # `one` was there: not added twice
    assert sum(f.rows for f in live_files(folder)) == 7
    assert commit_once(folder, made(folder), Commit("digest", 1, [one]), anything).already


def test_twins_at_once_commit_once(folder: Folder, rows: Rows) -> None:
    entries = [shard(folder, rows, 4)]
    tables = [made(folder) for _ in range(6)]  # all opened before anyone commits
    with ThreadPoolExecutor(6) as pool:
        results = list(
            pool.map(lambda t: commit_once(folder, t, Commit("d", 1, entries), anything), tables)
        )
    assert sorted(r.already for r in results) == [False, *[True] * 5]
    assert newest_version(folder) == 1
    assert pl.scan_delta(folder.uri).select("sample_id").collect().height == 4


def test_different_requests_at_once_all_land(folder: Folder, rows: Rows) -> None:
    entries = [shard(folder, rows, 2, start=10 * i, job=f"job{i}") for i in range(6)]
    tables = [made(folder) for _ in entries]
    commits = [Commit(f"digest-{i}", 1, [e]) for i, e in enumerate(entries)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda t, c: commit_once(folder, t, c, anything), tables, commits))
    assert newest_version(folder) == 6
    assert {f.path for f in live_files(folder)} == {e.path for e in entries}


def test_the_check_sees_what_came_in_between(folder: Folder, rows: Rows) -> None:
    mine, theirs = shard(folder, rows, 2), shard(folder, rows, 2, start=4, job="other")
    seen = []

    def check(table: DeltaTable) -> None:
        seen.append(table.version())
        if len(seen) == 1:  # another request lands after my first look
            commit_once(folder, made(folder), Commit("theirs", 1, [theirs]), anything)

    result = commit_once(folder, made(folder), Commit("mine", 1, [mine]), check)
    assert (seen, result.version) == ([0, 1], 2)


def test_a_request_that_always_comes_second_stops(folder: Folder, rows: Rows) -> None:
    entry, others = shard(folder, rows, 2), iter(range(100))

    def check(table: DeltaTable) -> None:
        commit_once(folder, made(folder), Commit(f"other-{next(others)}", 1, []), anything)

    with pytest.raises(OutputConflictError, match=r"other commits came first 20 times; run the"):
        commit_once(folder, made(folder), Commit("mine", 1, [entry]), check)


def test_create_refuses_rows_of_another_request(folder: Folder, rows: Rows) -> None:
    entry = shard(folder, rows, 2)
    create = refuse_foreign_rows(folder, "digest-of-mine")
    create(made(folder))  # no rows
    commit_once(folder, made(folder), Commit("digest-of-mine", 1, [entry]), create)
    create(made(folder))  # its own rows
    text = r"version 1 holds 1 files of another request; .* request digest-of-ot\. Choose another"
    other = refuse_foreign_rows(folder, "digest-of-other")
    with pytest.raises(OutputConflictError, match=text):
        commit_once(folder, made(folder), Commit("digest-of-other", 1, [entry]), other)


def test_a_missing_or_wrong_file_refuses_the_commit(folder: Folder, rows: Rows) -> None:
    good, gone, cut = (shard(folder, rows, 2, start=10 * i) for i in range(3))
    Path(folder.url(gone.path)).unlink()
    Path(folder.url(cut.path)).write_bytes(b"half")
    assert missing_files(folder, [good, gone, cut]) == [gone, cut]
    text = rf"{gone.path} \({gone.size} bytes\), {cut.path} .*: recorded, but not there with this"
    with pytest.raises(StorageError, match=text):
        commit_once(folder, made(folder), Commit("d", 1, [good, gone, cut]), anything)
    assert newest_version(folder) == 0


def test_a_shard_written_again_heals_a_damaged_one(folder: Folder, rows: Rows) -> None:
    entry = shard(folder, rows, 2)
    Path(folder.url(entry.path)).write_bytes(b"half")
    assert shard(folder, rows, 2) == entry
    assert missing_files(folder, [entry]) == []


def test_orphans_are_not_part_of_a_version(folder: Folder, rows: Rows) -> None:
    entry = shard(folder, rows, 2)
    shard(folder, rows, 5, start=20)  # published, never committed
    commit_once(folder, made(folder), Commit("d", 1, [entry]), anything)
    assert [f.path for f in live_files(folder)] == [entry.path]


def test_every_reader_reads_the_rows(folder: Folder, rows: Rows) -> None:
    entries = [shard(folder, rows, 4), shard(folder, rows, 3, start=4)]
    commit_once(folder, made(folder), Commit("d", 1, entries), anything)
    shard(folder, rows, 5, start=20)  # an orphan
    table = open_table(folder) or pytest.fail("no table")
    expected = sorted(pa.concat_tables([rows(4), rows(3, start=4)]).column("sha256").to_pylist())
    ids = sorted(rows(7).column("sample_id").to_pylist())

    lazy = pl.scan_delta(folder.uri)
    assert sorted(lazy.select("sample_id").collect()["sample_id"]) == ids
    files = table.file_uris()
    query = "select sample_id, sha256(image.bytes) as hash from read_parquet($files)"
    found = duckdb.execute(query, {"files": files}).fetchall()
    assert sorted(row[0] for row in found) == ids
    assert sorted(row[1] for row in found) == expected
    assert sorted(pd.concat(map(pd.read_parquet, files))["sample_id"]) == ids
    assert sorted(pq.ParquetDataset(files).read(["sample_id"])["sample_id"].to_pylist()) == ids
    assert table.to_pyarrow_table(columns=["generator"]).num_rows == 7


def test_a_missing_table_or_version_says_so(folder: Folder, rows: Rows) -> None:
    with pytest.raises(RequestError, match=r"out: no table stands there; `augment run` makes one"):
        live_files(folder)
    with pytest.raises(RequestError, match=r"there is no version 3; no table stands there"):
        live_files(folder, 3)
    made(folder)
    with pytest.raises(RequestError, match=r"out: there is no version 3; expected 0 to 0"):
        live_files(folder, 3)


def test_memory_is_out_of_deltas_reach() -> None:
    with pytest.raises(RequestError, match=r"memory://x: a table cannot stand in memory://"):
        open_table(Folder("memory://x"))


def test_a_damaged_log_is_told(folder: Folder) -> None:
    made(folder)
    Path(folder.url("_delta_log/00000000000000000000.json")).write_text("{")
    with pytest.raises(StorageError, match=r"out: the table's log could not be read: .*; put the"):
        open_table(folder)


def test_a_table_that_cannot_be_created_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        StorageError, match=r"out: the table.s log could not be read: .*does not exist.*; put the"
    ):
        made(Folder(str(tmp_path / "out")))


def test_a_transaction_that_cannot_be_written_is_told(folder: Folder, rows: Rows) -> None:
    entry, table = shard(folder, rows, 2), made(folder)
    log = Path(folder.url("_delta_log"))

    def check(_: DeltaTable) -> None:  # after the look: the log is no folder any more
        log.rename(log.with_name("kept"))
        log.write_text("")

    with pytest.raises(StorageError, match=r"out: .*put the cause right and run the same command"):
        commit_once(folder, table, Commit("d", 1, [entry]), check)


def test_odd_names_stay_out_of_the_log(folder: Folder, rows: Rows) -> None:
    entry = write_shard(rows(1), folder, "data/train/job/a b", CLASSES, (1,))
    with pytest.raises(ValueError, match="cannot stand in a Delta log as it is"):
        commit_once(folder, made(folder), Commit("d", 1, [entry]), anything)


def test_the_log_says_how_many_rows_a_file_has(folder: Folder, rows: Rows) -> None:
    commit_once(folder, made(folder), Commit("d", 1, [shard(folder, rows, 4)]), anything)
    lines = Path(folder.url("_delta_log/00000000000000000001.json")).read_text().splitlines()
    add = next(json.loads(line)["add"] for line in lines if '"add"' in line)
    assert json.loads(add["stats"]) == {"numRecords": 4}


# ---- what versions name, and withdrawing ------------------------------------------------


def test_every_file_that_a_version_named_stays_named(folder: Folder, rows: Rows) -> None:
    assert named_files(folder) == frozenset()
    table = made(folder)
    entries = [shard(folder, rows, 3, start=10 * i) for i in range(3)]
    for number, entry in enumerate(entries):
        commit_once(folder, table, Commit(f"r{number}", 1, [entry]), anything)
    first, second, third = (entry.path for entry in entries)
    assert withdraw(folder, {second, "data/none.parquet"}, {"why": "test"}) == 4
    assert [f.path for f in live_files(folder)] == [first, third]
    assert [f.path for f in live_files(folder, 3)] == [first, second, third]
    assert named_files(folder) == {first, second, third}
    assert withdraw(folder, {second}, {}) == 4
    commit_once(folder, table, Commit("again", 1, [entries[1]]), anything)
    assert len(live_files(folder)) == 3


def test_versions_without_their_entry_are_asked_themselves(folder: Folder, rows: Rows) -> None:
    table = made(folder)
    entries = [shard(folder, rows, 3, start=10 * i) for i in range(2)]
    commit_once(folder, table, Commit("a", 1, [entries[0]]), anything)
    withdraw(folder, {entries[0].path}, {})
    commit_once(folder, table, Commit("b", 1, [entries[1]]), anything)
    DeltaTable(folder.uri).create_checkpoint()
    for version in range(3):
        folder.remove(f"_delta_log/{version:020d}.json")
    assert named_files(folder) == {entries[1].path}  # nobody can open the older ones any more


def test_a_damaged_log_stops_who_asks_what_is_visible(folder: Folder, rows: Rows) -> None:
    table = made(folder)
    entry = shard(folder, rows, 3)
    commit_once(folder, table, Commit("a", 1, [entry]), anything)
    DeltaTable(folder.uri).create_checkpoint()
    folder.replace("_delta_log/00000000000000000000.json", b"{}\nnot json")
    with pytest.raises(StorageError, match=r"no entry of a Delta log .* restore it from a copy"):
        named_files(folder)
