"""Jobs as their outputs keep them: which there are, and the job file's text made a job again.

For verbs that are given an output and no job file. The text was kept with `${VARIABLES}`
unexpanded, so the environment must be that of the run; whether it is shows in the digest. The
folder that a verb is given is the one it works on: where the text names another one, as that of a
data set that was moved or copied does, the text gives way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from augment.errors import RequestError
from augment.policy import read_policy
from augment.run.prepare import prepare
from augment.spec import Job, load_spec, load_text
from augment.storage import Folder
from augment.write import Work, read_job, read_journals


@dataclass(frozen=True)
class Laid:
    """What is laid over a kept job. file: the job file to take instead of the kept text."""

    file: str | None = None
    execution: str | None = None
    overrides: Sequence[str] = ()


_JOB = re.compile(r".+-[0-9a-f]{12}")


def job_ids(output: Folder) -> list[str]:
    """Every job that was begun under an output, by name.

    Raises:
        RequestError: there is none.
    """
    folders = {*output.folders("_work"), *output.folders("_provenance")}
    found = sorted(name for name in folders if _JOB.fullmatch(name))
    if not found:
        raise RequestError(
            f"{output.uri}: no job was begun here (there is neither _work/ nor _provenance/); "
            "expected the folder that a job names as output.uri"
        )
    return found


def one_job(output: Folder, name: str | None) -> str:
    """The job that is meant: its id, or the beginning of it; the only one where no name is given.

    Raises:
        RequestError: none, or more than one.
    """
    found = job_ids(output)
    fits = [job for job in found if name is None or job == name or job.startswith(name)]
    if len(fits) == 1 or name in fits:
        return name if name in fits and name is not None else fits[0]
    have = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    asked = "no --job" if name is None else f"--job {name!r}"
    raise RequestError(f"{output.uri}: got {asked}, which fits {len(fits)} jobs; expected one of "
                       f"{have}")  # fmt: skip


def kept_job(output: Folder, job_id: str, laid: Laid) -> Job:
    """The job of this id.

    Raises:
        RequestError: its text is not kept. SpecError: it cannot be read (any more).
    """
    if laid.file is not None:
        return load_spec(laid.file, execution=laid.execution, overrides=laid.overrides)
    text = (read_job(output, job_id) or {}).get("spec_text")
    if not isinstance(text, str):
        raise RequestError(
            f"{output.uri}: job {job_id} is not committed there, so there is nothing to retry: "
            "`augment run` with its job file finishes it, and tries what is missing on the way"
        )
    return load_text(
        text,
        f"the kept text of {job_id}",
        _base(output, job_id),
        execution=laid.execution,
        overrides=laid.overrides,
    )


@dataclass(frozen=True)
class Kept:
    """A job as it was when it ran. elsewhere: the output that its text names, where that is not
    the folder that was given."""

    job: Job
    elsewhere: str | None


def job_to_retry(output: Folder, name: str | None, laid: Laid) -> Kept:
    """The job that is meant, with `output` as its output, wherever its text says that it lies.

    Raises:
        RequestError: no such job, its text makes another request now, or the operator does not
            allow jobs that folder. SpecError: see `kept_job`.
    """
    job_id = one_job(output, name)
    job = kept_job(output, job_id, laid)
    refuse_another(job_id, prepare(job).job_id)
    named = Folder(job.spec.output.uri, job.spec.execution.storage_options)
    if _same_place(named, output):
        return Kept(job, None)
    return Kept(_placed(job, output), named.uri)


def _placed(job: Job, output: Folder) -> Job:
    """The job with this folder as its output, reached with the options that opened it."""
    policy = read_policy()
    if not policy.allows_uri(output.uri):
        allowed = ", ".join(policy.rules.allowed_uris or ())
        raise RequestError(
            f"{output.uri}: got an output outside the folders that {policy.path} allows jobs; "
            f"expected one in: {allowed}"
        )
    options = {**job.spec.execution.storage_options, **output.options}
    execution = job.spec.execution.model_copy(update={"storage_options": options})
    place = job.spec.output.model_copy(update={"uri": output.uri})
    return replace(job, spec=job.spec.model_copy(update={"output": place, "execution": execution}))


def _same_place(one: Folder, other: Folder) -> bool:
    """Links and the two names of S3 aside."""
    if one.is_local and other.is_local:
        return os.path.realpath(one.uri) == os.path.realpath(other.uri)
    return re.sub("^s3a:", "s3:", one.uri) == re.sub("^s3a:", "s3:", other.uri)


def refuse_another(job_id: str, found: str) -> None:
    """Raises: RequestError where the job that was loaded is not the one that is meant."""
    if found != job_id:
        raise RequestError(
            f"job {job_id}: what was loaded now makes the request {found}; an environment "
            "variable, the folder of relative paths or a checkpoint is not what it was then: "
            "restore it, or name the job file with --job-file"
        )


def _base(output: Folder, job_id: str) -> str:
    """The folder that relative paths hung on when the job ran last, else the working folder."""
    work = Work(output.child(f"_work/{job_id}"))
    entries = sorted(read_journals(work.folder), key=lambda e: e["started_at"])
    known = [e["base"] for e in entries if isinstance(e.get("base"), str)]
    return known[-1] if known else os.getcwd()
