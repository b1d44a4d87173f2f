"""What a job's sources with `use: inputs` offer to a study: real images that are no rows.

Their splits and labels are those of the job's census, so that what a protected split holds is not
offered. No pixel is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError
from augment.sample import RealRow
from augment.sources import take_census
from augment.spec import Job, JobSpec, protected_splits
from augment.spec.models import SourceSpec
from augment.storage import Options
from augment.study.retrieval import BEYOND, OTHER_CLASS, PROTECTED, sample
from augment.study.rows import MOST_IMAGES


@dataclass(frozen=True)
class Offer:
    """sources: by name. rows: of the census, that may be taken; labels: the class of each, None
    where its source's labels are none of the classes. n: images in the sources. left_out: cause ->
    images, of those that may not. why: nothing is known of them, and the reason."""

    sources: Mapping[str, SourceSpec]
    rows: Sequence[RealRow] = ()
    labels: Sequence[str | None] = ()
    n: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    why: str | None = None


def rivals_of(spec: JobSpec) -> dict[str, SourceSpec]:
    """The sources with `use: inputs`, but for those that hold masks."""
    masks = {rule.input.mask for rule in spec.synthesize if rule.input is not None}
    return {name: source for name, source in spec.sources.items()
            if source.use == "inputs" and name not in masks}  # fmt: skip


def offer_of(
    job: Job,
    classes: Collection[str],
    asked: Mapping[str, int],
    held: Collection[str],
    seed: int,
    options: Options,
    most: int = MOST_IMAGES,
) -> Offer | None:
    """None where the job has no such source. classes: of the study. asked: class -> synthetic rows.
    held: splits that a study is validated on and tested on. most: images that are looked at.

    Raises:
        StorageError: a source cannot be listed.
    """
    sources = rivals_of(job.spec)
    if not sources:
        return None
    try:
        table = take_census(job, options=options).inputs
    except PlanError as error:
        return Offer(sources, why=f"the job's sources cannot be listed: {error}".split("\n")[0])
    known = {name: bool(set(_of(table, name)["label_name"].to_pylist()) & set(classes))
             for name in sources}  # fmt: skip
    closed = protected_splits(job.spec) | set(held)
    rows, labels = list[RealRow](), list[str | None]()
    lost, n = Counter[str](), 0
    for name in sorted(sources):
        for row in _rows(_of(table, name)):
            n += 1
            if row.split in closed:
                lost[PROTECTED] += 1
            elif known[name] and not asked.get(row.label_name):
                lost[OTHER_CLASS] += 1
            else:
                rows.append(row)
                labels.append(row.label_name if known[name] else None)
    chosen = sample(labels, [f"{row.source}/{row.locator}" for row in rows], most, seed)
    lost[BEYOND] = len(rows) - len(chosen)
    return Offer(sources, [rows[at] for at in chosen], [labels[at] for at in chosen], n, lost)


def _of(table: pa.Table, name: str) -> pa.Table:
    return table.filter(pc.equal(table["source"], name))


def _rows(table: pa.Table) -> list[RealRow]:
    columns = [table[name].to_pylist() for name in RealRow.__dataclass_fields__]
    return [RealRow(*values) for values in zip(*columns, strict=True)]
