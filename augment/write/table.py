"""The Delta table: grown by one transaction per request (creation.py makes it).

A version names its files; nothing else makes a file part of a table. A request commits
under (app id, generation), so a repeat is seen and does nothing; on a conflict with
another commit the table is read again and the caller judges it again. Knows nothing of
plans, pixels or Ray. deltalake is imported inside functions: who makes samples needs none.
"""

from __future__ import annotations

import json
import posixpath
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import pyarrow as pa

from augment.errors import OutputConflictError, RequestError, StorageError
from augment.storage import Folder
from augment.write.shards import ShardEntry

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

LOG = "_delta_log"
_ROUNDS = 20  # commits of others that one commit gives way to
_PAUSES = (0.2, 0.4, 0.8)  # seconds, where a commit failed and nobody's came first
_READS = 3  # of the log, where an answer broke off

Got = TypeVar("Got")

Check = Callable[["DeltaTable"], None]
"""Judges the table that a commit would add to; raises where it may not."""


@dataclass(frozen=True)
class LiveFile:
    """One file of a version. path: relative to the table. size: bytes."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class Commit:
    """What one transaction adds. app_id: the request's digest. generation: 1 for its first
    run, 1 more for each retry or top-up. about: written beside it, for people only."""

    app_id: str
    generation: int
    entries: Sequence[ShardEntry]
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CommitResult:
    """version: the table's version after the commit. already: an earlier run had made it,
    nothing was added now; version is then the newest."""

    version: int
    already: bool


def open_table(folder: Folder, version: int | None = None) -> DeltaTable | None:
    """The table, None where there is none.

    Raises:
        RequestError: no such version, or a store that Delta cannot reach.
        StorageError: the log could not be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    uri, options = folder.delta_uri(), folder.delta_options()
    try:
        return _read(folder, lambda: DeltaTable(uri, version=version, storage_options=options))
    except TableNotFoundError:
        if version is None:
            return None
        raise _no_version(folder, version) from None
    except StorageError:
        if version is not None and _newest(folder) < version:
            raise _no_version(folder, version) from None
        raise


def commit_once(folder: Folder, table: DeltaTable, commit: Commit, check: Check) -> CommitResult:
    """Add the entries in one transaction, unless this app id and generation is there already.

    Entries whose file the table has already are left out: names hold their content. check
    sees the very version that the commit adds to, again after each conflict.

    Raises:
        StorageError: a recorded file is missing or has another size, or writing failed.
        OutputConflictError: from check, or too many others commit at the same time.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    pauses = iter(_PAUSES)
    for _ in range(_ROUNDS):
        _read(folder, table.update_incremental)
        if (generation_of(folder, table, commit.app_id) or 0) >= commit.generation:
            return CommitResult(table.version(), already=True)
        check(table)
        refuse_linked_log(folder)
        _check_files(folder, commit.entries)
        live = {f.path for f in _live(folder, table)}
        adds = [_add(e) for e in commit.entries if e.path not in live]
        base = table.version()
        try:
            _write(table, adds, commit)
        except (DeltaError, OSError) as error:
            again = isinstance(error, CommitFailedError) or not folder.is_local
            if again and _overtaken(folder, base, pauses):  # a repeat is seen by its app id
                continue
            raise StorageError(
                f"{folder.uri}: the transaction could not be written: {folder.said(error)}; "
                "put the cause right and run the same command again"
            ) from error
        return CommitResult(base + 1, already=False)
    raise OutputConflictError(
        f"{folder.uri}: other commits came first {_ROUNDS} times; run the same command again "
        "when fewer jobs write to this table"
    )


def refuse_foreign_rows(folder: Folder, app_id: str) -> Check:
    """The check of `output.mode: create`: the table has no rows, or this request's only."""

    def check(table: DeltaTable) -> None:
        if generation_of(folder, table, app_id) is not None:
            return
        if files := len(_live(folder, table)):
            raise OutputConflictError(
                f"{folder.uri}: version {table.version()} holds {files} files of another "
                f"request; output.mode create expects none, or those of request {app_id[:12]}. "
                "Choose another output.uri, or the job that made them"
            )

    return check


def live_files(folder: Folder, version: int | None = None) -> list[LiveFile]:
    """The files of a version (None: the newest), by path.

    Raises:
        RequestError: there is no table or no such version.
    """
    return _live(folder, existing(folder, version))


def named_files(folder: Folder) -> frozenset[str]:
    """Every file that any version of the table names, also those that a later version removed:
    what no cleaning may touch. Nothing where there is no table.

    Raises:
        StorageError: a part of the log cannot be read.
    """
    newest = newest_version(folder)
    if newest is None:
        return frozenset()
    found: set[str] = {file.path for file in live_files(folder, newest)}
    for version in range(newest + 1):
        path = f"{LOG}/{version:020d}.json"
        try:
            found.update(_added(folder.read(path), folder.url(path)))
        except FileNotFoundError:
            found.update(_named_by(folder, version))
    return frozenset(found)


def _named_by(folder: Folder, version: int) -> set[str]:
    """Files of a version whose entry was folded into a checkpoint; none where it is gone."""
    try:
        return {file.path for file in live_files(folder, version)}
    except RequestError:
        return set()


def _added(entry: bytes, url: str) -> Iterator[str]:
    try:
        actions = [json.loads(line) for line in entry.splitlines() if line.strip()]
        yield from (unquote(action["add"]["path"]) for action in actions if "add" in action)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(
            f"{url}: {len(entry)} bytes that are no entry of a Delta log ({error}); restore it "
            "from a copy: without it nobody can tell which files are visible"
        ) from error


