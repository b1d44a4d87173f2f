"""Folds: the records of one claim in one file, so that 10^7 units are read in seconds.

    folds/<claim>-<hash>.records.parquet   the records of all units of a claim
    folds/<claim>-<turn>-<hash>.parquet    what they say together; names the file above

A fold is a summary: the records still prove their units, and stay. It is written when all
of them exist, the small file after the large one: without it there is no fold. The hash is
that of the file's bytes, so that two drivers which fold one claim write one file, and a
damaged one shows. Whoever finds no whole fold reads the records, and folds them again. Where
a record was replaced by hand the claim's next fold has the next turn, and counts. Nobody
deletes during a run. Knows nothing of what records say, but for their shards.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import StorageError
from augment.seeds import canonical_json
from augment.storage import Folder
from augment.write.reading import read_each, read_or_none
from augment.write.work import Record

_PLACE = "folds"
_NAME = re.compile(r"folds/(?P<claim>\d{8})-(?P<turn>\d{4})-(?P<hash>[0-9a-f]{16})\.parquet")
_ABOUT = b"augment"
_RECORDS = pa.schema(
    [("unit", pa.string()), ("path", pa.string()), ("size", pa.int64()), ("record", pa.binary())]
)
_AT_ONCE = 1024
"""Records that are in memory at once as text."""


@dataclass(frozen=True)
class Fold:
    """One claim's records. turn: of several folds of a claim the highest counts. about: as it
    was given. records: the file of them."""

    claim: int
    turn: int
    about: Mapping[str, Any]
    records: str


class Folds:
    """The folds of one universe; folder: `<pool>/_work/<universe16>`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def write(
        self,
        claim: int,
        records: Iterable[Record],
        summary: pa.Table,
        about: Mapping[str, Any],
        after: Fold | None = None,
    ) -> Fold:
        """Fold the records of all units of a claim; they stand in `units/` already. after: the
        fold that counted until then, where it does not hold.

        Raises:
            StorageError: the fold could not be written.
        """
        data = _parquet(_table(records), None)
        name = self._put(f"{claim:08d}", "records.parquet", data)
        turn = 0 if after is None else after.turn + (after.records != name)
        more = {**about, "records": name, "bytes_of_records": len(data)}
        self._put(f"{claim:08d}-{turn:04d}", "parquet", _parquet(summary, more))
        return Fold(claim, turn, more, name)

    def all(self) -> Iterator[tuple[Fold, pa.Table]]:
        """Every whole fold with its summary, one in memory at a time, by claim; of several of one
        claim the one that counts comes first. What is damaged or lacks its records is left out.

        Raises:
            StorageError: one could not be read at all.
        """
        sizes = {info.path: info.size for info in self._folder.files(_PLACE)}
        names = sorted((path for path in sizes if _NAME.fullmatch(path)), key=_turn)
        for path, data in read_each(self._folder, names):
            found = None if data is None else _fold(path, data)
            if found and sizes.get(found[0].records) == found[0].about["bytes_of_records"]:
                yield found

    def records(self, fold: Fold) -> Iterator[Record]:
        """The records of a fold, by unit.

        Raises:
            StorageError: the file of them is gone or damaged.
        """
        for batch in self._batches(fold, ["record"]):
            yield from (json.loads(text) for text in batch.column("record").to_pylist())

    def shards(self, fold: Fold) -> Iterator[tuple[str, str, int]]:
        """(unit, path, bytes) of every shard of a fold. Raises: see `records`."""
        for batch in self._batches(fold, ["unit", "path", "size"]):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield from ((unit, path, size) for unit, path, size in rows if path is not None)

    def _batches(self, fold: Fold, columns: list[str]) -> Iterator[pa.RecordBatch]:
        data = read_or_none(self._folder, fold.records)
        if data is None or _hash(data) != fold.records.split("-")[1].split(".")[0]:
            what = "is gone" if data is None else f"holds {len(data)} bytes that are not its own"
            raise StorageError(
                f"{self._folder.url(fold.records)}: the file {what}; it was changed from outside. "
                "Delete it if it is there and run the same command again: it is made anew from "
                "the records in units/"
            )
        parquet = pq.ParquetFile(io.BytesIO(data))
        yield from parquet.iter_batches(_AT_ONCE, columns=columns, use_threads=False)

    def _put(self, start: str, ending: str, data: bytes) -> str:
        """Its name says what the bytes are: others under that name are damage."""
        path = f"{_PLACE}/{start}-{_hash(data)}.{ending}"
        if not self._folder.create(path, data) and read_or_none(self._folder, path) != data:
            self._folder.replace(path, data)
        return path


def _table(records: Iterable[Record]) -> pa.Table:
    rows = []
    for record in sorted(records, key=lambda one: str(one["unit"])):
        entry = record["entry"] or {}
        text = canonical_json(record).encode()
        rows.append((record["unit"], entry.get("path"), entry.get("size"), text))
    columns = zip(*rows, strict=True) if rows else ([] for _ in _RECORDS)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _RECORDS, strict=True)]
    return pa.table(arrays, schema=_RECORDS)


def _parquet(table: pa.Table, about: Mapping[str, Any] | None) -> bytes:
    if about is not None:
        table = table.replace_schema_metadata({_ABOUT: canonical_json(about)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1 << 20, compression="zstd")
    return sink.getvalue()


def _fold(path: str, data: bytes) -> tuple[Fold, pa.Table] | None:
    """None where the bytes are not those that the name says."""
    name = _NAME.fullmatch(path)
    if name is None or _hash(data) != name["hash"]:
        return None
    parquet = pq.ParquetFile(io.BytesIO(data))
    about = json.loads(parquet.schema_arrow.metadata[_ABOUT])
    fold = Fold(int(name["claim"]), int(name["turn"]), about, about["records"])
    return fold, parquet.read(use_threads=False)


def _turn(path: str) -> tuple[str, int, str]:
    claim, turn, rest = path.split("-")
    return claim, -int(turn), rest


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
