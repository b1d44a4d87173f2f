"""Which images a generator is fed: per class of its rows, the parents in a seeded order.

A sample made from an image stands at a position p of its class: of P parents, parent p mod P
in its copy number p // P. So the first P positions are one sample of each image, and asking
for more samples makes no other ones. The list of parents belongs to the universe of the
samples. Pure: census rows in, ordered rows out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import Problem
from augment.sample import CENSUS_SCHEMA, Origin
from augment.seeds import Permutation, digest
from augment.spec.models import InputFrom, JobSpec, SourceSpec, Synthesize


@dataclass(frozen=True)
class InputList:
    """The parents of one generator. ranges: class of its rows -> (start, stop) in the table.

    origin: of the rows. digest: 64 hex digits over the parents and their order. masks: where
    each parent has one, how many rows further down the table it stands.
    """

    per_image: int
    origin: Origin
    ranges: Mapping[str, tuple[int, int]]
    digest: str
    masks: int | None = None

    @property
    def capacity(self) -> dict[str, int]:
        """Class -> samples that its images can give."""
        return {c: self.per_image * (stop - start) for c, (start, stop) in self.ranges.items()}

    def to_json(self) -> dict[str, Any]:
        ranges = {label: list(span) for label, span in self.ranges.items()}
        return {**vars(self), "ranges": ranges}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> InputList:
        ranges = {label: (start, stop) for label, (start, stop) in value["ranges"].items()}
        return cls(
            value["per_image"],
            Origin(value["origin"]),
            ranges,
            value["digest"],
            value["masks"],
        )

    def parent(self, label: str, position: int) -> tuple[int, int]:
        """(row of the table, copy) of the sample at `position` of a class."""
        start, stop = self.ranges[label]
        copy, at = divmod(position, stop - start)
        return start + at, copy


@dataclass(frozen=True)
class Inputs:
    """What generators of a job are fed. table: rows of `CENSUS_SCHEMA`."""

    table: pa.Table = field(default_factory=CENSUS_SCHEMA.empty_table)
    lists: Mapping[str, InputList] = field(default_factory=dict)
    """By the job's name of the generator."""


def choose_inputs(spec: JobSpec, census: pa.Table, problems: list[Problem]) -> Inputs:
    """The parents of every generator that a rule with `input` uses.

    census: rows of `CENSUS_SCHEMA`, of the data set and of what is only read. problems:
    rules whose `input` finds no image, or mixes images with label maps, are noted there.
    """
    tables: list[pa.Table] = []
    lists: dict[str, InputList] = {}
    start = 0
    for i, rule in enumerate(spec.synthesize):
        names = [n for n in rule.generators if n not in lists] if rule.input is not None else []
        if not names:
            continue
        found = _parents(spec, rule, census)
        origin = _origin(spec, found, f"synthesize[{i}].input", problems)
        if origin is None:
            continue
        for name in names:
            assert rule.input is not None
            table, ranges = _ordered(found, rule, spec.seed, start)
            masks = None
            if rule.input.mask is not None:
                masks = table.num_rows
                beside = _masks_of(table, rule.input.mask, census, f"synthesize[{i}]", problems)
                table = pa.concat_tables([table, beside])
            start += table.num_rows
            tables.append(table)
            digest_ = _digest(table, ranges)
            lists[name] = InputList(rule.input.per_image, origin, ranges, digest_, masks)
    return Inputs(pa.concat_tables(tables), lists) if tables else Inputs()


def _parents(spec: JobSpec, rule: Synthesize, census: pa.Table) -> pa.Table:
    """The images that a rule takes, in the order of the census."""
    assert rule.input is not None
    wanted = rule.input.from_
    sources = [n for n, s in spec.sources.items() if _takes(wanted, n, s)]
    splits = wanted.splits or [rule.split]
    mask = pc.and_(
        pc.is_in(census["source"], value_set=pa.array(sources, pa.string())),
        pc.is_in(census["split"], value_set=pa.array(splits, pa.string())),
    )
    if wanted.classes is not None:
        named = pa.array(wanted.classes, pa.string())
        mask = pc.and_(mask, pc.is_in(census["label_name"], value_set=named))
    return census.filter(mask)


_ENDING = r"\.[^./]*$"


def _masks_of(
    parents: pa.Table, source: str, census: pa.Table, place: str, problems: list[Problem]
) -> pa.Table:
    """For each parent, in their order, the mask of the same place and name."""
    masks = census.filter(pc.equal(census["source"], source))
    names = pc.replace_substring_regex(masks["locator"], _ENDING, "").combine_chunks()
    wanted = pc.replace_substring_regex(parents["locator"], _ENDING, "").combine_chunks()
    at = pc.index_in(wanted, value_set=names)
    if at.null_count:
        first = parents["locator"][pc.index(pc.is_null(at), True).as_py()].as_py()
        found = f"{at.null_count} images without a mask in {source!r}, for example {first}"
        expected = "one of the same place and name for each image"
        problems.append(Problem(f"{place}.input.mask", found, expected))
        return parents.slice(0, 0)
    return masks.take(at)


def _takes(wanted: InputFrom, name: str, source: SourceSpec) -> bool:
    named = wanted.sources is None or name in wanted.sources
    return named and wanted.attributes.items() <= source.attributes.items()


def _origin(spec: JobSpec, found: pa.Table, place: str, problems: list[Problem]) -> Origin | None:
    uses = {spec.sources[name].use for name in pc.unique(found["source"]).to_pylist()}
    if not uses:
        hint = "Look at `from`: sources, classes, splits (default: the rule's) and attributes"
        problems.append(Problem(f"{place}.from", "no image", "images to make rows from", hint))
        return None
    if "label_maps" in uses and len(uses) > 1:
        expected = "one kind: what is made from a label map is synthetic, from an image translated"
        hint = "Name the sources of one kind under `from.sources`"
        problems.append(Problem(f"{place}.from", "images and label maps", expected, hint))
        return None
    return Origin.SYNTHETIC if "label_maps" in uses else Origin.TRANSLATED


def _ordered(
    found: pa.Table, rule: Synthesize, seed: int, start: int
) -> tuple[pa.Table, dict[str, tuple[int, int]]]:
    """The parents class by class, each class in its seeded order, and where each lies."""
    parts: list[pa.Table] = []
    ranges: dict[str, tuple[int, int]] = {}
    for label, rows in _by_class(found, rule):
        places = Permutation(rows.size, (seed, "inputs", label))(np.arange(rows.size))
        parts.append(found.take(pa.array(rows[places])))
        ranges[label] = (start, start + rows.size)
        start += rows.size
    return pa.concat_tables(parts), ranges


def _by_class(found: pa.Table, rule: Synthesize) -> Iterator[tuple[str, np.ndarray]]:
    """Class of the rows to be made -> positions of its parents in `found`."""
    if rule.label != "keep":
        yield rule.label, np.arange(found.num_rows)
        return
    labels = found["label_name"].combine_chunks()
    for label in sorted(pc.unique(labels).to_pylist()):
        mask = pc.equal(labels, label).to_numpy(zero_copy_only=False)
        yield label, np.flatnonzero(mask)


def _digest(table: pa.Table, ranges: Mapping[str, tuple[int, int]]) -> str:
    """Over (source, locator) in order; streamed, for there may be very many."""
    state = hashlib.sha256()
    for batch in table.select(["source", "locator"]).to_batches(1 << 14):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            state.update(digest(list(row)).encode())
    sizes = {label: stop - start for label, (start, stop) in ranges.items()}
    return digest([state.hexdigest(), sizes])
