"""Entries of a Delta log: JSON lines that say which files a data set is made of.

What is given is the newest entry of a table; the one before it stands beside it as it was written.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from augment.audit.table import open_data_set
from augment.errors import RequestError, StorageError
from augment.sample import SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write import Commit, ShardEntry, commit_once, named_files
from augment.write.creation import ensure_table

SHORT = 1000  # delta-rs opens a table in some milliseconds
TOKENS = (b'{"add":{', b'"path":"', b'"size":', b'{"remove":{', b'{"txn":{', b'{"metaData":{',
          b'{"protocol":{', b'"numRecords":', b"-1", b"1e400", b"%00", b"../", b"null", b"\n{}\n",
          b'"schemaString":"', b"18446744073709551616")  # fmt: skip


class Table(NamedTuple):
    """entries: name -> bytes, as they were before any input took the place of the newest."""

    path: Path
    entries: Mapping[str, bytes]


@functools.cache
def table() -> Table:
    """A table of two shards, whose newest entry is each input in turn."""
    path = Path(tempfile.mkdtemp(prefix="augment-fuzz-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    folder = Folder(str(path))
    shards = [
        ShardEntry(f"data/{split}/job-0123456789ab/u-{'0' * 12}.parquet", 9, "0" * 64, 3, (3,))
        for split in ("train", "test")
    ]
    for shard in shards:
        folder.publish(shard.path, bytes(shard.size))
    made = ensure_table(folder, SAMPLE_SCHEMA, ("cat", "dog"))
    commit_once(folder, made, Commit("d" * 64, 1, shards, {"job_id": "job"}), lambda _: None)
    log = sorted((path / "_delta_log").glob("*.json"))
    return Table(path, {entry.name: entry.read_bytes() for entry in log})


def seeds() -> Mapping[str, bytes]:
    return table().entries


def one(data: bytes) -> None:
    path, entries = table()
    (path / "_delta_log" / max(entries)).write_bytes(data)
    for read in (lambda: open_data_set(str(path)), lambda: named_files(Folder(str(path)))):
        with contextlib.suppress(RequestError, StorageError):
            read()