def withdraw(folder: Folder, paths: Collection[str], about: Mapping[str, str]) -> int:
    """Make a version without these files, in one transaction; the newest version then. Files
    that it does not name are left out; the files themselves stay.

    Raises:
        StorageError: the transaction could not be written, or another one came first.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import RemoveAction

    table = existing(folder, None)
    live = {f.path: f for f in _live(folder, table)}
    now_ms = int(time.time() * 1000)
    gone = [
        RemoveAction(path, True, now_ms, live[path].size, {})
        for path in sorted(live.keys() & set(paths))
    ]
    if not gone:
        return table.version()
    refuse_linked_log(folder)
    try:
        table.create_write_transaction(
            [*gone],
            mode="append",
            schema=table.schema(),
            commit_properties=CommitProperties(custom_metadata=dict(about), max_commit_retries=0),
        )
    except (DeltaError, OSError) as error:
        raise StorageError(
            f"{folder.uri}: the transaction could not be written: {folder.said(error)}; put "
            "the cause right and run the same command again"
        ) from error
    return _newest(folder)


def generation_of(folder: Folder, table: DeltaTable, app_id: str) -> int | None:
    """The newest generation of a request that the table at `folder` holds, None: none.

    Raises:
        StorageError: the log could not be read.
    """
    return _read(folder, lambda: table.transaction_version(app_id))


def newest_version(folder: Folder) -> int | None:
    """The number of the newest version, None where there is no table."""
    table = open_table(folder)
    return None if table is None else table.version()


def missing_files(folder: Folder, entries: Sequence[ShardEntry]) -> list[ShardEntry]:
    """The entries whose file is not there with its size. Lists each parent folder once."""
    sizes: dict[str, int] = {}
    for parent in sorted({posixpath.dirname(e.path) for e in entries}):
        sizes.update((info.path, info.size) for info in folder.files(parent))
    return [e for e in entries if sizes.get(e.path) != e.size]


def _check_files(folder: Folder, entries: Sequence[ShardEntry]) -> None:
    if bad := missing_files(folder, entries):
        named = ", ".join(f"{e.path} ({e.size} bytes)" for e in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise StorageError(
            f"{folder.uri}: {named}{more}: recorded, but not there with this size; nothing was "
            "committed. Run the same command again: they are made anew"
        )


def _add(entry: ShardEntry) -> AddAction:
    from deltalake.transaction import AddAction

    if not re.fullmatch(r"[A-Za-z0-9._/-]+", entry.path):  # a log holds paths URL-encoded
        raise ValueError(f"{entry.path!r} cannot stand in a Delta log as it is")
    return AddAction(entry.path, entry.size, {}, 0, True, entry.stats())


def _write(table: DeltaTable, adds: Sequence[AddAction], commit: Commit) -> None:
    from deltalake import CommitProperties, Transaction

    table.create_write_transaction(
        [*adds],
        mode="append",
        schema=table.schema(),
        commit_properties=CommitProperties(
            custom_metadata=dict(commit.about),
            max_commit_retries=0,  # by default a stale append is rebased without asking
            app_transactions=[Transaction(commit.app_id, commit.generation)],
        ),
    )


def refuse_linked_log(folder: Folder) -> None:
    """A transaction would be written into another table's log."""
    if folder.is_linked(LOG):
        raise StorageError(
            f"{folder.url(LOG)} is a link, and nothing is written through one; put the log "
            "itself there, or name the table that it belongs to"
        )


def _overtaken(folder: Folder, base: int, pauses: Iterator[float]) -> bool:
    """Whether another commit came first, or may be about to: S3 refuses both of two puts that
    are under way together (409). In a remote store an answer may also have broken off."""
    if _newest(folder) > base:
        return True
    pause = None if folder.is_local else next(pauses, None)
    if pause is not None:
        time.sleep(pause)
    return pause is not None


def _live(folder: Folder, table: DeltaTable) -> list[LiveFile]:
    actions = pa.table(_read(folder, lambda: table.get_add_actions(flatten=False)))
    columns = (actions.column(c).to_pylist() for c in ("path", "size_bytes", "num_records"))
    return sorted(
        (LiveFile(path, size, rows or 0) for path, size, rows in zip(*columns, strict=True)),
        key=lambda f: f.path,
    )


def existing(folder: Folder, version: int | None) -> DeltaTable:
    table = open_table(folder, version)
    if table is None:
        raise RequestError(f"{folder.uri}: no table stands there; `augment run` makes one")
    return table


def _newest(folder: Folder) -> int:
    version = newest_version(folder)
    return -1 if version is None else version


def _no_version(folder: Folder, version: int) -> RequestError:
    newest = _newest(folder)
    have = "no table stands there" if newest < 0 else f"expected 0 to {newest}"
    return RequestError(f"{folder.uri}: there is no version {version}; {have}")


def _read(folder: Folder, ask: Callable[[], Got]) -> Got:
    """What the log says. delta-rs repeats a request that the store refuses, but not one whose
    answer breaks off half-way: that is done here.

    Raises:
        TableNotFoundError. StorageError: the log could not be read.
    """
    from deltalake.exceptions import DeltaError, TableNotFoundError

    for left in reversed(range(_READS)):
        try:
            return ask()
        except TableNotFoundError:
            raise
        except (DeltaError, OSError) as error:
            if not left or folder.is_local:
                folder.require_bucket()
                raise StorageError(
                    f"{folder.uri}: the table's log could not be read: {folder.said(error)}; "
                    "put the cause right and run the same command again"
                ) from error
    raise AssertionError("the last try returns or raises")
