"""What every job under an output has done so far, from what it keeps beside its data.

Reads plans, records, claims, leases and journals; writes nothing and needs neither the job
file nor Ray, so it answers while a job runs on another machine and after it died. Work
folders of older versions have no journal: what only a journal says is None then.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from augment.errors import AugmentError, InterruptedRun, StorageError
from augment.plan import Plan
from augment.run.synthesis.cost import Spent, kept_estimates
from augment.run.synthesis.stock import Moment, Stock, read_stock, rows_per_minute
from augment.run.upkeep.attempts import Attempts
from augment.run.upkeep.changes import OF_STATUS, Changes, changes
from augment.run.upkeep.generations import CLEANED
from augment.run.upkeep.kept import Laid, job_ids, kept_job
from augment.run.upkeep.states import (
    Drawn,
    Failure,
    Holding,
    JobStatus,
    Judged,
    Stage,
    Status,
    Verdict,
)
from augment.run.watch.account import Account, account_from_json
from augment.run.watch.beats import STALE_S, Progress, heard
from augment.secrecy import struck
from augment.storage import Folder, Options
from augment.write import (
    Seen,
    Work,
    look,
    newest_version,
    open_table,
    read_job,
    read_journals,
    read_verdict,
    runs,
)
from augment.write.provenance import GATE

Clock = Callable[[], float]


def status(output: str, options: Options | None = None, clock: Clock = time.time) -> Status:
    """Every job that was begun under `output`, by name.

    Raises:
        RequestError: nothing was begun there. StorageError: it cannot be read.
    """
    folder = Folder(output, options)
    names = job_ids(folder)
    jobs = tuple(_Job(folder, name, clock()).status() for name in names)
    return Status(folder.uri, newest_version(folder), clock(), jobs)


class _Job:
    """Reads one job's work folder."""

    def __init__(self, output: Folder, job_id: str, now: float) -> None:
        self._output, self._id, self._now = output, job_id, now
        self._work = Work(output.child(f"_work/{job_id}"))
        self._journals = sorted(read_journals(self._work.folder), key=lambda e: e["started_at"])
        self._words: list[Progress] = []

    def status(self) -> JobStatus:
        generation, version, damage = self._committed()
        last = self._journals[-1] if self._journals else {}
        leases = look(self._work.folder)
        state = self._state(generation, leases, last)
        self._words = self._heard() if state == "running" else []
        stages, drawn, cells, trouble = self._progress(generation)
        trouble = damage or trouble
        if not generation and (known := read_verdict(self._output, self._id)) is not None:
            trouble = trouble or (
                f"it was committed as version {known.get('version')}, which the log does not hold "
                "any more: `augment audit` says what is lost, the same command commits it again"
            )
        return JobStatus(
            job_id=self._id,
            state=state,
            version=version,
            generation=generation,
            pool=last.get("pool"),
            holders=tuple(self._holding(seen) for seen in leases),
            stages=stages,
            drawn=drawn,
            cells=cells,
            started_at=last.get("started_at"),
            ended_at=last.get("ended_at"),
            exit_code=last.get("exit_code"),
            at_stage=last.get("stage"),
            doing=last.get("doing"),
            last_error=self._last_error(),
            verdict=_verdict(self._output, self._id) if generation else None,
            gate=_judged(self._work.folder),
            changes=self._changes() if generation else None,
            trouble=trouble,
        )

    def _committed(self) -> tuple[int, int | None, str | None]:
        """Generation, version, and what is wrong with the file that says so: the log knows too."""
        try:
            return *committed_as(self._output, self._id), None
        except StorageError as error:
            return *_in_log(self._output, self._id), str(error)

    def _changes(self) -> Changes:
        """As far as they can be seen from here in a moment."""
        try:
            job = kept_job(self._output, self._id, Laid())
        except AugmentError as error:
            said = str(error).splitlines()[0][:300]
            return Changes(skipped=f"the job cannot be read here any more: {said}")
        return changes(job, self._work, OF_STATUS)

    def _holding(self, seen: Seen) -> Holding:
        holder = seen.holder
        return Holding(str(holder), holder.since, seen.touched, seen.alive(self._now))

    def _state(self, generation: int, leases: Sequence[Seen], last: Mapping[str, Any]) -> str:
        if any(seen.alive(self._now) for seen in leases) or self._fills(last):
            return "running"
        if not leases and last and last.get("ended_at") is None and runs(last, self._now):
            return "running"  # it takes a census, and has no lease yet
        if generation:
            return "committed"
        if last.get("ended_at") is not None:
            failed = last.get("exit_code") not in (None, 0, InterruptedRun.exit_code)
            return "failed" if failed or last.get("error") is not None else "stopped"
        return "died" if last else "stopped"

    def _heard(self) -> list[Progress]:
        """What workers have said lately."""
        return [w for w in heard(self._work.folder) if self._now - w.at < STALE_S]

    def _in_hand(self, stage: str, finished: Callable[[str], bool]) -> tuple[Progress, ...]:
        return tuple(w for w in self._words if w.stage == stage and not finished(w.unit))

    def _fills(self, last: Mapping[str, Any]) -> bool:
        """Whether a driver that only fills the pool lives: it holds its lease there."""
        if not last or last.get("ended_at") is not None or (pool := self._pool()) is None:
            return False
        mine = (last.get("host"), last.get("pid"))
        found = look(pool.child("_work"))
        return any(
            seen.alive(self._now) and (seen.holder.host.split("/")[0], seen.holder.pid) == mine
            for seen in found
        )

    def _last_error(self) -> Failure | None:
        errors = [e["error"] for e in self._journals if isinstance(e.get("error"), dict)]
        if not errors:
            return None
        last = max(errors, key=lambda error: float(error.get("at", 0)))
        text = struck(str(last.get("text")))  # it may be an earlier version's
        return Failure(str(last.get("class")), text, float(last.get("at", 0)))

    def _pool(self) -> Folder | None:
        known = [e["pool"] for e in self._journals if isinstance(e.get("pool"), str)]
        return Folder(known[-1], self._output.options) if known else None

    def _progress(
        self, generation: int
    ) -> tuple[
        tuple[Stage, ...],
        tuple[Drawn, ...],
        Mapping[tuple[str, str, str], tuple[int, int]],
        str | None,
    ]:
        """Stages, draws, cells; and what could not be read, so that one damaged file of one job
        hides neither the rest nor the other jobs."""
        try:
            plan = self._plan()
            if generation and self._work.frozen(CLEANED) is not None:
                return (), *_from_provenance(self._output, self._id), None
            stages, drawn = self._synthesis(plan) if plan else ((), ())
            mix, cells = self._mix(plan)
            return (*stages, *mix), drawn, cells, None
        except (AugmentError, KeyError, RecursionError, TypeError, ValueError) as error:
            return (), (), {}, f"{type(error).__name__}: {error}"

    def _plan(self) -> Plan | None:
        head = self._work.frozen("plan.json")
        if head is None:
            return None
        try:
            return Plan.from_json(json.loads(head)["plan"])
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise StorageError(
                f"{self._work.folder.url('plan/plan.json')}: not a frozen plan ({error}); it was "
                "changed by hand or written by another version"
            ) from error

    # ---- the pool --------------------------------------------------------------------

    def _synthesis(self, plan: Plan) -> tuple[tuple[Stage, ...], tuple[Drawn, ...]]:
        pool = self._pool()
        if pool is None:
            return (), ()
        filters = str(self._journals[-1].get("filters"))
        stages: list[Stage] = []
        drawn: list[Drawn] = []
        estimates = {one.generator: one for one in kept_estimates(self._work)}
        known = self._accounts()
        for generator in sorted({draw.generator for draw in plan.draws}):
            universe = plan.generator(generator).universe
            stock = read_stock(pool, universe[:16], universe)
            targets: Counter[str] = Counter()
            for draw in plan.draws:
                if draw.generator == generator:
                    targets[draw.label_name] += draw.n
            mine = [_drawn(stock, generator, c, n, filters, known.get((generator, c)))
                    for c, n in sorted(targets.items())]  # fmt: skip
            spent = stock.spent.get(self._id, Spent())
            stage = _filling(stock, generator, mine)
            in_hand, estimate = self._in_hand(stage.name, stock.finished), estimates.get(generator)
            stages.append(replace(stage, in_hand=in_hand, spent=spent, estimate=estimate))
            drawn += mine
        return tuple(stages), tuple(drawn)

    def _accounts(self) -> dict[tuple[str, str], Account]:
        """By generator and class, once the job has selected its rows."""
        frozen = self._work.frozen("units.json")
        found = [] if frozen is None else json.loads(frozen).get("accounts", [])
        accounts = map(account_from_json, found)
        return {(one.generator, one.label_name): one for one in accounts}

    # ---- the data set ----------------------------------------------------------------

    def _mix(
        self, plan: Plan | None
    ) -> tuple[tuple[Stage, ...], Mapping[tuple[str, str, str], tuple[int, int]]]:
        moments, cells, recorded = self._records(self._work)
        frozen = self._work.frozen("units.json")
        planned = None if frozen is None else len(json.loads(frozen)["units"])
        rows_planned = None if plan is None else sum(cell.n for cell in plan.cells)
        rows = sum(w + q for w, q in cells.values())
        mix = _stage("mix", (len(recorded), planned), (rows, rows_planned), moments)
        stages = [replace(mix, in_hand=self._in_hand("mix", recorded.__contains__))]
        for attempt in Attempts(self._work).all():
            moments, more, recorded = self._records(attempt.work)
            for cell, (written, lost) in more.items():
                before = cells.get(cell, (0, 0))
                cells[cell] = (before[0] + written, before[1] + lost)
            units = attempt.units_planned()
            rows = sum(n for _, n in moments)
            name = f"retry {attempt.number}"
            stage = _stage(name, (len(recorded), units), (rows, None), moments)
            stages.append(replace(stage, in_hand=self._in_hand(name, recorded.__contains__)))
        return tuple(stages), dict(sorted(cells.items()))

    def _records(
        self, work: Work
    ) -> tuple[list[Moment], dict[tuple[str, str, str], tuple[int, int]], set[str]]:
        moments: list[Moment] = []
        written: Counter[tuple[str, str, str]] = Counter()
        lost: Counter[tuple[str, str, str]] = Counter()
        times = {info.path: info.modified for info in work.folder.stored("units")}
        recorded: set[str] = set()
        for unit, record in work.records():
            recorded.add(unit)
            at = times.get(f"units/{unit}.json")
            if at is not None:
                moments.append((at, (record["entry"] or {}).get("rows", 0)))
            for split, label, origin, _, _, _, wrote, quarantined in record["cells"]:
                written[split, label, origin] += wrote
                lost[split, label, origin] += quarantined
        return moments, {c: (written[c], lost[c]) for c in {*written, *lost}}, recorded


