"""The census: every real image of a job with its class, split and rank, no pixel read.

Joins the sources' listings: labels are mapped, splits given by shares are drawn, caps
applied, classes checked. Everything that is drawn depends on `split_seed`, the locators and
which images are equal, never on the job's seed or the order of a listing. Works on Arrow
columns and numpy codes, so that a census of 10^7 images fits one machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError, Problem
from augment.sample import CENSUS_SCHEMA
from augment.sources.drawing import draw_all
from augment.sources.equal import EqualTold
from augment.sources.imagefolder import list_imagefolder
from augment.sources.left_out import LeftOut
from augment.sources.listing import Listing, SoFar, nobody
from augment.sources.parquet import list_parquet
from augment.sources.part import KEYS_AT_ONCE, Part, identities_of, ranks_of
from augment.spec import Job, read_classes
from augment.spec.models import ImageFolderSource, ParquetSource, SourceSpec
from augment.storage import Options


@dataclass(frozen=True)
class Census:
    """table: rows of `CENSUS_SCHEMA`, sorted by split, label_name, source, locator.
    classes: in the order of their ids. left_out: what stands in the sources and is not here, of
    those where there is any. inputs: as table, of sources that only generators read.
    row_groups: source -> Parquet file -> first row of each row group. draws: source whose
    splits are shares -> name of what was drawn, before caps (see `draw_digest`). equal: such a
    source -> its images that are equal byte for byte to others of it or of other sources."""

    table: pa.Table
    classes: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    row_groups: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    inputs: pa.Table = field(default_factory=CENSUS_SCHEMA.empty_table)
    draws: Mapping[str, str] = field(default_factory=dict)
    equal: Mapping[str, EqualTold] = field(default_factory=dict)

    def blocks(self) -> pa.Array:
        """Per row of the table what is read in one piece with it: `<file>#<row group>` of
        Parquet sources; "" for rows that are files of their own."""
        out: list[pa.Array] = []
        for batch in self.table.select(["source", "locator"]).to_batches(KEYS_AT_ONCE):
            rows = zip(*(c.to_pylist() for c in batch.columns), strict=True)
            out.append(pa.array([self._block(s, x) for s, x in rows], pa.string()))
        return pa.concat_arrays(out) if out else pa.array([], pa.string())

    def _block(self, source: str, locator: str) -> str:
        files = self.row_groups.get(source)
        if not files:
            return ""
        file, _, row = locator.rpartition("#")
        return f"{file}#{bisect_right(files[file], int(row)) - 1}"


def take_census(job: Job, *, options: Options | None = None, seen: SoFar = nobody) -> Census:
    """Lists every source of the job. options: fsspec options by protocol. seen: is told now and
    then how many images were found up to now.

    Raises:
        PlanError: with everything found wrong: missing folders, files or columns, unknown
            classes, unmapped labels, empty sources, splits and class folders, names that
            collide.
        StorageError: a source cannot be listed.
    """
    spec = job.spec
    given = read_classes(spec.classes, job.base, options) if spec.classes else None
    parts, problems = list[Part](), list[Problem]()
    for name, source in spec.sources.items():
        try:
            before = sum(part.listing.table.num_rows for part in parts)
            listing = list_source(name, source, options, partial(_counted, seen, before))
            part = Part(name, source, listing)
            parts.append(part.build(job, given if part.makes_rows else None, options))
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(problems)
    of_rows = [p for p in parts if p.makes_rows]
    classes = _class_list(of_rows) if given is None else given
    equal = draw_all(parts, options)
    rows = _joined(of_rows, classes)
    fed = [p for p in parts if not p.makes_rows]
    draws = {p.name: p.draw for p in parts if p.draw}
    left_out = tuple(found for p in parts if (found := p.left_out()).losses or found.empty)
    inputs = {"inputs": _joined(fed, ()).table} if fed else {}
    return replace(rows, left_out=left_out, draws=draws, equal=equal, **inputs)


def _counted(seen: SoFar, before: int, n: int) -> None:
    """n: of this source. before: of those before it."""
    seen(before + n)


def list_source(
    name: str, spec: SourceSpec, options: Options | None = None, seen: SoFar = nobody
) -> Listing:
    """What one source holds, by its format. Raises: PlanError, StorageError."""
    match spec:
        case ImageFolderSource():
            return list_imagefolder(name, spec, options, seen)
        case ParquetSource():
            return list_parquet(name, spec, options, seen)
        case _:
            assert_never(spec)


# ---- all sources -----------------------------------------------------------------------


def _class_list(parts: Sequence[Part]) -> tuple[str, ...]:
    """The classes of the images, and those that were emptied and are to keep their places.

    Raises:
        PlanError: a class folder has no image to use, and nobody said what becomes of it.
    """
    found = {label for p in parts for label in p.labels}
    kept, problems = set[str](), list[Problem]()
    for part in parts:
        if lost := part.lost_classes(found):
            said = getattr(part.spec, "empty_classes", None)
            if said is None:
                problems.append(part.refuse_lost(list(lost)))
            elif said == "keep":
                kept.update(lost.values())
    if problems:
        raise PlanError(problems)
    return tuple(sorted(found | kept))


def _joined(parts: Sequence[Part], classes: Sequence[str]) -> Census:
    found = sorted({n for p in parts for n in p.labels})
    splits = sorted({s for p in parts for s in p.splits})
    label_codes = np.concatenate([_into(found, p.labels)[p.label_codes] for p in parts])
    split_codes = np.concatenate([_into(splits, p.splits)[p.split_codes] for p in parts])
    ranks = ranks_of(split_codes, label_codes, np.concatenate([p.keys for p in parts]))
    names = [pa.repeat(pa.scalar(p.name), p.listing.table.num_rows) for p in parts]
    listed = pa.concat_tables([p.listing.table.select(["locator", "size", "token"]) for p in parts])
    columns = {
        "source": pa.chunked_array(names),
        "locator": listed.column("locator"),
        "split": pa.array(splits, pa.string()).take(pa.array(split_codes)),
        "label_name": pa.array(found, pa.string()).take(pa.array(label_codes)),
        "rank": pa.array(ranks, pa.int64()),
        "size": listed.column("size"),
        "token": listed.column("token"),
    }
    table = pa.table([columns[f.name] for f in CENSUS_SCHEMA], schema=CENSUS_SCHEMA)
    table = _sorted(table, split_codes, label_codes)
    groups = {p.name: p.listing.row_groups for p in parts if p.listing.row_groups}
    return Census(table, tuple(classes), row_groups=groups)


def _into(names: Sequence[str], own: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in own], np.int32)


def _sorted(table: pa.Table, splits: np.ndarray, labels: np.ndarray) -> pa.Table:
    """By split, label_name, source, locator as it enters ids (codes stand in name order)."""
    by = pa.table(
        {
            "split": splits,
            "label": labels,
            "source": table.column("source"),
            "identity": identities_of(table.column("locator")),
        }
    )
    return table.take(pc.sort_indices(by, [(n, "ascending") for n in by.column_names]))
