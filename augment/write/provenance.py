"""What a table keeps beside its rows, under `_provenance/<job>/`: the job, the counts cube
of each commit, and what was left out with the reason.

All of it is written before the commit, so a version never lacks it. Knows nothing of the
Delta log: which counts are live is for the reader to say.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from augment.errors import StorageError
from augment.sample import COUNTS_SCHEMA, QUARANTINE_SCHEMA
from augment.storage import Folder

_KEY = ["label_name", "split", "origin", "generator"]

Cell = dict[str, Any]
"""One cell of the cube: label_name, split, origin, generator (`generator.id` or None), n."""


def count_cells(table: pa.Table) -> list[Cell]:
    """The cube of one shard: rows of a `SAMPLE_SCHEMA` table counted, sorted by key."""
    columns = {name: table.column(name) for name in _KEY[:3]}
    ids = pc.struct_field(table.column("generator"), "id")
    counted = pa.table({**columns, "generator": ids}).group_by(_KEY).aggregate([([], "count_all")])
    cells = [{**{k: row[k] for k in _KEY}, "n": row["count_all"]} for row in counted.to_pylist()]
    return sorted(cells, key=lambda c: tuple(c[k] or "" for k in _KEY))


def counts_table(shards: Iterable[tuple[str, Sequence[Cell]]]) -> pa.Table:
    """The cube of a commit, `COUNTS_SCHEMA`, from (shard path, its cells), sorted by shard."""
    rows = [{"shard": shard, **cell} for shard, cells in sorted(shards) for cell in cells]
    return pa.Table.from_pylist(rows, schema=COUNTS_SCHEMA)


def write_counts(folder: Folder, job_id: str, counts: pa.Table) -> str:
    """Publish the cube as `_provenance/<job>/counts-<sha12>.parquet`; its path.
    folder: of the table. Equal cubes give the same name."""
    data = _parquet(counts.cast(COUNTS_SCHEMA))
    path = f"_provenance/{job_id}/counts-{hashlib.sha256(data).hexdigest()[:12]}.parquet"
    folder.publish(path, data)
    return path


def write_quarantine(folder: Folder, job_id: str, rows: Iterable[pa.Table]) -> str:
    """Write what was planned and left out as `_provenance/<job>/quarantine.parquet`, also
    where it is nothing; its path. rows: `QUARANTINE_SCHEMA`."""
    table = pa.concat_tables([QUARANTINE_SCHEMA.empty_table(), *rows])
    path = f"_provenance/{job_id}/quarantine.parquet"
    folder.replace(path, _parquet(table))
    return path


def write_job(
    folder: Folder, job_id: str, document: Mapping[str, Any], *, again: bool = False
) -> str:
    """Keep `_provenance/<job>/job.json` as first written, or (`again`) in place of what stands
    there; its path. document: at least `digest`; the job's unexpanded text, never its secrets."""
    path = f"_provenance/{job_id}/job.json"
    text = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    if again:
        folder.replace(path, text)
    else:
        folder.create(path, text)
    return path


def read_job(folder: Folder, job_id: str) -> dict[str, Any] | None:
    """What `write_job` kept; None where nothing was."""
    try:
        document = json.loads(folder.read(f"_provenance/{job_id}/job.json"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise StorageError(
            f"{folder.url(f'_provenance/{job_id}/job.json')}: not a JSON object; it was damaged "
            "from outside: delete it and run that job again, which writes it anew"
        )
    return document


VERDICT = "verdict.json"
"""In `_provenance/<job>/`: what the audit after a commit found. It is written after the commit, so
that it is proof of one."""


def write_verdict(folder: Folder, job_id: str, document: Mapping[str, Any]) -> str:
    """Keep what an audit found, in place of what an earlier one did; its path. document: at least
    `version`, that was audited."""
    path = f"_provenance/{job_id}/{VERDICT}"
    folder.replace(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def read_verdict(folder: Folder, job_id: str) -> dict[str, Any] | None:
    """What `write_verdict` kept; None where there is none that can be read: it is written anew."""
    try:
        document = json.loads(folder.read(f"_provenance/{job_id}/{VERDICT}"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


GATE = "gate.json"
"""In `_provenance/<job>/`, and in its work folder: what was measured before the commit."""


def write_gate(folder: Folder, job_id: str, document: Mapping[str, Any]) -> None:
    """Keep what a run judged before the commit that it is about to make. document: at least
    `shards`, which says of what."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    folder.replace(f"_provenance/{job_id}/{GATE}", text.encode())


def read_gate(folder: Folder, job_id: str) -> dict[str, Any] | None:
    """What `write_gate` kept; None where there is none that can be read."""
    try:
        document = json.loads(folder.read(f"_provenance/{job_id}/{GATE}"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_counts(folder: Folder, rows_by_shard: Mapping[str, int]) -> pa.Table:
    """The cubes of exactly these shards, `COUNTS_SCHEMA`, sorted by shard.

    rows_by_shard: path and rows of each file of a version, from its log.

    Raises:
        StorageError: a shard has no counts, or not as many as the log says it has rows.
    """
    found: dict[str, list[Cell]] = {}
    for job_id in folder.folders("_provenance"):
        for info in folder.files(f"_provenance/{job_id}"):
            if info.path.rpartition("/")[2].startswith("counts-"):
                _collect(found, _read(folder, info.path), rows_by_shard)
    for shard, rows in rows_by_shard.items():
        counted = sum(cell["n"] for cell in found.get(shard, ()))
        if counted != rows:
            raise StorageError(
                f"{folder.uri}: the counts under _provenance/ have {counted} rows of {shard}, "
                f"the log has {rows}; run the job that made it again, which writes them anew"
            )
    return counts_table(found.items())


def _collect(
    found: dict[str, list[Cell]], counts: pa.Table, rows_by_shard: Mapping[str, int]
) -> None:
    """Add the cells of wanted shards that no earlier cube had: two cubes of one shard agree."""
    fresh: dict[str, list[Cell]] = {}
    for row in counts.to_pylist():
        shard = row.pop("shard")
        if shard in rows_by_shard and shard not in found:
            fresh.setdefault(shard, []).append(row)
    found.update(fresh)


def _read(folder: Folder, path: str) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(folder.read(path)), schema=COUNTS_SCHEMA)
    except pa.ArrowInvalid as error:
        raise StorageError(
            f"{folder.url(path)}: no Parquet file of counts; it was damaged from outside: delete "
            "it and run the job that made it again, which writes it anew"
        ) from error


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
