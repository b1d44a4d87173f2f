"""What jobs say of the limits that they judged before their commit (`limits.gate: before_commit`).

The run leaves what came of it in `_provenance/<job>/gate.json`, and in few words in its job.json.
Knows no measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from augment.audit.findings import Finding, LimitResult
from augment.audit.judge import AuditReport
from augment.audit.quality.limited import PREFIX
from augment.audit.table import Shard
from augment.seeds import digest

Json = Mapping[str, Any]


def shards_digest(shards: Sequence[Shard]) -> str:
    """Names exactly these files."""
    return digest(sorted([shard.path, shard.size] for shard in shards))


def judged_before(report: AuditReport, shards: Sequence[Shard], kept: Json | None) -> AuditReport:
    """The report with what a run measured of these very shards before it committed them. shards: of
    the version. kept: what the run left (`_provenance/<job>/gate.json`); of other shards, or by
    other bounds, it says nothing."""
    left = [one for one in report.limits if one.limit.startswith(PREFIX)]
    if not left or kept is None or kept.get("shards") != shards_digest(shards):
        return report
    try:
        results = [_result(one, left[0].job) for one in kept["limits"]]
        warnings = [Finding("measures", str(text), warns=True) for text in kept["warnings"]]
        bounds = {(str(name), float(bound)) for name, bound in kept["bounds"]}
    except (KeyError, TypeError, ValueError):
        return report
    if bounds != {(one.limit, one.bound) for one in left}:
        return report
    rows = [one for one in report.limits if not one.limit.startswith(PREFIX)]
    measured = [one for one in results if one.limit.startswith(PREFIX)]
    return replace(report, limits=(*rows, *measured), findings=(*report.findings, *warnings))


def _result(said: Json, job: str | None) -> LimitResult:
    return LimitResult(
        str(said["limit"]), said["split"], said["class"], said["value"], float(said["bound"]),
        said["ok"], said["by_how_much"], str(said["text"]), job,
    )  # fmt: skip
