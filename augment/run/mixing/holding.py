"""`limits.gate: before_commit`: limits are judged on exactly the rows that would be committed.

Features, measures and verdicts are those of an audit of the version that the commit would make:
same shards, same seed, same extractors. What came of it stands in the job's work folder, whether or
not it is committed, and goes with the commit. Nothing here decides a row: what is held back is
kept, and the same command judges it again, by the limits as they are then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.audit import AuditReport
from augment.audit.before_commit import shards_digest
from augment.audit.findings import counted
from augment.audit.judge import audit_before_commit
from augment.audit.quality.limited import PREFIX, judge_measures
from augment.audit.table import DataSet, Shard, data_set_to_be
from augment.errors import GateError
from augment.features.needs import refuse_lacking
from augment.policy import read_policy
from augment.run.auditing.measuring import Asked, measured
from augment.run.prepare import Prepared
from augment.run.synthesis.filling import Crew
from augment.run.synthesis.limits import OPTION, shown
from augment.spec.measure_limits import MeasureLimit, extractors_of, of_copies
from augment.spec.models import JobLimits
from augment.spec.policy_limits import of_policy
from augment.write import LiveFile, ShardEntry
from augment.write.provenance import GATE

FIGURES = "gate-figures.json"
"""In the work folder: every figure that was measured, as `quality` of an audit's JSON."""
_IN_JOB = ("verdict", "shards", "kept", "broken", "not_judged", "let_pass")
Json = dict[str, Any]


def refuse_unmeasurable(limits: JobLimits) -> None:
    """Before anything is made: what would have to be measured before the commit can be.

    Raises:
        RequestError: a library of an extractor is not installed.
    """
    if limits.gate == "before_commit":
        refuse_lacking(extractors_of(limits.measures or ()), "limits.measures")


@dataclass(frozen=True)
class Gate:
    """What was judged before a commit. document: as it is kept (`gate.json`)."""

    document: Json


def gate_in_job(document: Mapping[str, Any]) -> Json:
    """What of a gate's document stands in job.json."""
    return {name: document.get(name) for name in _IN_JOB}


def judge_before_commit(
    prepared: Prepared,
    files: Sequence[ShardEntry | LiveFile],
    job: Mapping[str, Any],
    crew: Crew,
) -> Gate | None:
    """Judge the version that these files would make. job: the job.json that would be left, whose
    limits hold. None: it does not ask for that.

    Raises:
        GateError: a limit holds the commit back.
        RequestError, CheckpointError, StorageError, InterruptedRun: see `measured`.
    """
    limits, work = JobLimits.model_validate(job.get("limits") or {}), prepared.work.folder
    if limits.gate != "before_commit":
        work.remove(GATE)  # of an earlier run, when the job asked for that
        return None
    shards = [Shard(one.path, one.size, one.rows) for one in files]
    with crew.reporter.span("gate"):
        document, figures = _judged(prepared, shards, job, limits, crew)
    if figures is not None:
        work.replace(FIGURES, json.dumps(figures, ensure_ascii=False).encode())
    work.replace(GATE, json.dumps(document, indent=1, ensure_ascii=False).encode())
    if document["verdict"] == "held":
        raise GateError(_why(prepared, document))
    for text in _notes(document):
        crew.reporter.note(text)
    return Gate(document)


def _judged(
    prepared: Prepared,
    shards: Sequence[Shard],
    job: Mapping[str, Any],
    limits: JobLimits,
    crew: Crew,
) -> tuple[Json, Json | None]:
    """(what is kept of it, every figure)."""
    data = data_set_to_be(prepared.output, shards)
    crew.reporter.stage("gate", None)
    rows = audit_before_commit(data, job)
    report = rows
    if limits.measures is not None:
        report = _measured(rows, data, limits.measures, prepared, crew)
    document = _document(rows, report, shards, limits)
    if document["verdict"] == "held" and crew.despite_limits:
        beyond = _beyond_operator(data, job)
        document |= {"verdict": "held" if beyond else "overruled", "operator": beyond}
    return document, None if report.quality is None else report.quality.to_json()