def committed_as(output: Folder, job_id: str) -> tuple[int, int | None]:
    """(generation, version) of a job's newest commit: (0, None) before it. The version stands
    in the log's notes only, which other tools may drop: None then."""
    job = read_job(output, job_id)
    table = open_table(output)
    if job is None or table is None or not isinstance(job.get("digest"), str):
        return 0, None
    generation = table.transaction_version(job["digest"]) or 0
    notes = [e for e in table.history() if e.get("job_id") == job_id] if generation else []
    return generation, max((int(e["version"]) for e in notes), default=None)


def _in_log(output: Folder, job_id: str) -> tuple[int, int | None]:
    """As `committed_as`, by the log's notes alone."""
    table = open_table(output)
    notes = [] if table is None else [e for e in table.history() if e.get("job_id") == job_id]
    if table is None or not notes:
        return 0, None
    newest = max(notes, key=lambda entry: int(entry["version"]))
    return table.transaction_version(str(newest.get("request"))) or 0, int(newest["version"])


def _verdict(output: Folder, job_id: str) -> Verdict | None:
    """As the table keeps it; None where there is none, or none of this version of augment."""
    known = read_verdict(output, job_id) or {}
    limits, findings = known.get("limits"), known.get("findings")
    if not isinstance(limits, list) or not isinstance(findings, list):
        return None
    broken = [one for one in limits if isinstance(one, dict) and one.get("broken")]
    return Verdict(
        known.get("version"),
        str(known.get("verdict")),
        known.get("exit_code"),
        tuple(str(one.get("text")) for one in broken),
        tuple(map(str, findings)),
    )


