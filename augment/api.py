"""The verbs for programs: the same as the command line's.

    job = load_spec("jobs/digits.yaml")
    print(plan(job).rows())
    result = run(job, engine="local")
    report = audit(result.output)
    dataset = open_dataset(result.output)      # a pyarrow dataset of exactly that version

Importing this module is light; what a verb needs is imported when it is called.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augment.spec import Job, check_storage_options, load_spec

if TYPE_CHECKING:
    import pyarrow.dataset as pads

    from augment.audit import AuditReport
    from augment.audit.compare import Comparison
    from augment.audit.report import Written
    from augment.plan import Plan
    from augment.run import Engine, Reporter, RunResult
    from augment.run.clock import Clock
    from augment.run.upkeep.retry import RetryResult
    from augment.run.upkeep.states import Status
    from augment.spec.execution import EngineName
    from augment.spec.models import Limits
    from augment.study import Study

__all__ = [
    "Job",
    "audit",
    "audit_log",
    "compare",
    "load_spec",
    "open_dataset",
    "open_engine",
    "plan",
    "retry",
    "run",
    "status",
    "study",
    "validate",
    "write_report",
]

Options = Mapping[str, Mapping[str, Any]]


def validate(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    execution: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Job:
    """Read and check a job as `load_spec` does, and look at what it names on this machine:
    sources, manifests, and checkpoints up to 1 GiB (`augment.looking`). Touches no network.

    Raises:
        SpecError: with every problem found. PlanError: two generators are one. CheckpointError: a
            local generator's files are missing, changed or malformed, or do not fit the job.
        StorageError: they cannot be read.
    """
    from augment.looking import validated

    return validated(source, execution=execution, overrides=overrides, env=env)[0]


def plan(job: Job) -> Plan:
    """Take the census and plan the job's exact counts. Writes nothing.

    Raises:
        PlanError: with everything that cannot be planned. CheckpointError: a generator.
    """
    from augment.run import plan_job
    from augment.run.planning import build_pipelines
    from augment.run.prepare import prepare

    prepared = prepare(job)
    build_pipelines(job)
    return plan_job(prepared).plan


def run(
    job: Job,
    *,
    engine: EngineName | Engine | None = None,
    reporter: Reporter | None = None,
    clock: Clock | None = None,
    takeover: bool = False,
    measure: bool = False,
    despite_limits: bool = False,
    profile: str | None = None,
) -> RunResult:
    """Carry the job out, or finish what an earlier run of the same request began.

    engine: None as the job's `execution` says. clock: the creation time of a new plan.
    takeover: do not wait for a run that holds the job's lease, stop it instead.
    measure: time a few batches first, so that the cost can be foreseen and compared.
    despite_limits: go on where the plan breaks limits of the job, or they hold the commit back;
        the operator's hold.
    profile: a file for a timeline of the run.

    Raises:
        RequestError, GateError, InterruptedRun: see `augment.errors`.
    """
    from augment.run import How, carry_out, now
    from augment.run.watch.observing import observing

    with (
        observing(job, profile=profile, reporter=reporter) as observers,
        open_engine(job, engine) as chosen,
    ):
        how = How(
            reporter=reporter,
            clock=clock or now,
            takeover=takeover,
            measure=measure,
            despite_limits=despite_limits,
            observers=observers,
        )
        return carry_out(job, chosen, "run", how)


def status(output: str, *, options: Options | None = None) -> Status:
    """What every job under an output has done so far, also while one runs elsewhere.

    Raises:
        RequestError: no job was begun there. SpecError: the operator's policy cannot be read, or
            allows these options to nobody.
    """
    from augment.run.upkeep.status import status as read_status

    check_storage_options(options)
    return read_status(output, options)


def retry(
    job: Job,
    *,
    engine: EngineName | Engine | None = None,
    reporter: Reporter | None = None,
    despite_limits: bool = False,
) -> RetryResult:
    """Make the failed rows of a committed job again, as its next generation.

    despite_limits: add them although the job's limits hold its commits back.

    Raises:
        GateError: they do (`limits.gate`); nothing was added.
        RequestError: it is not committed, or somebody works on it. Others: see `run`.
    """
    from augment.run.upkeep.retry import retry as retry_job

    with open_engine(job, engine) as chosen:
        return retry_job(job, chosen, reporter=reporter, despite_limits=despite_limits)


def audit(
    uri: str,
    *,
    version: int | None = None,
    limits: Limits | None = None,
    by: Sequence[str] = (),
    verify: bool = False,
    options: Options | None = None,
    quality: bool = False,
    copies: bool = False,
    extractors: Sequence[str] | None = None,
    seed: int = 0,
    cache: str | None = None,
    engine: EngineName | None = None,
    reporter: Reporter | None = None,
    attributes: Sequence[str] = (),
) -> AuditReport:
    """Counts and shares of a data set, from its rows and from its log, against limits.

    limits: None for those that its jobs left with it; others are judged in their place.
    version: None for the newest. by: any of class, split, origin, generator.
    verify: also decode and hash every image. quality: also judge how good, how diverse and how
    well labelled the made images are. copies: with it, also look for real images that generated
    ones repeat. Of both: extractors as docs/audit.md has them, None for
    those that need no file of yours; seed of every draw; cache of features, `none` or a place,
    None beside the data set; engine, None for what is fastest here. attributes: names of properties
    of rows, such as `time_of_day`, by whose values all of it is told, too.

    Raises:
        RequestError: there is no data set, no such extractor or attribute. SpecError: see `status`.
        CheckpointError: an extractor's weights. StorageError: a shard cannot be read.
    """
    from augment.audit import audit as audit_dataset

    check_storage_options(options)
    report = audit_dataset(
        uri, version=version, limits=limits, by=by, deep=verify, options=options,
        attributes=attributes,
    )  # fmt: skip
    if not quality:
        return report
    from augment.run.auditing import DEFAULT, Asked, measure_quality
    from augment.run.extraction.extracting import engine_for
    from augment.spec.execution import Execution

    asked = Asked(extractors=tuple(extractors or DEFAULT), seed=seed, cache=cache, copies=copies)
    with engine_for(Execution(), engine) as chosen:
        return measure_quality(report, asked, chosen, options=options, reporter=reporter)


def audit_log(
    uri: str,
    *,
    version: int | None = None,
    limits: Limits | None = None,
    by: Sequence[str] = (),
    options: Options | None = None,
) -> AuditReport:
    """Counts and shares of a data set by what its commits counted, against limits; no row is read,
    so that 10^9 of them take seconds. Arguments as of `audit`.

    Raises:
        RequestError: there is no data set, augment did not write it, or `by` names source.
        SpecError: see `status`. StorageError: the log cannot be read.
    """
    from augment.audit import audit_log as audit_dataset

    check_storage_options(options)
    return audit_dataset(uri, version=version, limits=limits, by=by, options=options)


def compare(before: AuditReport, after: AuditReport) -> Comparison:
    """What two audits say differently, of versions or of any two data sets: rows of every cell,
    verdicts of limits, findings, and figures of the made part that both measured."""
    from augment.audit.compare import compared

    return compared(before.to_json(), after.to_json())


def study(
    job: Job,
    *,
    shares: Sequence[float] = (0.25, 0.5, 0.75),
    draws: int = 3,
    seeds: int = 5,
    steps: int = 300,
    seed: int = 0,
    network: str = "small",
    size: int | None = None,
    weights: str | None = None,
    each_generator: bool = False,
    validation: str | None = None,
    test: str | None = None,
    corrupted: bool = True,
    rates: Sequence[float] = (1.0,),
    audit: str | None = None,
    version: int | None = None,
    engine: EngineName | Engine | None = None,
    reporter: Reporter | None = None,
) -> Study:
    """Train classifiers on the job's committed output, on real images alone and with what was made
    (docs/study.md); where it has sources with `use: inputs`, also on retrieved real images of these
    in the place of synthetic ones. Trainings that are done are not done again.

    shares: of synthetic images in a batch. draws: of what is left out of train. seeds: trainings of
    each arm in a draw. steps: batches of each training. network: `small`, or `torchvision:` and a
    classifier; size: side of its input in px, None: by the images; weights: place of a file of its
    trained weights, from which all arms are trained too. each_generator: also arms of one
    generator. validation, test: splits. corrupted: also under common corruptions. rates: times the
    usual learning rate, of which validation chooses one for each arm. audit: place of
    an audit.json of the same version. version: of the output, None: the newest.

    Raises:
        RequestError: there is no such version or split, nothing to compare, or torch is missing.
        CheckpointError: the weights. StorageError, InterruptedRun: calling again goes on.
    """
    from augment.run.studying import How
    from augment.run.studying import study as carry_out
    from augment.study import Asked

    asked = Asked(
        shares=tuple(shares), draws=draws, seeds=seeds, steps=steps, seed=seed, network=network,
        size=size, weights=weights, each_generator=each_generator, validation=validation,
        test=test, corrupted=corrupted, rates=tuple(rates),
    )  # fmt: skip
    how = How(version=version, audit=audit, reporter=reporter, job=job)
    options = job.spec.execution.storage_options
    with open_engine(job, engine) as chosen:
        return carry_out(job.spec.output.uri, asked, chosen, how, options)


def write_report(report: AuditReport, folder: str, *, options: Options | None = None) -> Written:
    """Write the report of an audit as audit.html, a page that needs no network, and audit.json.

    folder: a path or URI outside of the data set; made if missing. options: of its store and of the
    data set's, whose pictures are read.

    Raises:
        RequestError: the folder is the data set's own, or the extra `report` is not installed.
        SpecError: see `status`. StorageError: a shard cannot be read, or a file not be written.
    """
    from augment.audit.report import write_report as write

    check_storage_options(options)
    return write(report, folder, options)


def open_dataset(
    uri: str,
    version: int | None = None,
    split: str | None = None,
    options: Options | None = None,
) -> pads.Dataset:
    """Exactly the files of one version (None: the newest) as a pyarrow dataset.

    Raises:
        RequestError: there is no data set. SpecError: see `status`.
    """
    from augment.audit import open_dataset as open_version

    check_storage_options(options)
    return open_version(uri, version, split, options)


@contextlib.contextmanager
def open_engine(job: Job, engine: EngineName | Engine | None = None) -> Iterator[Engine]:
    """The engine by name (None: as the job says), closed at the end; an Engine stays open. It
    begins where there is work for it, not before."""
    from augment.run import automatic
    from augment.run.engines.opening import opened

    execution = job.spec.execution
    kind = execution.engine if engine is None else engine
    match automatic(execution, job.spec.generators) if kind == "auto" else kind:
        case "local" | "processes" | "ray" as name:
            with opened(name, execution) as found:
                yield found
        case given:
            yield given
