"""Limits before anything is spent: a plan is exact, so what it breaks is known before the first
sample is made.

A person may go on all the same (`--despite-limits`), beyond the job's own limits and never beyond
the operator's. Nothing remembers that: a resume is the same command, with the same option.
"""

from __future__ import annotations

from collections.abc import Sequence

from augment.errors import GateError
from augment.plan import Plan, broken_limits
from augment.policy import Policy, read_policy
from augment.spec.models import JobLimits
from augment.spec.policy_limits import of_policy

_SHOWN = 5
OPTION = "--despite-limits"


def refuse_broken(plan: Plan, limits: JobLimits, *, despite: bool) -> None:
    """Stop before a plan is carried out that breaks limits. limits: of the job. despite: whether
    it may break them all the same.

    Raises:
        GateError: it may not.
    """
    broken = broken_limits(plan, limits)
    if not broken:
        return
    policy = read_policy()
    beyond = broken_limits(plan, of_policy(policy.rules.limits))
    if beyond:
        raise GateError(
            f"{_count(beyond)} of the operator ({policy.path}) would be broken by what is planned, "
            f"so nothing was begun: {shown(beyond)}. Ask for less, or ask the operator; no option "
            "goes beyond it"
        )
    if not despite:
        raise GateError(
            f"{_count(broken)} would be broken by what is planned, so nothing was begun: "
            f"{shown(broken)}. Change the job or its limits (`augment plan` shows the counts), or "
            f"go on all the same with {OPTION}"
        )


def told_despite(plan: Plan, limits: JobLimits) -> str | None:
    """What is said where a plan is carried out that breaks limits; None where it breaks none."""
    broken = broken_limits(plan, limits)
    return f"{OPTION}: {_count(broken)} will be broken: {shown(broken)}" if broken else None


def gpu_hours(limits: JobLimits, *, despite: bool, policy: Policy | None = None) -> float | None:
    """GPU hours that may be planned for: those of the job, or with `despite` of the operator."""
    if not despite:
        return limits.gpu_hours
    return (policy or read_policy()).rules.limits.gpu_hours


def shown(texts: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _count(broken: Sequence[str]) -> str:
    return "1 limit" if len(broken) == 1 else f"{len(broken)} limits"
