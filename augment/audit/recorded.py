"""By which limits a data set is judged: those that are given, or those that its jobs left with it.

A job leaves its limits in `_provenance/<job>/job.json`; one written before that was so has them in
the text of its job file. Limits that are there and cannot be read are a finding: nobody knows
whether they are kept. Knows no figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from augment.audit.findings import Finding
from augment.errors import SpecError
from augment.spec import kept_limits
from augment.spec.models import JobLimits, Limits

Jobs = Mapping[str, Mapping[str, Any]]
Where = Literal["recorded", "given", "none"]
_NONE = Limits()


@dataclass(frozen=True)
class ToJudge:
    """Limits to judge by, each with the jobs that left it (None: given). where: they come from;
    none: there are none, given or recorded."""

    where: Where
    limits: Sequence[tuple[str | None, Limits]]
    findings: Sequence[Finding] = ()


def to_judge(given: Limits | None, jobs: Jobs, live: Collection[str]) -> ToJudge:
    """given: judged in place of recorded ones. jobs: job id -> its job.json. live: jobs that have
    rows in the version, whose limits hold; all of them where none has."""
    wanted = None if given is None else _of_rows(given)
    if wanted == _NONE:
        wanted = None
    found: list[Finding] = []
    by_limits: dict[str, tuple[list[str], Limits]] = {}
    for job in sorted(set(jobs) & set(live) or jobs):
        try:
            limits = _recorded(job, jobs[job])
        except (SpecError, ValidationError, TypeError) as error:
            found.append(Finding("limits", _unreadable(job, error)))
            continue
        if limits != _NONE:
            names, _ = by_limits.setdefault(limits.model_dump_json(), ([], limits))
            names.append(job)
    recorded = [(", ".join(names), limits) for names, limits in by_limits.values()]
    if wanted is not None and [limits for _, limits in recorded] != [wanted]:
        return ToJudge("given", [(None, wanted)])
    return ToJudge("recorded" if recorded else "none", recorded, found)


def _recorded(job: str, body: Mapping[str, Any]) -> Limits:
    if "limits" in body:
        return _of_rows(JobLimits.model_validate(body["limits"]))
    text = body.get("spec_text", "")
    if not isinstance(text, str):
        raise TypeError(f"spec_text is a {type(text).__name__}, not a text")
    return _of_rows(kept_limits(text, f"the kept text of {job}")) if text else _NONE


def _of_rows(limits: Limits) -> Limits:
    """What speaks of rows; what a job may cost is not judged from them."""
    return Limits(**{name: getattr(limits, name) for name in Limits.model_fields})


def _unreadable(job: str, error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    return (
        f"job {job}: the limits that it left with the table cannot be read ({said}); restore its "
        "job.json from a copy, or judge by its job file with --limits"
    )
