"""Tables, leases and tries in an object store."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError

from augment.storage import Folder
from augment.write import Lease, Work, holders
from augment.write.creation import ensure_table
from augment.write.lease import alive
from augment.write.table import Commit, commit_once, live_files, newest_version
from tests.storage.s3_server import Nth, S3Server
from tests.waiting import STILL_S

SCHEMA = pa.schema([("a", pa.string())])


@pytest.fixture
def folder(s3: S3Server) -> Folder:
    return Folder(f"{s3.bucket()}/t", s3.options())


def test_two_commits_upon_one_version_conflict(folder: Folder) -> None:
    """delta-rs writes a version with If-None-Match: of two one is refused."""
    ensure_table(folder, SCHEMA)
    tables = [ensure_table(folder, SCHEMA) for _ in range(2)]
    never = CommitProperties(max_commit_retries=0)
    tables[0].create_write_transaction([], "append", tables[0].schema(), commit_properties=never)
    with pytest.raises(CommitFailedError):
        tables[1].create_write_transaction(
            [], "append", tables[1].schema(), commit_properties=never
        )
    assert newest_version(folder) == 1


def test_commits_at_once_all_land_once(folder: Folder) -> None:
    ensure_table(folder, SCHEMA)
    start = threading.Barrier(4)

    def one(app: int) -> int:
        table = ensure_table(folder, SCHEMA)
        start.wait()
        return commit_once(
            folder, table, Commit(f"app{app % 2}", 1, []), lambda table: None
        ).version

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(one, range(4)))
    assert newest_version(folder) == 2  # two requests, each twice
    assert set(versions) <= {1, 2}
    assert live_files(folder) == []


def test_tables_made_at_once_are_one(folder: Folder) -> None:
    start = threading.Barrier(4)

    def one(_: int) -> int:
        start.wait()
        return int(ensure_table(folder, SCHEMA).version())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [0] * 4


def test_a_lease_is_held_and_beats(folder: Folder) -> None:
    beats = threading.Semaphore(0)
    seen = threading.Event()

    def wait(seconds: float) -> bool:
        beats.acquire()
        seen.set()
        return stop.is_set()

    stop = threading.Event()
    with Lease(folder, lambda: 1.0, wait=wait) as lease:
        first = folder.touch_time(f"leases/lease-{lease.id}.json")
        beats.release()
        assert seen.wait(STILL_S)
        assert holders(folder) == [lease.holder]
        assert alive(folder, lease.id)
        assert folder.touch_time(f"leases/lease-{lease.id}.json") >= first > 1e9
        stop.set()
        beats.release()
    assert holders(folder) == []
    assert not alive(folder, lease.id)


def test_a_holder_elsewhere_lives_by_the_stores_clock(folder: Folder) -> None:
    with Lease(folder, lambda: 1.0, wait=lambda seconds: True) as lease:
        path = f"leases/lease-{lease.id}.json"
        body = json.loads(folder.read(path)) | {"host": "elsewhere"}
        folder.replace(path, json.dumps(body).encode())
        assert alive(folder, lease.id)
        assert not alive(folder, lease.id, stale_after_s=-1)


def test_a_try_whose_answer_was_lost_counts_once(s3: S3Server, folder: Folder) -> None:
    work = Work(folder)
    with s3.breaking(Nth("reset_after", lambda r: r.path.endswith(".try-1"))):
        mine = work.begin("u")
        assert len(s3.broken) == 1
    assert mine.number == 1
    assert work.begin("u").number == 2
    with s3.breaking(Nth("reset_after", lambda r: r.path.endswith("u.json"))):
        assert work.record(mine, {"n": 1})["attempt"] == mine.id
