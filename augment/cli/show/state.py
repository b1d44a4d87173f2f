"""What the verbs about state show: jobs and pools as plain lines and tables; decides nothing."""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from augment.escaping import name
from augment.streams import say
from augment.tables import counts, duration, few, first, fold, left_out, number, share, table

if TYPE_CHECKING:
    from augment.run.upkeep.litter import Cleaning, Litter
    from augment.run.upkeep.pool import PoolStatus, UniverseStatus
    from augment.run.upkeep.states import JobStatus, Stage, Status

_FEW = 5


def show_status(found: Status, *, everything: bool = False) -> None:
    """Every job: its state, who holds it, how far each stage is, rows, the last error."""
    version = "no version yet" if found.version is None else f"version {found.version}"
    say(f"{found.output}: {version}")
    jobs, more = fold(
        found.jobs,
        lambda job: job.state != "committed",
        lambda job: job.started_at or 0.0,
        everything=everything,
    )
    for job in jobs:
        say("", *_job(job, found.at, everything))
    say(*left_out(more, "jobs"))


def _job(job: JobStatus, now: float, everything: bool) -> list[str]:
    told = [f"job {job.job_id}: {_state(job)}", *_driver(job), *_holders(job, now)]
    told += [*_gate(job, everything), *_verdict(job)]
    told += [f"  {line}" for line in job.changes.lines] if job.changes is not None else []
    told += _trouble(job)
    lines = (
        *_stages(job, everything),
        *_in_hand(job, everything),
        *_costs(job, everything),
        *_drawn(job, everything),
        *_cells(job, everything),
    )
    return told + ["  " + line for line in lines]


def _driver(job: JobStatus) -> list[str]:
    if job.started_at is None:
        return []
    ended = f", ended {_when(job.ended_at)}" if job.ended_at is not None else ""
    code = f" with exit code {job.exit_code}" if job.exit_code is not None else ""
    lines = [f"  last run: began {_when(job.started_at)}{ended}{code}"]
    if job.state == "running" and job.at_stage is not None:
        lines.append(f"  now: {job.at_stage}{job.doing and f': {job.doing}'}")
    return lines


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


def _gate(job: JobStatus, everything: bool) -> list[str]:
    """What limits said before the commit."""
    if (found := job.gate) is None:
        return []
    words = {
        "held": "HELD BACK, nothing was committed",
        "overruled": "overruled by --despite-limits",
    }
    places = "1 place" if found.kept == 1 else f"{found.kept} places"
    lines = [f"  limits before the commit: {words.get(found.word, found.word)}; kept in {places}"]
    for word, texts in (
        ("broken", found.broken),
        ("not judged", found.not_judged),
        ("not judged, which the job lets pass", found.let_pass),
    ):
        some, more = first(texts, everything=everything)
        lines += [f"    {word}: {text}" for text in some]
        lines += [f"    {line}" for line in left_out(more, word)]
    return lines


def _trouble(job: JobStatus) -> list[str]:
    lines = []
    if (error := job.last_error) is not None:
        lines.append(f"  last error, {_when(error.at)}: {error.kind}: {error.text}")
    if job.trouble is not None:
        lines.append(f"  cannot be read: {job.trouble}")
    return lines


def _stages(job: JobStatus, everything: bool) -> list[str]:
    head = ("stage", "units", "of", "rows", "of", "rows/min", "left")
    some, more = fold(job.stages, _unfinished, lambda s: s.rows, everything=everything)
    lines = table(head, [_stage(s) for s in some]) if some else []
    return [*lines, *left_out(more, "stages")]


def _unfinished(stage: Stage) -> float:
    return max(0.0, (stage.rows_planned or 0) - stage.rows)


def _in_hand(job: JobStatus, everything: bool) -> list[str]:
    """What is being made at this moment, as far as workers say."""
    words = [f"{stage.name}: {word}" for stage in job.stages for word in stage.in_hand]
    shown, more = first(words, everything=everything)
    return [*shown, *left_out(more, "units")]


def _costs(job: JobStatus, everything: bool) -> list[str]:
    """What samples cost so far, and were estimated to cost in all where a run measured."""
    rows = []
    some, more = fold(
        [stage for stage in job.stages if stage.spent is not None],
        lambda _: 0,
        lambda stage: stage.spent.busy_s if stage.spent is not None else 0.0,
        everything=everything,
    )
    for stage in some:
        if stage.spent is None:
            continue
        busy, gpus = stage.spent.busy_s, stage.spent.gpu_hours
        one = stage.estimate
        ahead = "-" if one is None else duration(one.busy_s(one.actors))
        hours = "-" if one is None else f"{one.gpu_hours():.3g}"
        told = (name(stage.name), duration(busy), ahead, f"{gpus:.3g}", hours)
        rows.append((*told, number(stage.spent.rows_per_s), share(stage.spent.busy_share)))
    head = ("cost", "busy", "estimated", "GPU hours", "estimated", "samples/s", "device busy")
    return [*table(head, rows), *left_out(more, "stages")] if rows else []


