"""A job file as it is asked to be run on a cluster: read and checked here first, so that what is
wrong is told before anything is sent; named by its request; with what travels. Also what can be
seen of its data from here, where this machine reaches them: limits that its plan breaks, and
whether its data set is there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import augment
from augment.errors import PlanError, RequestError, StorageError
from augment.run.mixing.commit import committed
from augment.run.prepare import Prepared, plan_job, prepare
from augment.run.synthesis.limits import refuse_broken, told_despite
from augment.spec import Job, Limits, load_spec
from augment.submit.bundle import Bundle, bundle_of
from augment.submit.entrypoint import refuse_secret_overrides

BELOW = "job"
"""Ray puts the folder that travels on the search path of every process of the job, before all else:
a class list that lay in it as `sitecustomize.py` would be run. So it lies one folder deeper."""
ON_CLUSTER = "address=auto"
"""On a cluster, the job runs on that cluster."""


@dataclass(frozen=True)
class Asked:
    """prepared: the job, its request named. overrides: laid over its `execution` here and there.
    shared: folders that every node sees, and this machine perhaps."""

    prepared: Prepared
    bundle: Bundle
    overrides: tuple[str, ...]
    shared: tuple[str, ...] = ()

    @property
    def job(self) -> Job:
        return self.prepared.job

    @property
    def job_id(self) -> str:
        """Name and digest of the request."""
        return self.prepared.job_id


def asked_of(
    path: str, *, execution: str | None, overrides: Sequence[str], shared: Sequence[str]
) -> Asked:
    """Read a job as the cluster will.

    Raises:
        SpecError: the job is wrong, or names what the cluster cannot reach.
    """
    refuse_secret_overrides(overrides)
    laid = (*overrides, ON_CLUSTER)
    job = load_spec(path, execution=execution, overrides=laid)
    if (engine := job.spec.execution.engine) in ("local", "processes"):
        raise RequestError(
            f"{path}: execution.engine: got {engine}, which uses one node alone; expected "
            "auto or ray. Write `--set engine=ray`, or run it without submitting"
        )
    bundle = bundle_of(job, path, execution=execution, shared=shared)
    return Asked(prepare(job), bundle, laid, tuple(shared))


def judge_limits(asked: Asked, *, despite: bool) -> str | None:
    """Refuse a job whose plan breaks limits before anything is sent; what is to be said if
    anything, for example that its sources cannot be seen from here. despite: send it all the same.

    Raises:
        GateError: the plan breaks a limit.
    """
    limits = asked.job.spec.limits
    of_rows = Limits.model_fields.keys() - {"measures"}  # which no plan can break
    if not any(getattr(limits, name) is not None for name in of_rows):
        return None
    try:
        plan = plan_job(asked.prepared).plan
    except (PlanError, StorageError) as error:
        why = str(error).splitlines()[0]
        return f"the limits could not be judged from here ({why}); the cluster judges them first"
    refuse_broken(plan, limits, despite=despite)
    return told_despite(plan, limits)


def is_there(asked: Asked) -> bool | None:
    """Whether the job's output holds its data set; None where that cannot be seen from here."""
    output = asked.prepared.output
    if output.is_local and not any(_holds(folder, output.uri) for folder in asked.shared):
        return None
    try:
        return committed(asked.prepared) is not None
    except (RequestError, StorageError):
        return None


def _holds(folder: str, path: str) -> bool:
    """Whether a shared folder is there on this machine too, with the path below it."""
    real = os.path.realpath(folder)
    return os.path.isdir(real) and f"{os.path.realpath(path)}/".startswith(f"{real.rstrip('/')}/")


def write_bundle(bundle: Bundle, folder: Path, *, with_code: bool) -> None:
    """Lay the bundle out below `folder`, in `BELOW`. with_code: with this copy of `augment` beside
    it."""
    for name, content in bundle.files.items():
        target = folder / BELOW / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if with_code:
        source = Path(augment.__file__).parent
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, folder / "augment", ignore=ignore)
