"""What `augment plan` shows beyond the plan itself; nothing here writes to a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow.compute as pc
import pyarrow.parquet as pq

from augment.codec import EXTENSIONS, lacking
from augment.errors import StorageError
from augment.plan import Inputs, Plan, manifest_batches
from augment.run.census import census_bytes
from augment.run.engines.engine import Engine
from augment.run.engines.placing import refuse_infeasible
from augment.run.mixing.copying import MAX_REDRAWS
from augment.run.prepare import FrozenInputs, Planned, Prepared
from augment.run.scoring.scorers import known_scorers
from augment.run.synthesis.cost import Estimate
from augment.run.synthesis.measuring import measure
from augment.run.synthesis.synthesize import inspect_pool, wanted
from augment.sample import MANIFEST_SCHEMA, DigitalSourceType
from augment.sources import Census
from augment.spec import Job
from augment.spec.inputs import untaken
from augment.storage import writing_file
from augment.transforms import build_transformer


@dataclass(frozen=True)
class Idle:
    """How often an augmentation leaves an image as it is. chance: of one draw, 0 to 1, by the
    chances that its operations have to run. copies: planned. unchanged: of these, about how
    many will equal their parent, once others were drawn again where the job says so."""

    augmentation: str
    chance: float
    copies: int
    unchanged: int


def formats_without_reader(
    census: Census, installed: Callable[[str], bool] | None = None
) -> list[str]:
    """Formats of listed files, by their endings, that cannot be read on this machine, with what
    is lacking. installed: see `codec.lacking`."""
    told = []
    for name, endings in EXTENSIONS.items():
        if wanted := lacking(name, installed):
            pattern = rf"\.({'|'.join(endings)})$"
            locators = census.table["locator"]
            found = pc.match_substring_regex(locators, pattern, ignore_case=True)
            if n := pc.sum(found).as_py():
                text = f"{n} images have an ending of {name}, which needs {wanted}"
                told.append(f"{text}; without it they are quarantined")
    return told


def build_pipelines(job: Job) -> dict[str, float]:
    """Build every augmentation for real, with warnings as errors; the chance of each that one
    draw leaves an image as it is.

    Raises:
        PlanError: a pipeline cannot be built.
    """
    options = job.spec.execution.storage_options
    return {
        one.name: build_transformer(one, job.base, options).idle_chance
        for one in job.spec.augmentations
    }


def idle_copies(job: Job, plan: Plan, chances: Mapping[str, float]) -> list[Idle]:
    """What `plan` foresees of copies that change nothing, of augmentations that may do so."""
    found = []
    for one in job.spec.augmentations:
        chance = chances[one.name]
        draws = 1 if one.unchanged == "keep" else 1 + MAX_REDRAWS
        copies = sum(c.total for c in plan.copies if c.augmentation == one.name)
        if chance > 0:
            found.append(Idle(one.name, chance, copies, round(copies * chance**draws)))
    return found


def unknown_training(prepared: Prepared) -> list[str]:
    """Trained generators of which the job does not say what they have seen."""
    return [
        f"generators.{name}.trained_on: unknown; name the sources and splits it has seen, so that "
        "a protected split cannot come back through it"
        for name, spec in prepared.job.spec.generators.items()
        if prepared.infos[name].checkpoint_sha256 and getattr(spec, "trained_on", None) is None
    ]


def procedural(prepared: Prepared) -> list[str]:
    """Generators that no model stands behind, of those that the job has."""
    return [
        f"generators.{name}: family {info.family} is procedural, there to try a job with: its "
        "images teach a classifier nothing of its classes"
        for name, info in prepared.infos.items()
        if info.digital_source_type == DigitalSourceType.ALGORITHMIC_MEDIA.value
    ]


def untaken_inputs(prepared: Prepared) -> list[str]:
    """Sources of inputs that nothing is made from."""
    spec = prepared.job.spec
    return [
        f"sources.{name}: use: inputs, and no rule of `synthesize` takes its images; a study alone "
        "looks at them, as the real images that it could retrieve instead"
        for name in untaken(spec.sources, spec.synthesize)
    ]


def unjudged(prepared: Prepared) -> list[str]:
    """Filters that nothing is known by before a run has fit them, so that what the pool holds
    counts as missing."""
    names = ", ".join(known_scorers(prepared).missing)
    if not names:
        return []
    return [
        f"filters: {names}: fit to the real images by the run; until then what the pool holds "
        "counts as missing, and what of it passes is not made again"
    ]


def pool_stock(prepared: Prepared, plan: Plan) -> dict[str, dict[str, int]]:
    """generator -> samples needed, accepted ones that the pool holds, and missing ones."""
    stock: dict[str, dict[str, int]] = {}
    found = inspect_pool(prepared, plan)
    for account in found.accounts:
        facts = stock.setdefault(account.generator, {"needed": 0, "there": 0, "missing": 0})
        spent = account.attempted >= account.cap
        facts["needed"] += account.target
        facts["there"] += account.selected
        facts["missing"] += 0 if spent else account.shortfall
    return stock


def measure_plan(prepared: Prepared, planned: Planned, engine: Engine) -> list[Estimate]:
    """Time a few batches of every generator whose samples the pool lacks, and estimate the rest.

    Raises:
        RequestError: the engine can never start the actors that one of them needs.
        AugmentError: as a worker raised it.
    """
    inputs = FrozenInputs("inputs.parquet", planned.inputs.lists)
    table = census_bytes(planned.inputs.table)
    lacking = wanted(prepared, planned.plan, engine, inputs, table)
    names = [one.task.generator for one in lacking]
    refuse_infeasible(prepared.job.spec.execution, names, engine)
    return measure(lacking, engine)


def write_manifest(plan: Plan, path: str | os.PathLike[str], inputs: Inputs | None = None) -> None:
    """Write one row per sample to be made (`MANIFEST_SCHEMA`), streamed; whole or not at all.
    inputs: what generators are fed, where any is.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        with (
            writing_file(path) as file,
            pq.ParquetWriter(file, MANIFEST_SCHEMA, compression="zstd") as writer,
        ):
            for batch in manifest_batches(plan, inputs):
                writer.write_batch(batch)
    except OSError as e:
        raise StorageError(
            f"{os.fspath(path)}: the manifest cannot be written: {e}; choose another place"
        ) from e