def _measured(
    rows: AuditReport,
    data: DataSet,
    measures: Sequence[MeasureLimit],
    prepared: Prepared,
    crew: Crew,
) -> AuditReport:
    extractors, workers = extractors_of(measures), prepared.job.spec.execution.workers
    if extractors:
        crew.reporter.begin(crew.engine)
    asked = Asked(extractors=extractors, copies=of_copies(measures), workers=workers)
    return measured(rows, data, rows.generators, asked, crew.engine, crew.reporter)


def _document(
    rows: AuditReport, report: AuditReport, shards: Sequence[Shard], limits: JobLimits
) -> Json:
    """rows: before anything was measured: its limits of measures are one for each bound."""
    measures = limits.measures or ()
    broken = [one.text for one in report.limits if one.ok is False]
    unknown, let_pass = _not_judged(report)
    return {
        "verdict": "held" if broken or unknown else "passed",
        "shards": shards_digest(shards),
        "rows": report.whole.rows,
        "extractors": list(extractors_of(measures)),
        "copies": of_copies(measures),
        "seed": Asked().seed,
        "kept": sum(one.ok is True for one in report.limits),
        "broken": broken,
        "not_judged": unknown,
        "let_pass": let_pass,
        "warnings": [one.text for one in report.findings if one.check == "measures"],
        "bounds": [[one.limit, one.bound] for one in rows.limits if one.limit.startswith(PREFIX)],
        "limits": [one.to_json() for one in report.limits],
    }


def _not_judged(report: AuditReport) -> tuple[list[str], list[str]]:
    """(texts of figures that could not be computed and hold, of those that the job lets pass), of
    bounds that would fail: one that only warns holds nothing back."""
    holds: list[str] = []
    passes: list[str] = []
    if report.quality is None:
        return holds, passes
    found = report.quality.measurements()
    for left in report.of_measures:
        results, _ = judge_measures(found, [left])
        texts = [one.text for one in results if one.ok is None and ".fail_" in one.limit]
        (passes if left[1].not_judged == "pass" else holds).extend(texts)
    return holds, passes


def _beyond_operator(data: DataSet, job: Mapping[str, Any]) -> list[str]:
    """What is broken of the operator's own limits, which no option goes beyond."""
    own = of_policy(read_policy().rules.limits)
    report = audit_before_commit(data, job, own)
    if report.limits_from != "given":  # there are none, or the job's are the same
        return []
    return [one.text for one in report.limits if one.ok is False]


def _why(prepared: Prepared, document: Json) -> str:
    kept = prepared.work.folder.url(GATE)
    if beyond := document.get("operator"):
        return (
            f"limits of the operator ({read_policy().path}) are broken, so nothing is committed: "
            f"{shown(beyond)}. No option goes beyond them; what was made is kept"
        )
    parts = []
    if broken := document["broken"]:
        parts.append(f"broken in {_places(broken)}: {shown(broken)}")
    if unknown := document["not_judged"]:
        parts.append(
            f"not judged in {_places(unknown)}, which is no pass (where the limit has not_judged: "
            f"pass, it does not hold): {shown(unknown)}"
        )
    return (
        f"limits are {'; and '.join(parts)}. Nothing is committed, and what was made is kept: "
        "change the limits, or what makes the rows, and give the same command, which makes no "
        f"image again; or commit all the same with {OPTION}. All of it: {kept}"
    )


def _notes(document: Json) -> list[str]:
    told = [f"limits before the commit: kept in {counted(document['kept'], 'place', 'places')}"]
    if document["verdict"] == "overruled":
        texts = [*document["broken"], *document["not_judged"]]
        told.append(f"{OPTION}: broken or not judged in {_places(texts)}: {shown(texts)}")
    if let_pass := document["let_pass"]:
        told.append(f"not judged, which the job lets pass: {shown(let_pass)}")
    if warnings := document["warnings"]:
        told.append(f"limits that warn: {shown(warnings)}")
    return told


def _places(texts: Sequence[str]) -> str:
    return counted(len(texts), "place", "places")