def _judged(work: Folder) -> Judged | None:
    """As the job's work folder keeps it; None where there is none that can be read."""
    try:
        known = json.loads(work.read(GATE))
        texts = (tuple(map(str, known[name])) for name in ("broken", "not_judged", "let_pass"))
        return Judged(str(known["verdict"]), int(known["kept"]), *texts)
    except (FileNotFoundError, KeyError, RecursionError, TypeError, ValueError):
        return None


def _drawn(
    stock: Stock, generator: str, label: str, target: int, filters: str, told: Account | None
) -> Drawn:
    """told: what the job itself found, which knows verdicts that no record holds."""
    made = len(stock.made.get(label, ()))
    known = stock.accepted.get(filters)
    accepted = None if known is None and made else len((known or {}).get(label, ()))
    rejected = None if accepted is None else made - accepted
    if accepted is None and told is not None:
        accepted, rejected = told.accepted, sum(told.rejected.values())
    return Drawn(generator, label, target, made, accepted, rejected, len(stock.lost(label)))


def _filling(stock: Stock, generator: str, drawn: Sequence[Drawn]) -> Stage:
    """What is left is told in accepted samples, at the share that was accepted so far."""
    target, made = sum(d.target for d in drawn), sum(d.made for d in drawn)
    accepted = sum(min(d.target, d.made if d.accepted is None else d.accepted) for d in drawn)
    rate = rows_per_minute(stock.moments)
    useful = None if rate is None else rate * accepted / max(1, made)
    left = target - accepted
    left_s = 0.0 if left <= 0 else 60.0 * left / useful if useful else None
    return Stage(
        f"synthesize {generator}",
        stock.units - stock.again,
        stock.claimed or None,
        accepted,
        target,
        rate,
        left_s,
    )


