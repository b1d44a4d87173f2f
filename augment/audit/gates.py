"""Whether the limits of a job were judged before its commit, where the job asked for that.

A job leaves in its job.json what came of it. Knows job.json alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augment.audit.findings import Check, Finding, counted, not_judged

_NAME = "gate"
_ASKS = "limits held before the commit, where a job asked for that"
_SHOWN = 1
Jobs = Mapping[str, Mapping[str, Any]]


def check_gates(jobs: Jobs, *, given: bool) -> tuple[list[Check], list[Finding]]:
    """jobs: job id -> its job.json, of jobs with rows in the version. given: whether the version is
    judged by other limits than theirs, so that these are worth a warning alone."""
    asked = {job: body for job, body in sorted(jobs.items()) if _asks(body)}
    if not asked:
        return [], []
    said = {job: body["gate"] for job, body in asked.items() if isinstance(body.get("gate"), dict)}
    if missing := sorted(asked.keys() - said.keys()):
        return [not_judged(_NAME, _ASKS, f"job {missing[0]} does not say what came of it")], []
    findings = [one for job, gate in said.items() for one in _findings(job, gate, given)]
    told = "; ".join(f"{job}: {_counts(gate)}" for job, gate in said.items())
    grave = any(not one.warns for one in findings)
    return [Check(_NAME, not grave, f"{_ASKS}: {told}")], findings


def _asks(body: Mapping[str, Any]) -> bool:
    limits = body.get("limits")
    return isinstance(limits, dict) and limits.get("gate") == "before_commit"


def _findings(job: str, gate: Mapping[str, Any], given: bool) -> list[Finding]:
    if gate.get("verdict") != "overruled":
        return []
    found = []
    despite = f"job {job} was committed with --despite-limits, although"
    if broken := _texts(gate.get("broken")):
        n = counted(len(broken), "place", "places")
        text = f"{despite} limits were broken in {n} before the commit: {_few(broken)}"
        found.append(Finding(_NAME, text, len(broken), warns=given))
    if unknown := _texts(gate.get("not_judged")):
        n = counted(len(unknown), "place", "places")
        text = f"{despite} limits could not be judged in {n} before the commit: {_few(unknown)}"
        found.append(Finding(_NAME, text, len(unknown), warns=True))
    return found


def _counts(gate: Mapping[str, Any]) -> str:
    """In how many places; what was not judged is said, for it is no pass."""
    numbers = [
        (gate.get("kept"), "kept"),
        (len(_texts(gate.get("broken"))), "broken"),
        (len(_texts(gate.get("not_judged"))), "not judged"),
        (len(_texts(gate.get("let_pass"))), "not judged, which the job lets pass"),
    ]
    told = [f"{word} in {counted(n, 'place', 'places')}" for n, word in numbers if n]
    return ", ".join(told) or "there was nothing to judge"


def _texts(value: Any) -> Sequence[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _few(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
