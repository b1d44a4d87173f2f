"""From a job to what a run works on: generators described, request digest, plan, census.

`prepare` touches nothing. `freeze` writes plan and census under the output's work folder,
once: a resume reads them and takes no second census, so that a file which vanished since
is a quarantined row and not another plan. Knows nothing of Ray.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from augment.codec import Style
from augment.errors import InterruptedRun, PlanError, Problem
from augment.filters import needs_image_alone
from augment.generators import GeneratorInfo, describe, universe
from augment.mix import order_census
from augment.plan import (
    CensusFacts,
    GeneratorFacts,
    InputList,
    Inputs,
    Plan,
    choose_inputs,
    make_plan,
    other_draws,
    read_manifest,
)
from augment.run.census import keep_census
from augment.run.clock import Clock
from augment.run.styles import styles_of
from augment.run.watch.journal import journaled
from augment.run.watch.telling import Telling
from augment.sample import LATER_COLUMNS, SAMPLE_SCHEMA, Origin, RealRow, Stamp
from augment.secrecy import secret_values
from augment.seeds import digest
from augment.sources import Census, LeftOut, read_left_out, take_census
from augment.spec import Job, request_digest
from augment.spec.files import MAX_MANIFEST_BYTES, read_bytes
from augment.spec.filters import FilterSpec
from augment.storage import Folder
from augment.write import Journal, Work

_FIRST_COLUMNS = tuple(n for n in SAMPLE_SCHEMA.names if n not in LATER_COLUMNS)


@dataclass(frozen=True)
class Prepared:
    """A job whose generators are known: enough to name the work, not yet to do it."""

    job: Job
    infos: Mapping[str, GeneratorInfo]
    digest: str
    """Of the request, 64 hex digits."""

    @property
    def job_id(self) -> str:
        return f"{self.job.spec.name}-{self.digest[:12]}"

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        return self.job.spec.execution.storage_options

    @property
    def output(self) -> Folder:
        return Folder(self.job.spec.output.uri, self.options)

    @property
    def pool(self) -> Folder:
        return Folder(self.job.spec.pool, self.options)

    @property
    def work(self) -> Work:
        return Work(self.output.child(f"_work/{self.job_id}"))

    @property
    def filters_digest(self) -> str:
        """Names a verdict: of the filters and their thresholds. No record holds that of a filter
        which needs more than the image."""
        return digest([f.model_dump(mode="json", exclude_none=True) for f in self.job.spec.filters])

    @property
    def image_filters(self) -> list[FilterSpec]:
        """The filters that need the image alone: what a worker that makes it can judge."""
        return [one for one in self.job.spec.filters if needs_image_alone(one)]

    @property
    def image_filters_digest(self) -> str:
        """Names the verdict of these that a record holds."""
        return digest([f.model_dump(mode="json", exclude_none=True) for f in self.image_filters])

    def generator_id(self, generator: str) -> str:
        """What `generator.id` of a row holds: weights, configuration and sampling as one digest."""
        return _generator_id(self.infos[generator])

    def universe(self, generator: str, inputs: str = "") -> str:
        """inputs: the digest of the images that the generator is fed."""
        own = universe(self.job.spec.seed, self.infos[generator])
        return digest([own, inputs]) if inputs else own


def journal_of(
    prepared: Prepared, verb: str, reporter: Telling
) -> contextlib.AbstractContextManager[Journal]:
    """See `journaled`: what a journal says of this job."""
    about = {
        "pool": prepared.pool.uri,
        "filters": prepared.filters_digest,
        "base": prepared.job.base,
    }
    secrets = secret_values(prepared.options, os.environ, prepared.job.text)
    return journaled(prepared.work.folder, verb, reporter, about, secrets)


@dataclass(frozen=True)
class FrozenInputs:
    """What generators are fed. file: the frozen list's name; lists: by generator."""

    file: str
    lists: Mapping[str, InputList]


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made from."""

    plan: Plan
    census: Census
    inputs: Inputs


@dataclass(frozen=True)
class Frozen:
    """A plan that will not change: what every attempt at this request works from."""

    prepared: Prepared
    plan: Plan
    stamp: Stamp
    census: str
    """Name of the frozen census: by content, so that it is the one this plan counted."""
    ranges: Mapping[str, tuple[int, int]]
    """split -> its slice of the frozen census."""
    styles: Mapping[str, tuple[Style, ...]]
    """class -> how some of its real images are encoded."""
    inputs: FrozenInputs
    draws: Mapping[str, str]
    """source whose splits are shares -> name of what was drawn; {}: not known."""
    columns: tuple[str, ...]
    """Of the data set: what an earlier version began keeps the columns that it had, so that all
    shards of a table have the same."""
    left_out: tuple[LeftOut, ...]
    """What stood in the sources and is not in the census."""

    @property
    def schema(self) -> pa.Schema:
        """`SAMPLE_SCHEMA` with these columns."""
        return pa.schema([SAMPLE_SCHEMA.field(name) for name in self.columns])


def prepare(job: Job) -> Prepared:
    """Describe the job's generators and name its request.

    Raises:
        CheckpointError: a checkpoint is missing, changed or malformed.
    """
    options = job.spec.execution.storage_options
    infos = {name: describe(name, g, options) for name, g in job.spec.generators.items()}
    prepared = Prepared(job, infos, request_digest(job, {n: i.identity for n, i in infos.items()}))
    refuse_twins(infos)
    return prepared


def refuse_twins(infos: Mapping[str, GeneratorInfo]) -> None:
    """Raises:
    PlanError: two generators of a job would make the same samples.
    """
    seen: dict[str, str] = {}
    for name, info in infos.items():
        twin = seen.setdefault(_generator_id(info), name)
        if twin != name:
            raise PlanError(
                [
                    Problem(
                        f"generators.{name}",
                        f"the same weights and sampling as generators.{twin}",
                        "generators that differ",
                        "Remove one: its samples would be the other's",
                    )
                ]
            )


def _generator_id(info: GeneratorInfo) -> str:
    return digest([info.identity, info.sampling_digest])


def plan_job(prepared: Prepared, telling: Telling | None = None) -> Planned:
    """Take the census and plan. Writes nothing.

    Raises:
        PlanError: with everything that cannot be planned. RequestError: the bucket of the
            output or of the pool is not there.
    """
    job = prepared.job
    telling = telling or Telling()
    for folder in (prepared.output, prepared.pool) if job.spec.synthesize else (prepared.output,):
        folder.require_bucket()
    with telling.span("census"):
        telling.stage("census", None)
        census = take_census(job, options=prepared.options, seen=telling.seen)
    with telling.span("plan"):
        return _planned(prepared, census)


def _planned(prepared: Prepared, census: Census) -> Planned:
    job = prepared.job
    problems: list[Problem] = []
    known = pa.concat_tables([census.table, census.inputs])
    problems += other_draws(job.spec, census.draws)
    inputs = choose_inputs(job.spec, known, problems)
    facts = {name: _facts(prepared, name, inputs.lists.get(name)) for name in prepared.infos}
    manifests = {
        i: read_manifest(
            rule.manifest, read_bytes(rule.manifest, prepared.options, MAX_MANIFEST_BYTES)
        )
        for i, rule in enumerate(job.spec.synthesize)
        if rule.manifest is not None
    }
    try:
        plan = make_plan(job, _census_facts(census), facts, prepared.digest, manifests)
    except PlanError as error:
        raise PlanError([*problems, *error.problems]) from None
    if problems:
        raise PlanError(problems)
    return Planned(plan, census, inputs)


def freeze(
    prepared: Prepared,
    clock: Clock,
    telling: Telling | None = None,
    judge: Callable[[Plan], None] = lambda plan: None,
) -> Frozen:
    """The frozen plan of this request: read if it exists, else made and written, census
    first. Two drivers at once end up with the same one.

    judge: is shown the plan before anything is written, and raises where it may not be
    carried out.

    Raises:
        PlanError, StorageError: see `plan_job`.
    """
    work = prepared.work
    head = work.frozen("plan.json")
    if head is None:
        planned = plan_job(prepared, telling)
        judge(planned.plan)
        census = planned.census
        table, ranges = order_census(census.table, prepared.job.spec.seed, census.blocks())
        styles = styles_of(prepared.job.spec, census, (telling or Telling()).doing)
        census_name = keep_census(work, "census", table)
        document = {
            "plan": planned.plan.to_json(),
            "created_at": clock().astimezone(dt.UTC).isoformat(timespec="microseconds"),
            "census": census_name,
            "ranges": {split: list(r) for split, r in ranges.items()},
            "styles": {c: [s.to_json() for s in some] for c, some in styles.items()},
            "inputs": keep_census(work, "inputs", planned.inputs.table),
            "input_lists": {n: i.to_json() for n, i in planned.inputs.lists.items()},
            "draws": dict(census.draws),
            "columns": SAMPLE_SCHEMA.names,
            "left_out": [found.to_json() for found in census.left_out],
        }
        head = work.freeze("plan.json", json.dumps(document, sort_keys=True).encode())
    frozen = _thaw(prepared, head)
    judge(frozen.plan)
    return frozen


def _thaw(prepared: Prepared, head: bytes) -> Frozen:
    try:
        document = json.loads(head)
        created = dt.datetime.fromisoformat(document["created_at"])
        return Frozen(
            prepared,
            Plan.from_json(document["plan"]),
            Stamp(prepared.job_id, created),
            document["census"],
            {split: (a, b) for split, (a, b) in document["ranges"].items()},
            {c: tuple(Style.from_json(s) for s in some) for c, some in document["styles"].items()},
            FrozenInputs(
                document["inputs"],
                {n: InputList.from_json(i) for n, i in document["input_lists"].items()},
            ),
            document.get("draws", {}),
            tuple(document.get("columns", _FIRST_COLUMNS)),
            tuple(read_left_out(document)),
        )
    except (KeyError, RecursionError, TypeError, ValueError) as e:
        raise InterruptedRun(
            f"{prepared.work.folder.url('plan/plan.json')}: not a frozen plan ({e}); it was "
            "changed by hand or written by another version: remove that work folder and run again"
        ) from e


def as_it_stands(prepared: Prepared, row: RealRow) -> RealRow:
    """The row without what the census knew of its file, so that a file mended since is read. A
    Parquet file that changed may hold other rows in other places: there nothing is forgotten."""
    if prepared.job.spec.sources[row.source].format != "imagefolder":
        return row
    return replace(row, size=-1, token="")


def _facts(prepared: Prepared, name: str, fed: InputList | None) -> GeneratorFacts:
    info = prepared.infos[name]
    return GeneratorFacts(
        name=name,
        identity=info.identity,
        sampling_digest=info.sampling_digest,
        universe=prepared.universe(name, "" if fed is None else fed.digest),
        family=info.family,
        classes=info.classes if fed is None else tuple(filter(info.makes, fed.ranges)),
        image_bytes=max(256, info.height * info.width * info.channels // 2),
        takes_image=info.takes_image,
        takes_mask=info.takes_mask,
        varies=info.varies,
        capacity=None if fed is None else fed.capacity,
        origin=Origin.SYNTHETIC if fed is None else fed.origin,
    )


def _census_facts(census: Census) -> CensusFacts:
    table = census.table
    grouped = table.group_by(["split", "label_name", "source"]).aggregate([([], "count_all")])
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for row in grouped.to_pylist():
        by_class = counts.setdefault(row["split"], {})
        by_class.setdefault(row["label_name"], {})[row["source"]] = row["count_all"]
    sizes = table.column("size").to_numpy()
    known = sizes[sizes >= 0]
    return CensusFacts(census.classes, counts, float(known.mean()) if known.size else 65536.0)
