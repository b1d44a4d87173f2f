"""A report in the few lines that stay with a table: verdict, limits by name, first findings.

Its size follows the kinds of limits, never classes. Plain JSON values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augment.audit.findings import LimitResult
from augment.audit.judge import AuditReport

_SHOWN = 5


def summary(report: AuditReport) -> dict[str, Any]:
    """version: that was audited. limits: one entry a limit and job, with the number of places
    where it is kept, broken and not judged, and the text of the worst or nearest one."""
    by_limit: dict[tuple[str | None, str], list[LimitResult]] = {}
    for result in report.limits:
        by_limit.setdefault((result.job, result.limit), []).append(result)
    worst_first = sorted(report.findings, key=lambda finding: finding.warns)
    texts = [f"{'warning: ' if f.warns else ''}{f.check}: {f.text}" for f in worst_first]
    return {
        "version": report.version,
        "verdict": report.verdict,
        "limits_from": report.limits_from,
        "limits": [_limit(some) for some in by_limit.values()],
        "findings": texts[:_SHOWN],
        "more_findings": max(0, len(texts) - _SHOWN),
    }


def _limit(some: Sequence[LimitResult]) -> dict[str, Any]:
    broken = [one for one in some if one.ok is False]
    kept = [one for one in some if one.ok]
    worst = max(broken, key=lambda one: float("inf") if one.by_how_much is None else
                one.by_how_much, default=None)  # fmt: skip
    nearest = min(kept, key=lambda one: abs(one.bound - (one.value or 0.0)), default=some[0])
    return {
        "job": some[0].job,
        "limit": some[0].limit,
        "bound": some[0].bound,
        "kept": len(kept),
        "broken": len(broken),
        "not_judged": len(some) - len(kept) - len(broken),
        "text": (worst or nearest).text,
    }
