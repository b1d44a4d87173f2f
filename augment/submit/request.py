"""A job file as it is asked to be run on a cluster: read and checked here first, so that what is
wrong is told before anything is sent; named by its request; with what travels.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import augment
from augment.errors import RequestError
from augment.run.prepare import prepare
from augment.spec import Job, load_spec
from augment.submit.bundle import Bundle, bundle_of
from augment.submit.entrypoint import refuse_secret_overrides

ON_CLUSTER = "address=auto"
"""On a cluster, the job runs on that cluster."""


@dataclass(frozen=True)
class Asked:
    """job_id: name and digest of the request. overrides: laid over the job's `execution` here
    and there."""

    job: Job
    job_id: str
    bundle: Bundle
    overrides: tuple[str, ...]


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
    if job.spec.execution.engine == "local":
        raise RequestError(
            f"{path}: execution.engine: got local, which uses one process of one node; expected "
            "ray. Write `--set engine=ray`, or run it without submitting"
        )
    bundle = bundle_of(job, path, execution=execution, shared=shared)
    return Asked(job, prepare(job).job_id, bundle, laid)


def write_bundle(bundle: Bundle, folder: Path, *, with_code: bool) -> None:
    """Lay the bundle out as a folder. with_code: with this copy of `augment` beside it."""
    for name, content in bundle.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if with_code:
        source = Path(augment.__file__).parent
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, folder / "augment", ignore=ignore)
