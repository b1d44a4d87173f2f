"""From records to a version: counts and ids are checked, provenance written, one transaction.

Provenance lies beside the data before the transaction, so that a version is complete the
moment it is visible; card and audit are remade from it whenever they are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from augment.audit.ids import repeated_ids
from augment.audit.table import DataSet, Shard
from augment.codec import codec_builds
from augment.errors import InterruptedRun
from augment.run.mixing.copying import sum_copies
from augment.run.mixing.holding import Gate, gate_in_job
from augment.run.mixing.mix import Arrangement
from augment.run.mixing.refused import in_job
from augment.run.mixing.retry_plan import outstanding
from augment.run.mixing.retry_unit import RetryUnit
from augment.run.prepare import Frozen, Prepared
from augment.sample import QUARANTINE_SCHEMA
from augment.spec import protected_splits
from augment.spec.generators import CustomGenerator, GeneratorSpec
from augment.spec.models import SourceSpec
from augment.storage import Folder
from augment.write import (
    Commit,
    CommitResult,
    LiveFile,
    Record,
    ShardEntry,
    commit_once,
    counts_table,
    ensure_table,
    generation_of,
    open_table,
    read_job,
    refuse_foreign_rows,
    write_counts,
    write_gate,
    write_job,
    write_quarantine,
)

Cell = tuple[str, str, str, str | None, str | None, str | None]
"""split, class, origin, source, generator, augmentation"""


@dataclass(frozen=True)
class CellResult:
    """One cell of the data set: planned = written + quarantined + short."""

    split: str
    label_name: str
    origin: str
    source: str | None
    generator: str | None
    augmentation: str | None
    planned: int
    written: int
    quarantined: int

    @property
    def short(self) -> int:
        return self.planned - self.written - self.quarantined


def committed(prepared: Prepared) -> CommitResult | None:
    """The newest version, if this request's transaction is in the output's table."""
    table = open_table(prepared.output)
    if table is None or generation_of(prepared.output, table, prepared.digest) is None:
        return None
    return CommitResult(table.version(), already=True)


def refuse_foreign_output(prepared: Prepared) -> None:
    """Look before anything is made whether the commit would be refused.

    Raises:
        OutputConflictError: the output holds another request's rows.
    """
    table = open_table(prepared.output)
    if table is not None:
        refuse_foreign_rows(prepared.output, prepared.digest)(table)


def cell_results(frozen: Frozen, records: Sequence[Record]) -> list[CellResult]:
    """Planned, written and quarantined rows of every cell."""
    written: Counter[Cell] = Counter()
    lost: Counter[Cell] = Counter()
    for record in records:
        for *key, wrote, quarantined in record["cells"]:
            cell: Cell = tuple(key)
            written[cell] += wrote
            lost[cell] += quarantined
    planned: dict[Cell, int] = {
        (c.split, c.label_name, c.origin.value, c.source, c.generator, c.augmentation): c.n
        for c in frozen.plan.cells
    }
    cells = sorted({*planned, *written, *lost}, key=str)
    return [CellResult(*c, planned.get(c, 0), written[c], lost[c]) for c in cells]


def commit(
    frozen: Frozen,
    arrangement: Arrangement,
    first: Sequence[Record],
    later: Sequence[tuple[Record, RetryUnit]] = (),
    gate: Gate | None = None,
) -> CommitResult:
    """Make the data set's one transaction, or find that it has been made. first: records of the
    frozen units. later: of rows that they lost and that were tried again. gate: what was judged
    before it.

    Raises:
        InterruptedRun: counts or ids are not what was planned; nothing was committed.
        StorageError, OutputConflictError: see `write.commit_once`.
    """
    prepared = frozen.prepared
    records = [*first, *(record for record, _ in later)]
    results = cell_results(frozen, records)
    _check_units(frozen, arrangement, first)
    check_counts(frozen, arrangement, results)
    entries = entries_of(records)
    check_unique(prepared.output, entries)
    table = ensure_table(prepared.output, frozen.schema, frozen.plan.classes)
    check = refuse_foreign_rows(prepared.output, prepared.digest)
    check(table)
    lost = outstanding(arrangement, first, later).rows
    _keep_provenance(frozen, arrangement, records, list(lost.values()), gate)
    about = {"job_id": prepared.job_id, "request": prepared.digest}
    return commit_once(prepared.output, table, Commit(prepared.digest, 1, entries, about), check)


def entries_of(records: Sequence[Record]) -> list[ShardEntry]:
    """The shards of units, as the log will have them; a unit without rows has none."""
    return [ShardEntry.from_json(r["entry"]) for r in records if r["entry"] is not None]


def _check_units(frozen: Frozen, arrangement: Arrangement, records: Sequence[Record]) -> None:
    have, want = {r["unit"] for r in records}, {u.name for u in arrangement.units}
    if have != want:
        odd = sorted(have ^ want)[:3]
        raise InterruptedRun(
            f"{frozen.prepared.work.folder.uri}: records and frozen units differ ({odd}); "
            "the folder was changed by hand: remove it and run again"
        )


def check_counts(frozen: Frozen, arrangement: Arrangement, results: Sequence[CellResult]) -> None:
    """planned = written + quarantined per cell; only generated cells may be short, and only
    by what the synthesis was short of.

    Raises:
        InterruptedRun: it is not so.
    """
    short = {(a.generator, a.label_name) for a in arrangement.accounts if a.shortfall}
    for cell in results:
        allowed = (cell.generator, cell.label_name) in short
        mixed = cell.augmentation is not None and bool(short)
        if cell.short == 0 or (cell.short > 0 and (allowed or mixed)):
            continue
        raise InterruptedRun(
            f"{frozen.prepared.job_id}: {cell.planned} rows were planned for split {cell.split}, "
            f"class {cell.label_name!r}, {cell.origin} "
            f"({cell.augmentation or cell.generator or cell.source}), but {cell.written} were "
            f"written and {cell.quarantined} quarantined; nothing was committed. This is a "
            "defect of augment or a work folder changed by hand: please report it"
        )


def check_unique(output: Folder, entries: Sequence[ShardEntry | LiveFile]) -> None:
    """sample_id is unique over all shards: exact, reads ids only, memory is bounded.

    Raises:
        InterruptedRun: some id is there twice.
    """
    shards = tuple(Shard(e.path, e.size, e.rows) for e in entries)
    data = DataSet(output, None, shards)
    repeats, some = repeated_ids(data, sum(e.rows for e in entries))
    if repeats:
        raise InterruptedRun(
            f"{output.uri}: {repeats} rows repeat a sample_id ({', '.join(some)}); nothing was "
            "committed. Two inputs with the same source and place, or a defect of augment: "
            "please report it"
        )


def _keep_provenance(
    frozen: Frozen,
    arrangement: Arrangement,
    records: Sequence[Record],
    lost: Sequence[Mapping[str, Any]],
    gate: Gate | None,
) -> None:
    """What a run that was stopped just before its commit left here gives way to this one's limits,
    and to what it judged by them."""
    output, job_id = frozen.prepared.output, frozen.prepared.job_id
    cubes = [(r["entry"]["path"], r["cube"]) for r in records if r["entry"] is not None]
    write_counts(output, job_id, counts_table(cubes))
    write_quarantine(output, job_id, [pa.Table.from_pylist(list(lost), schema=QUARANTINE_SCHEMA)])
    document = job_document(frozen, arrangement, records)
    if gate is not None:
        write_gate(output, job_id, gate.document)
        document["gate"] = gate_in_job(gate.document)
    left = read_job(output, job_id)
    again = left is not None and any(left.get(n) != document.get(n) for n in ("limits", "gate"))
    write_job(output, job_id, document, again=again)


def job_document(
    frozen: Frozen, arrangement: Arrangement, records: Sequence[Record]
) -> dict[str, Any]:
    """What `_provenance/<job>/job.json` says: enough to understand every row, no secrets
    (the job's text is kept unexpanded, and without those that it spells out). records: of all
    units; those of an earlier version of augment count no copies."""
    prepared = frozen.prepared
    spec = prepared.job.spec
    return {
        "job_id": prepared.job_id,
        "digest": prepared.digest,
        "name": spec.name,
        "seed": spec.seed,
        "created_at": frozen.stamp.generated_at.isoformat(),
        "classes": list(frozen.plan.classes),
        "protected_splits": sorted(protected_splits(spec)),
        "about": spec.about.model_dump(mode="json"),
        "filters": [f.model_dump(mode="json", exclude_none=True) for f in spec.filters],
        "limits": spec.limits.model_dump(mode="json", exclude_none=True),
        "allow_empty_classes": sorted(spec.errors.allow_empty_classes),
        "spec_text": prepared.output.without_secrets(prepared.job.text),
        "split_seed": spec.split_seed,
        "sources": {n: _source_facts(s, frozen.draws.get(n)) for n, s in spec.sources.items()},
        "left_out": [found.to_json() for found in frozen.left_out],
        "generators": {name: _generator_facts(frozen, name) for name in prepared.infos},
        "plan": frozen.plan.to_json(),
        "accounts": [asdict(a) | {"shortfall": a.shortfall} for a in arrangement.accounts],
        "cells": [asdict(c) | {"short": c.short} for c in cell_results(frozen, records)],
        "copies": sum_copies(record.get("copies", {}) for record in records),
        "codec": codec_builds(),
        **in_job(records),
    }


def _source_facts(source: SourceSpec, draw: str | None) -> dict[str, Any]:
    """draw: name of what was drawn, where the splits are shares."""
    facts: dict[str, Any] = {"format": source.format, "license": source.license}
    return facts if draw is None else facts | {"split_digest": draw}


def _generator_facts(frozen: Frozen, name: str) -> dict[str, Any]:
    prepared = frozen.prepared
    info = prepared.infos[name]
    spec = prepared.job.spec.generators[name]
    drawn = any(g.name == name for g in frozen.plan.generators)
    seen = getattr(spec, "trained_on", None)
    return {
        "id": prepared.generator_id(name),
        "universe": frozen.plan.generator(name).universe if drawn else None,
        "family": info.family,
        "identity": info.identity,
        "checkpoint_sha256": info.checkpoint_sha256,
        "sampling": _sampling(spec),
        "license": info.license,
        "trained_on": [s.model_dump(exclude_none=True) for s in seen] if seen else "unknown",
    }


def _sampling(spec: GeneratorSpec) -> dict[str, Any]:
    """What steers its samples; a custom class knows only its own arguments."""
    if isinstance(spec, CustomGenerator):
        return spec.init_args
    return spec.sampling.model_dump(mode="json")
