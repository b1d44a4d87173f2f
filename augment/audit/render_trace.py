"""The ancestry of a row as text: the sample, and below it what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augment.audit.openable import Job, checkpoint_place, source_place
from augment.audit.table import generator_names
from augment.audit.trace import Ancestor, Sample, Trace
from augment.escaping import line, name

_ROLES = {"parentOf": "parent", "inputTo": "input", "componentOf": "component"}
"""Words of C2PA, which say what the other one is to this one, as people say it."""


def render_trace(trace: Trace) -> str:
    """The sample and all its ancestors, each further to the right than its child."""
    version = "no version" if trace.version is None else f"version {trace.version}"
    lines = [f"{trace.uri}, {version}", *_Shown(trace).sample(trace.sample)]
    return "\n".join(map(line, lines))


class _Shown:
    """Rows as text; the jobs that made them say where things are."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def sample(self, sample: Sample) -> list[str]:
        row = sample.row
        job_id = str(row.get("job_id"))
        job, base = self._trace.jobs.get(job_id, {}), self._trace.bases.get(job_id)
        facts = [
            (
                "class",
                f"{row.get('label_name')!r} (label {row.get('label')}), split {row.get('split')}",
            ),
            ("origin", _origin(row)),
            (
                "image",
                f"{row.get('width')} x {row.get('height')} pixels, sha256 {row.get('sha256')}",
            ),
            ("marks", ", ".join(row.get("marks") or [])),
            ("license", row.get("license")),
            ("source", _source(row, job, base)),
            ("generator", _generator(row, job, base)),
            ("sampling", _sampling(row)),
            ("scores", _pairs(row.get("scores"))),
            ("attributes", _pairs(row.get("attributes"))),
            *_transforms(row),
            ("job", _job(row, job)),
            ("shard", f"{self._trace.uri.rstrip('/')}/{sample.shard}, row {sample.number}"),
        ]
        lines = [f"sample {row['sample_id']}"]
        lines += [f"  {word:<10} {value}" for word, value in facts if value]
        for parent in sample.parents:
            lines += [f"  {each}" for each in self._parent(parent)]
        return lines

    def _parent(self, parent: Ancestor) -> list[str]:
        role = _ROLES.get(parent.role, parent.role)
        if parent.found is not None:
            first, *rest = self.sample(parent.found)
            return [f"{role}: {first}", *rest]
        known = f"sample {parent.sample_id}, " if parent.sample_id else ""
        return [
            f"{role}: {known}not in this version",
            *([f"  {'locator':<10} {parent.locator}"] if parent.locator else []),
            *([f"  {'sha256':<10} {parent.sha256}"] if parent.sha256 else []),
        ]


def _origin(row: Mapping[str, Any]) -> str:
    made = ", generated" if row.get("generated") else ""
    kind = row.get("digital_source_type")
    return f"{row.get('origin')}{made}{f', {kind}' if kind else ''}"


def _source(row: Mapping[str, Any], job: Job, base: str | None) -> str:
    source = row.get("source") or {}
    if not source.get("name"):
        return ""
    place = source_place(job, base, str(source["name"]), str(source.get("locator") or ""))
    return f"{name(source['name'])}: {place}"


def _generator(row: Mapping[str, Any], job: Job, base: str | None) -> str:
    made = row.get("generator") or {}
    if not made.get("id"):
        return ""
    known = generator_names({"": job}).get(made["id"])
    checkpoint = made.get("checkpoint_sha256")
    place = checkpoint_place(job, base, known)
    where = f" at {place}" if place else ""
    own = f"{name(known)}, " if known else ""
    return f"{own}family {made.get('family')}, id {made['id']}, " + (
        f"checkpoint sha256 {checkpoint}{where}" if checkpoint else "no checkpoint (procedural)"
    )


def _sampling(row: Mapping[str, Any]) -> str:
    made = row.get("generator") or {}
    if not made.get("id"):
        return ""
    return f"index {made.get('index')}, conditioning {made.get('conditioning')}"


def _transforms(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    steps = row.get("transforms") or []
    return [("transform", f"{step['op']} {step['params']}") for step in steps]


def _pairs(pairs: Any) -> str:
    return ", ".join(f"{pair['name']} = {pair['value']}" for pair in pairs or [])


def _job(row: Mapping[str, Any], job: Job) -> str:
    seed = f", seed {job['seed']}" if "seed" in job else ""
    known = "" if job else ", job.json is missing"
    return f"{row.get('job_id')}{seed}, planned at {row.get('generated_at')}{known}"