def _drawn(job: JobStatus, everything: bool) -> list[str]:
    head = ("generator class", "target", "made", "accepted", "rejected", "failed")
    rows = [
        (f"{name(d.generator)} {name(d.label_name)}", d.target, d.made, d.accepted, d.rejected,
         d.failed)
        for d in job.drawn
    ]  # fmt: skip
    shown = counts(head, rows, bad=("failed",), by="rejected", everything=everything)
    return shown if rows else []


def _cells(job: JobStatus, everything: bool) -> list[str]:
    """Rows of every kind of every class of every split."""
    from augment.sample import KINDS

    words = {str(origin): word for word, origins in KINDS.items() for origin in origins}
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for (split, label, origin), (written, lost) in job.cells.items():
        key = split, label, words.get(origin, origin)
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + written, before[1] + lost
    head = ("split class kind", "written", "quarantined")
    rows = [(" ".join(map(name, key)), *found) for key, found in sums.items()]
    shown = counts(head, rows, bad=("quarantined",), by="written", everything=everything)
    return shown if rows else []


def _state(job: JobStatus) -> str:
    if not job.generation:
        return job.state
    version = "" if job.version is None else f", version {job.version}"
    return f"{job.state}, generation {job.generation} is committed{version}"


def _stage(stage: Stage) -> tuple[object, ...]:
    rate = None if stage.per_minute is None else f"{stage.per_minute:.0f}"
    left = None if stage.left_s is None else duration(stage.left_s)
    return (
        name(stage.name), stage.units, stage.units_planned, stage.rows, stage.rows_planned,
        rate, left,
    )  # fmt: skip


def _when(at: float | None) -> str:
    return "-" if at is None else f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%SZ}"


# ---- clean and gc --------------------------------------------------------------------


def show_cleaning(found: Cleaning, *, everything: bool = False) -> None:
    """What went, or would go: some of each kind by name, and how much it is."""
    by_kind: dict[str, list[Litter]] = defaultdict(list)
    for one in found.litter:
        by_kind[one.why].append(one)
    for why, own in sorted(by_kind.items()):
        say(f"{why}: {len(own)} files, {sum(one.size for one in own)} bytes")
        some, more = first(own, everything=everything)
        say(*(f"  {one.path}" for one in some), *(f"  {x}" for x in left_out(more, "files")))
    notes, more = first(found.notes, everything=everything)
    say(*(f"note: {note}" for note in notes), *left_out(more, "notes"))
    files, size = len(found.litter), found.size
    if found.removed:
        say(f"removed {files} files, {size} bytes from {found.uri}")
    elif files:
        say(f"{files} files, {size} bytes would go from {found.uri}; --yes removes them")
    else:
        say(f"{found.uri}: nothing to remove")


# ---- pools ---------------------------------------------------------------------------


def show_pool(found: PoolStatus, *, everything: bool = False) -> None:
    """Universes as a table, then classes and users of each."""
    version = "no version yet" if found.version is None else f"version {found.version}"
    say(f"{found.pool}: {version}")
    workers, more = first(found.working, everything=everything)
    say(*(f"{holder} works here" for holder in workers), *left_out(more, "runs"))
    head = ("universe", "family", "made", "failed", "units", "not made", "shards", "bytes",
            "last use")  # fmt: skip
    some, more = fold(
        found.universes, lambda u: u.failed, lambda u: u.last_use or 0.0, everything=everything
    )
    rows = [
        (u.id, u.family, u.made, u.failed, u.units, u.unmade, u.shards, u.bytes, _when(u.last_use))
        for u in some
    ]
    say(*table(head, rows), *left_out(more, "universes"))
    for universe in some:
        say("", *_universe(universe, everything))


def _universe(universe: UniverseStatus, everything: bool) -> list[str]:
    most = sys.maxsize if everything else _FEW
    names = few([*map(name, universe.names)], most) or "-"
    lines = [f"{universe.id}: {names}; jobs: {few([*map(name, universe.jobs)], most) or '-'}"]
    if universe.visible != universe.shards:
        seen = f"{universe.visible} of {universe.shards}"
        lines.append(f"  {seen} shards are in the pool's table yet")
    for digest, n in list(universe.accepted.items())[:most]:
        lines.append(f"  accepted by filters {digest[:12]}: {n}")
    if everything:
        made = table(("class", "samples"), [(name(c), n) for c, n in universe.classes.items()])
        return [*lines, *(f"  {line}" for line in made)]
    classes = list(universe.classes.items())
    if folds := len(classes) > _FEW:
        classes.sort(key=lambda one: -one[1])
    told = few([f"{name(label)} {n}" for label, n in classes], _FEW)
    return [*lines, f"  classes: {told}{'; --all shows everything' if folds else ''}"]
