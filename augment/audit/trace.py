"""Where one sample came from: its row, its ancestors, what made it, and which job.

Looks the id up in the id column of every row group, then reads that one row group without its
images. Parents are looked up in the same version; those that
are not in it are known by locator and sha256.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.openable import read_base
from augment.audit.table import (
    DataSet,
    Options,
    open_data_set,
    open_shard,
    read_jobs,
    read_provenance,
)
from augment.errors import RequestError

_LEAST_PREFIX = 6  # hex digits
_BEGINNING = rf"[0-9a-f]{{{_LEAST_PREFIX},32}}"
_DEPTH = 64  # steps up; ancestors cannot be in a circle, but a foreign table may say so
_IMAGES = ("image", "mask")
_Found = tuple[dict[str, Any], str, int]
"""A row without images, its shard, and its number there."""


@dataclass(frozen=True)
class Ancestor:
    """A parent as its child names it, and what the version knows of it (None: not in it)."""

    role: str
    sample_id: str
    sha256: str
    locator: str
    found: Sample | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        found = None if self.found is None else self.found.to_json()
        return {**vars(self), "found": found}


@dataclass(frozen=True)
class Sample:
    """A row without its images, where it stands, and its parents. number: in its shard, from 0."""

    row: Mapping[str, Any]
    shard: str
    number: int
    parents: tuple[Ancestor, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        row = {name: _plain(value) for name, value in self.row.items() if name != "parents"}
        return {
            "row": row,
            "shard": self.shard,
            "number": self.number,
            "parents": [parent.to_json() for parent in self.parents],
        }


@dataclass(frozen=True)
class Trace:
    """A sample of one version with its whole ancestry. jobs: `job.json` of the jobs that
    made its rows, by job id; a job that left none is missing. bases: the folder that relative
    paths of a job hang on, by job id, where it is known."""

    uri: str
    version: int | None
    sample: Sample
    jobs: Mapping[str, Mapping[str, Any]]
    bases: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "uri": self.uri,
            "version": self.version,
            "sample": self.sample.to_json(),
            "jobs": dict(self.jobs),
            "bases": dict(self.bases),
        }


def trace(
    uri: str, sample_id: str, *, version: int | None = None, options: Options | None = None
) -> Trace:
    """The row `sample_id` (or the only one that begins so, from 6 hex digits) with all its
    ancestors.

    Raises:
        RequestError: no data set or version, an id that is unknown, too short, or not the
            beginning of one id only.
        StorageError: the log or a shard cannot be read.
    """
    data = open_data_set(uri, version, options)
    first = _find_one(data, sample_id.strip())
    row = first[0]
    known = {row["sample_id"]: first}
    missing = _parent_ids([row])
    for _ in range(_DEPTH):
        missing -= known.keys()
        if not missing:
            break
        found = {each[0]["sample_id"]: each for each in _rows(data, missing)}
        known |= found
        missing = _parent_ids(each for each, *_ in found.values())
    sample = _sample(row["sample_id"], known, ())
    jobs = read_jobs(data) if data.version is not None else {}
    made = {str(each.get("job_id")) for each, *_ in known.values()}
    jobs = {name: job for name, job in jobs.items() if name in made}
    bases = {name: base for name in jobs if (base := read_base(data, name)) is not None}
    return Trace(data.folder.uri, data.version, sample, jobs, bases)


def _sample(sample_id: str, known: Mapping[str, _Found], below: tuple[str, ...]) -> Sample:
    row, shard, number = known[sample_id]
    path = (*below, sample_id)
    parents = []
    for parent in row.get("parents") or []:
        name = parent.get("sample_id") or ""
        found = _sample(name, known, path) if name in known and name not in path else None
        parents.append(
            Ancestor(
                parent.get("role") or "parentOf",
                name,
                parent.get("sha256") or "",
                parent.get("locator") or "",
                found,
            )
        )
    return Sample(row, shard, number, tuple(parents))


def _parent_ids(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {
        parent["sample_id"]
        for row in rows
        for parent in row.get("parents") or []
        if parent.get("sample_id")
    }


def _find_one(data: DataSet, wanted: str) -> _Found:
    exact = next(_rows(data, {wanted}), None)
    if exact is not None:
        return exact
    if not re.fullmatch(_BEGINNING, wanted):
        raise RequestError(
            f"{data.name}: got the sample id {wanted!r}, which is not in it; expected the 32 hex "
            f"digits of a sample_id, or its first {_LEAST_PREFIX} or more"
        )
    begun = sorted(_ids_from(data, wanted))
    if not begun:
        raise RequestError(_unknown(data, wanted))
    if len(begun) > 1:
        raise RequestError(
            f"{data.name}: {len(begun)} sample ids begin with {wanted}: {_some(begun)}; "
            "give more digits"
        )
    return next(_rows(data, set(begun)))


def _unknown(data: DataSet, wanted: str) -> str:
    text = f"{data.name}: no row has the sample id {wanted}"
    for path, table in read_provenance(data, "quarantine") if data.version is not None else ():
        left_out = table.filter(pc.starts_with(table["sample_id"], wanted)).slice(0, 1).to_pylist()
        if left_out:
            row = left_out[0]
            why = f"{row['reason']}: {row['detail']}"
            return f"{text}; it was planned and is quarantined ({why}), see {path}"
    near = sorted(_ids_from(data, wanted[:_LEAST_PREFIX]))
    if near:
        return f"{text}; did you mean {_some(near)}?"
    return f"{text}; expected an id of this version: `sample_id` of any row, or look in another one"


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")


def _rows(data: DataSet, wanted: set[str]) -> Iterator[_Found]:
    """The wanted ids' rows, each once; stops when all are found."""
    left = set(wanted)
    for shard in data.shards:
        if not left:
            return
        with open_shard(data, shard) as file:
            names = [name for name in file.schema_arrow.names if name not in _IMAGES]
            start = 0
            for group in range(file.num_row_groups):
                begins, start = start, start + file.rows_in(group)
                ids = _group_ids(file, group) if left else None
                if ids is None:
                    continue
                hits = pc.indices_nonzero(pc.is_in(ids, value_set=pa.array(sorted(left))))
                if len(hits):
                    found = file.read_row_group(group, columns=names).take(hits).to_pylist()
                    left -= {row["sample_id"] for row in found}
                    numbers = (begins + hit for hit in hits.to_pylist())
                    yield from zip(found, repeat(shard.path), numbers, strict=False)


def _ids_from(data: DataSet, prefix: str) -> set[str]:
    """All ids that begin with `prefix`."""
    found: set[str] = set()
    for shard in data.shards:
        with open_shard(data, shard) as file:
            for group in range(file.num_row_groups):
                ids = _group_ids(file, group)
                if ids is not None:
                    found.update(ids.filter(pc.starts_with(ids, prefix)).to_pylist())
    return found


def _group_ids(file: Any, group: int) -> pa.ChunkedArray | None:
    """The ids of a row group; None where it has no such column. Least and greatest value are not
    asked for: ids are hashes, whose range excludes nothing, and pyarrow ends the process where a
    footer's histograms are damaged and a column chunk is asked for."""
    if "sample_id" not in file.schema_arrow.names:
        return None
    return file.read_row_group(group, columns=["sample_id"])["sample_id"]


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value
