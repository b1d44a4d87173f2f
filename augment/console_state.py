"""What the verbs about state show: jobs and pools as plain lines and tables; decides nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from augment.console import duration, table

if TYPE_CHECKING:
    from augment.run.litter import Cleaning
    from augment.run.pool import PoolStatus
    from augment.run.retry import RetryResult
    from augment.run.status import JobStatus, Stage, Status

_MOST = 20
_FEW = 5


def show_status(found: Status) -> None:
    """Every job: its state, who holds it, how far each stage is, rows, the last error."""
    version = "no version yet" if found.version is None else f"version {found.version}"
    print(f"{found.output}: {version}")
    for job in found.jobs:
        print()
        print("\n".join(_job(job, found.at)))


def _job(job: JobStatus, now: float) -> list[str]:
    told = [f"job {job.job_id}: {_state(job)}", *_driver(job), *_holders(job, now), *_verdict(job)]
    told += [f"  {line}" for line in job.changes.lines] if job.changes is not None else []
    told += _trouble(job)
    lines = (*_stages(job), *_costs(job), *_drawn(job), *_cells(job))
    return told + ["  " + line for line in lines]


def _driver(job: JobStatus) -> list[str]:
    if job.started_at is None:
        return []
    ended = f", ended {_when(job.ended_at)}" if job.ended_at is not None else ""
    code = f" with exit code {job.exit_code}" if job.exit_code is not None else ""
    return [f"  last driver: began {_when(job.started_at)}{ended}{code}"]


def _holders(job: JobStatus, now: float) -> list[str]:
    words = {True: "holds it", False: "held it and is gone,"}
    return [
        f"  {one.who} {words[one.alive]} since {_when(one.since)}, "
        f"last heartbeat {max(0.0, now - one.touched):.0f} s ago"
        for one in job.holders
    ]


def _verdict(job: JobStatus) -> list[str]:
    """Of the audit after the commit, with what it found."""
    if not job.generation:
        return []
    if (found := job.verdict) is None:
        return ["  verdict: none was kept; `augment audit` judges it"]
    word = "FAILED" if found.word == "failed" else found.word
    lines = [f"  verdict of version {found.version}: {word}, exit code {found.exit_code}"]
    lines += [f"    limit: {text}" for text in found.broken[:_FEW]]
    lines += [f"    finding: {text}" for text in found.findings[:_FEW]]
    return lines


def _trouble(job: JobStatus) -> list[str]:
    lines = []
    if (error := job.last_error) is not None:
        lines.append(f"  last error, {_when(error.at)}: {error.kind}: {error.text}")
    if job.trouble is not None:
        lines.append(f"  cannot be read: {job.trouble}")
    return lines


def _stages(job: JobStatus) -> list[str]:
    head = ("stage", "units", "of", "rows", "of", "rows/min", "left")
    return table(head, [_stage(s) for s in job.stages]) if job.stages else []


def _costs(job: JobStatus) -> list[str]:
    """What samples cost so far, and were estimated to cost in all where a run measured."""
    rows = []
    for stage in job.stages:
        if stage.spent is None:
            continue
        busy, gpus = stage.spent.busy_s, stage.spent.gpu_hours
        one = stage.estimate
        ahead = "-" if one is None else duration(one.busy_s(one.actors))
        hours = "-" if one is None else f"{one.gpu_hours():.3g}"
        rows.append((stage.name, duration(busy), ahead, f"{gpus:.3g}", hours))
    return table(("cost", "busy", "estimated", "GPU hours", "estimated"), rows) if rows else []


def _drawn(job: JobStatus) -> list[str]:
    head = ("generator class", "target", "made", "accepted", "rejected", "failed")
    rows = [
        (f"{d.generator} {d.label_name}", d.target, d.made, d.accepted, d.rejected, d.failed)
        for d in job.drawn
    ]
    return table(head, rows) if rows else []


def _cells(job: JobStatus) -> list[str]:
    rows = [(" ".join(key), *counts) for key, counts in job.cells.items()]
    return table(("rows", "written", "quarantined"), rows) if rows else []


def _state(job: JobStatus) -> str:
    if not job.generation:
        return job.state
    version = "" if job.version is None else f", version {job.version}"
    return f"{job.state}, generation {job.generation} is committed{version}"


def _stage(stage: Stage) -> tuple[object, ...]:
    rate = None if stage.per_minute is None else f"{stage.per_minute:.0f}"
    left = None if stage.left_s is None else duration(stage.left_s)
    return (
        stage.name, stage.units, stage.units_planned, stage.rows, stage.rows_planned, rate, left,
    )  # fmt: skip


def _when(at: float | None) -> str:
    return "-" if at is None else f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%SZ}"


# ---- retry ---------------------------------------------------------------------------


def show_retry(result: RetryResult, log: str) -> None:
    """What a retry did, or that there was nothing to do."""
    if not result.tried:
        print(f"nothing to retry: job {result.job_id} has no failed row that a cell lacks")
    else:
        print(
            f"{result.tried} failed rows and samples were tried again: {result.healed} rows were "
            f"added, {result.failing} are still quarantined"
        )
    if result.shortfall:
        print(f"shortfall:     {result.shortfall} samples")
    new = "" if result.committed else "; nothing was added to it"
    print(f"data set:      {result.output}  (version {result.version}{new})")
    print(f"quarantined:   {result.output}/_provenance/{result.job_id}/quarantine.parquet")
    print(f"log:           {log}")
    for finding in result.audit.findings:
        print(f"{'warning' if finding.warns else 'finding'}: {finding.check}: {finding.text}")
    for limit in result.audit.limits:
        if limit.ok is False:
            print(f"limit: {limit.text}")


# ---- clean and gc --------------------------------------------------------------------


def show_cleaning(found: Cleaning) -> None:
    """What went, or would go: some of each kind by name, and how much it is."""
    kinds = Counter(one.why for one in found.litter)
    for why, n in sorted(kinds.items()):
        own = [one for one in found.litter if one.why == why]
        print(f"{why}: {n} files, {sum(one.size for one in own)} bytes")
        for one in own[:_MOST]:
            print(f"  {one.path}")
        if n > _MOST:
            print(f"  ... and {n - _MOST} more (--json names all)")
    for note in found.notes:
        print(f"note: {note}")
    files, size = len(found.litter), found.size
    if found.removed:
        print(f"removed {files} files, {size} bytes from {found.uri}")
    elif files:
        print(f"{files} files, {size} bytes would go from {found.uri}; --yes removes them")
    else:
        print(f"{found.uri}: nothing to remove")


# ---- pools ---------------------------------------------------------------------------


def show_pool(found: PoolStatus) -> None:
    """Universes as a table, then classes and users of each."""
    version = "no version yet" if found.version is None else f"version {found.version}"
    print(f"{found.pool}: {version}")
    for holder in found.working:
        print(f"{holder} works here")
    head = ("universe", "family", "made", "failed", "units", "not made", "shards", "bytes",
            "last use")  # fmt: skip
    rows = [
        (u.id, u.family, u.made, u.failed, u.units, u.unmade, u.shards, u.bytes, _when(u.last_use))
        for u in found.universes
    ]
    print("\n".join(table(head, rows)))
    for universe in found.universes:
        print()
        names = ", ".join(universe.names) or "-"
        print(f"{universe.id}: {names}; jobs: {', '.join(universe.jobs) or '-'}")
        if universe.visible != universe.shards:
            print(f"  {universe.visible} of {universe.shards} shards are in the pool's table yet")
        for digest, n in universe.accepted.items():
            print(f"  accepted by filters {digest[:12]}: {n}")
        classes = ", ".join(f"{c} {n}" for c, n in list(universe.classes.items())[:_MOST])
        more = ", ..." if len(universe.classes) > _MOST else ""
        print(f"  classes: {classes}{more}")