def _stage(
    name: str,
    units: tuple[int, int | None],
    rows: tuple[int, int | None],
    moments: Sequence[Moment],
) -> Stage:
    rate = rows_per_minute(moments)
    left_s = None
    if units[1] is not None and units[0] >= units[1]:
        left_s = 0.0
    elif rate and rows[1] is not None:
        left_s = 60.0 * max(0, rows[1] - rows[0]) / rate
    return Stage(name, *units, *rows, rate, left_s)


def _from_provenance(
    output: Folder, job_id: str
) -> tuple[tuple[Drawn, ...], Mapping[tuple[str, str, str], tuple[int, int]]]:
    """For a committed job whose work records were cleaned away."""
    job = read_job(output, job_id) or {}
    drawn = tuple(
        Drawn(
            a["generator"], a["label_name"], a["target"], a["accepted"] + _sum(a["rejected"]),
            a["accepted"], _sum(a["rejected"]), a["failed"],
        )
        for a in job.get("accounts", ())
    )  # fmt: skip
    cells: dict[tuple[str, str, str], tuple[int, int]] = {}
    for cell in job.get("cells", ()):
        key = (cell["split"], cell["label_name"], cell["origin"])
        written, lost = cells.get(key, (0, 0))
        cells[key] = (written + cell["written"], lost + cell["quarantined"])
    return drawn, dict(sorted(cells.items()))


def _sum(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
