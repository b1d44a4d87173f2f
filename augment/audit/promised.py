"""What the jobs of a data set say that they have committed, against what a version holds.

A job keeps beside the rows how many it wrote; a log that lost an entry, or its last one, names
fewer. Only the newest version can be held to that: an earlier one had fewer by right. Knows the
paths of shards (`data/<split>/<job>/...`) and job.json, nothing of what the rows are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from augment.audit.findings import Check, Finding, not_judged
from augment.audit.table import DataSet, read_jobs, read_provenance
from augment.errors import StorageError
from augment.sample import COUNTS_SCHEMA

VERDICT = "verdict.json"
"""In `_provenance/<job>/`: what the audit after a commit found."""
_NAME = "committed"
_ASKS = "the version holds every row that its jobs say they committed"
Jobs = Mapping[str, Mapping[str, Any]]


def check_committed(
    data: DataSet, jobs: Jobs, counts: pa.Table
) -> tuple[list[Check], list[Finding]]:
    """jobs: job id -> its job.json. counts: rows by shard (columns shard and n).

    Raises:
        StorageError: what a job keeps of itself is damaged.
    """
    if data.version is None:
        return [], []
    if not data.newest:
        why = f"version {data.version} is not the newest, which alone must hold them all"
        return [not_judged(_NAME, _ASKS, why)], []
    said = _said(data, jobs)
    if not sum(said.values()):
        return [not_judged(_NAME, _ASKS, "no job says in _provenance/ how many it wrote")], []
    held = live_jobs(counts)
    lost = {
        job: n
        for job, n in sorted(said.items())
        if held[job] < n and (held[job] or not sum(held.values()) or _proven(data, job))
    }
    if not lost:
        return [Check(_NAME, True, f"{_ASKS}: {sum(held[job] for job in said)} rows")], []
    missing = sum(n - held[job] for job, n in lost.items())
    findings = [
        Finding(_NAME, _lost(data, job, n, held[job]), n - held[job]) for job, n in lost.items()
    ]
    return [Check(_NAME, False, f"{_ASKS}: {missing} rows are missing")], findings


def _proven(data: DataSet, job: str) -> bool:
    """Whether a job left what is only written after its commit. One that stopped right before it
    has said how many rows it would commit, and another job may have taken its place."""
    return data.folder.exists(f"_provenance/{job}/{VERDICT}")


def refuse_lost(data: DataSet) -> None:
    """For who reads rows: a newest version without any, though jobs say that they wrote some, is
    no empty data set.

    Raises:
        StorageError: it is such a one.
    """
    if data.version is None or data.shards or not data.newest:
        return
    for job, said in sorted(_said(data, read_jobs(data)).items()):
        if said:
            raise StorageError(f"{data.name}: {_lost(data, job, said, 0)}")


def _lost(data: DataSet, job: str, said: int, held: int) -> str:
    return (
        f"job {job} says in _provenance/ that it wrote {said} rows, version {data.version} holds "
        f"{held} of them: the log lost a version, or the job was stopped before its commit. "
        "Restore _delta_log/ from a copy, or run the job again, which commits what its records hold"
    )


def _said(data: DataSet, jobs: Jobs) -> dict[str, int]:
    """Job -> rows that it says it wrote: in its job.json, or where that is missing in its cubes."""
    said = {job: _written(data, job, body) for job, body in jobs.items()}
    if set(data.folder.folders("_provenance")) <= said.keys():
        return said
    cells: dict[str, set[tuple[Any, ...]]] = {}
    for path, cube in read_provenance(data, "counts"):
        lines = zip(*(column.to_pylist() for column in cube.columns), strict=True)
        cells.setdefault(path.split("/")[1], set()).update(lines)  # two cubes of a shard agree
    n = COUNTS_SCHEMA.get_field_index("n")
    return {job: sum(line[n] for line in lines) for job, lines in cells.items()} | said


def _written(data: DataSet, job: str, body: Mapping[str, Any]) -> int:
    """0 where a job.json of another version does not say it."""
    try:
        return sum(int(cell["written"]) for cell in body.get("cells", ()))
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise StorageError(
            f"{data.name}: _provenance/{job}/job.json: its cells are not what augment writes "
            f"({type(error).__name__}); restore it from a copy"
        ) from error


def live_jobs(counts: pa.Table) -> Counter[str]:
    """Job -> rows of it that a version holds; "" for files that `augment` did not name."""
    held: Counter[str] = Counter()
    for shard, n in zip(counts["shard"].to_pylist(), counts["n"].to_pylist(), strict=True):
        parts = shard.split("/")
        held[parts[2] if len(parts) == 4 else ""] += n
    return held
