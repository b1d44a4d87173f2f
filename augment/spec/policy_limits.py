"""A job under the limits of this machine's operator: it may ask for less, never for more.

What a job must say itself, because there is no other number to hold it to, is asked for; what
the operator can say for it (`gpu_hours`, `synthetic_share`) holds without the job's word. Reads
no file.
"""

from __future__ import annotations

from augment.policy import Policy, PolicyLimits
from augment.spec.asked import Asked
from augment.spec.draft import Draft
from augment.spec.execution import GeneratorExecution
from augment.spec.models import JobLimits, JobSpec, ShareLimit
from augment.spec.text import Path


def check_policy_limits(asked: Asked, draft: Draft, policy: Policy) -> None:
    """Note what of a job goes beyond the operator's limits."""
    limits = policy.rules.limits
    source = f"the limit of {policy.path}"
    for name in draft.generators:
        asks = draft.execution.generators.get(name, GeneratorExecution())
        _check_generator(asked, ("execution", "generators", name), asks, limits, source)
    _check_workers(asked, draft.execution.workers, limits, source)
    _check_judged(asked, draft.limits, limits, source)


def of_policy(limits: PolicyLimits) -> JobLimits:
    """What the operator bounds of a result and its cost: no option of a run goes beyond it."""
    share = limits.synthetic_share
    return JobLimits(
        synthetic_share=None if share is None else ShareLimit(max=share),
        gpu_hours=limits.gpu_hours,
    )


def under_policy(spec: JobSpec, limits: PolicyLimits) -> JobSpec:
    """The job with the operator's limits where it has none of its own."""
    update: dict[str, object] = {}
    own = spec.limits
    if own.gpu_hours is None and limits.gpu_hours is not None:
        update["gpu_hours"] = limits.gpu_hours
    share = own.synthetic_share or ShareLimit()
    if share.max is None and limits.synthetic_share is not None:
        update["synthetic_share"] = share.model_copy(update={"max": limits.synthetic_share})
    if not update:
        return spec
    return spec.model_copy(update={"limits": own.model_copy(update=update)})


def _check_generator(
    asked: Asked, path: Path, asks: GeneratorExecution, limits: PolicyLimits, source: str
) -> None:
    most, each = asks.replicas.most, asks.resources.gpus
    if limits.actors is not None and most > limits.actors:
        asked.add((*path, "replicas"), f"{most} actors", f"at most {limits.actors}, {source}")
    gpus = (1.0 if each is None else each) * most
    if limits.gpus is not None and gpus > limits.gpus:
        each_text = "1, where there is one" if each is None else f"{each:g}"
        found = f"{gpus:g} GPUs at once ({most} x {each_text})"
        hint = "" if each is not None else "For none, write resources: {gpus: 0}"
        expected = f"at most {limits.gpus:g}, {source}"
        asked.add((*path, "resources", "gpus"), found, expected, hint)


def _check_workers(asked: Asked, workers: int | None, limits: PolicyLimits, source: str) -> None:
    if limits.actors is None or (workers is not None and workers <= limits.actors):
        return
    found = "nothing, which is one a CPU" if workers is None else str(workers)
    asked.add(("execution", "workers"), found, f"at most {limits.actors}, {source}")


def _check_judged(asked: Asked, own: JobLimits, limits: PolicyLimits, source: str) -> None:
    share = None if own.synthetic_share is None else own.synthetic_share.max
    for path, mine, most in (
        (("limits", "gpu_hours"), own.gpu_hours, limits.gpu_hours),
        (("limits", "synthetic_share", "max"), share, limits.synthetic_share),
    ):
        if mine is not None and most is not None and mine > most:
            asked.add(path, f"{mine:g}", f"at most {most:g}, {source}")
