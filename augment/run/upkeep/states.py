"""The state of a job, as `augment status` tells it: plain facts and their form in JSON.

Reading them is `status.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from augment.run.synthesis.cost import Estimate, Spent
from augment.run.upkeep.changes import Changes
from augment.run.watch.beats import Progress


@dataclass(frozen=True)
class Holding:
    """Somebody who holds the job, or held it and died. since, touched: seconds since the epoch."""

    who: str
    since: float
    touched: float
    alive: bool


@dataclass(frozen=True)
class Stage:
    """units, rows: done and planned, planned None where it is not known yet. per_minute: rows,
    lately. left_s: at that rate, None where it cannot be told."""

    name: str
    units: int
    units_planned: int | None
    rows: int
    rows_planned: int | None
    per_minute: float | None
    left_s: float | None
    in_hand: tuple[Progress, ...] = ()
    """Units that are being made, as far as their workers say."""
    spent: Spent | None = None
    """On samples, by this job."""
    estimate: Estimate | None = None
    """What was measured before, where a run measured."""


@dataclass(frozen=True)
class Drawn:
    """One class of one generator: what the plan draws, and what the pool holds of it for these
    filters. accepted, rejected: None where the pool was filled under filters that are not
    known here."""

    generator: str
    label_name: str
    target: int
    made: int
    accepted: int | None
    rejected: int | None
    failed: int


@dataclass(frozen=True)
class Failure:
    """How a driver ended that did not end well."""

    kind: str
    text: str
    at: float


@dataclass(frozen=True)
class Verdict:
    """What the audit after a commit found. word: ok, failed or not judged. exit_code: of the run.
    broken: limits, by their texts; findings: the first ones."""

    version: int | None
    word: str
    exit_code: int | None
    broken: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """What limits said before a commit. word: passed, held, or overruled. kept: in how many places.
    broken, not_judged: that hold or held it back; let_pass: not judged, and the job lets it
    pass. All by their texts."""

    word: str
    kept: int
    broken: tuple[str, ...]
    not_judged: tuple[str, ...]
    let_pass: tuple[str, ...]


@dataclass(frozen=True)
class JobStatus:
    """One job. state: committed, running, failed, died, or stopped (by a signal, or because
    no more was asked for). version: that it committed, where the log says so. generation: 1 for the
    first commit and 1 more for each retry; 0 for none. cells: (split, class, origin) -> written and
    quarantined."""

    job_id: str
    state: str
    version: int | None
    generation: int
    pool: str | None
    holders: tuple[Holding, ...]
    stages: tuple[Stage, ...]
    drawn: tuple[Drawn, ...]
    cells: Mapping[tuple[str, str, str], tuple[int, int]]
    started_at: float | None
    ended_at: float | None
    exit_code: int | None
    at_stage: str | None
    doing: str | None
    """What its driver was doing in this stage, in its own words."""
    last_error: Failure | None
    verdict: Verdict | None
    """Of the newest version that was audited after its commit; None before that."""
    gate: Judged | None
    """Of the newest commit that its limits were to judge before it, made or held back; None where
    the job does not ask for that, or has not come so far."""
    changes: Changes | None
    """Of its sources since the census, where it is committed."""
    trouble: str | None
    """What of this job could not be read, if anything."""

    def to_json(self) -> dict[str, Any]:
        cells = [
            {"split": s, "class": c, "origin": o, "written": w, "quarantined": q}
            for (s, c, o), (w, q) in self.cells.items()
        ]
        stages = [
            asdict(stage) | {"spent": None if stage.spent is None else stage.spent.to_json()}
            for stage in self.stages
        ]
        return asdict(self) | {"cells": cells, "stages": stages}


@dataclass(frozen=True)
class Status:
    """Everything that was begun under one output."""

    output: str
    version: int | None
    at: float
    jobs: tuple[JobStatus, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "output": self.output,
            "version": self.version,
            "at": self.at,
            "jobs": [job.to_json() for job in self.jobs],
        }
