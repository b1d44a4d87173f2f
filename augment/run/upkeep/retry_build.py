"""Building the units of a retry: those that have no record yet, or whose shard is gone.

Serves retries of a committed job (`retry.py`) and later tries of one that is not (`again.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from augment.run.engines.engine import Resources
from augment.run.mixing.retry_unit import RetryTask, RetryUnit
from augment.run.prepare import Frozen
from augment.run.synthesis.filling import Crew
from augment.run.watch.beats import Listening
from augment.storage import Folder
from augment.write import Record, Work

Restore = Callable[[], object]
"""Makes pool shards again that are gone."""


def build_units(
    frozen: Frozen, work: Work, units: Sequence[RetryUnit], crew: Crew, restore: Restore
) -> list[Record]:
    """The records of the units, by name. work: of this retry.

    Raises:
        InterruptedRun: it broke half-way; what is recorded is kept.
    """
    output = frozen.prepared.output
    done = {
        name: record
        for name, record in work.records()
        if record["entry"] is None or _there(output, record["entry"])
    }
    missing = [unit for unit in units if unit.name not in done]
    if missing:
        if not _pool_is_whole(frozen.prepared.pool, missing):
            restore()
        crew.reporter.begin(crew.engine)
        with crew.reporter.span("mix"):
            done |= {record["unit"]: record for record in _built(frozen, work, missing, crew)}
    return [done[name] for name in sorted(done)]


def _built(frozen: Frozen, work: Work, units: Sequence[RetryUnit], crew: Crew) -> Iterator[Record]:
    """The records of these units as they arrive."""
    prepared, reporter = frozen.prepared, crew.reporter
    reporter.stage("retry", len(units))
    workers = prepared.job.spec.execution.workers or crew.engine.cpus()
    texts = [json.dumps(unit.to_json()) for unit in units]
    task = RetryTask(frozen, work, crew.lease.id, units[0].attempt)
    with Listening(prepared.work.folder, crew.lease.id, reporter) as listening:
        results = crew.engine.run(task, texts, Resources(workers=workers))
        for number, text in enumerate(results, start=1):
            crew.watch()
            record = json.loads(text)
            listening.finished(record["unit"])
            reporter.advance(number, (record["entry"] or {}).get("rows", 0))
            yield record


def _there(output: Folder, entry: Mapping[str, Any]) -> bool:
    return output.exists(entry["path"]) and output.info(entry["path"]).size == entry["size"]


def _pool_is_whole(pool: Folder, units: Sequence[RetryUnit]) -> bool:
    """Whether every pool shard that these units draw from is there."""
    drawn = [p.unit for unit in units for p in unit.parts if p.made]
    drawn += [unit.fresh for unit in units if unit.fresh is not None]
    return all(pool.exists(path) for path in {part.shard for unit in drawn for part in unit.pool})
