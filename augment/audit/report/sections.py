"""A report as JSON and its pictures -> the sections of a page, in the order of reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from augment.audit.report.attributes import attributes
from augment.audit.report.blocks import Code, Gallery, Picture, Row, Section, Strips, Table, Text
from augment.audit.report.composition import composition
from augment.audit.report.copies import Pairs, copies
from augment.audit.report.embedding import embedding
from augment.audit.report.judged import checks, findings
from augment.audit.report.labels import labels
from augment.audit.report.limits import limits
from augment.audit.report.method import (
    audit_command,
    method,
    quality_command,
    trace_command,
)
from augment.audit.report.origins import Origins, provenance
from augment.audit.report.quality import diversity, fidelity, maker_name
from augment.audit.report.utility import utility
from augment.escaping import short_id
from augment.sample import KINDS

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pictures:
    """split: that classes are shown of. of: class -> kind of `sample.KINDS` -> pictures. classes:
    how many the split has. doubtful: rows that show least of their label. named: number of a
    finding of the report -> rows that its text names. about: number of a finding -> (caption,
    pictures) of what it is about. pairs, twins: as `copies` takes them. mapped:
    as `embedding` takes them."""

    split: str = ""
    classes: int = 0
    of: Mapping[str, Mapping[str, Sequence[Picture]]] = field(default_factory=dict)
    doubtful: tuple[Picture, ...] = ()
    named: Mapping[int, tuple[Picture, ...]] = field(default_factory=dict)
    about: Mapping[int, Strips] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=dict)
    twins: Pairs = field(default_factory=dict)
    mapped: Mapping[str, bytes] = field(default_factory=dict)

    def traced(self) -> dict[str, Picture]:
        """Sample id -> its picture, in order; rows without an id have no trace."""
        shown = [one for kinds in self.of.values() for some in kinds.values() for one in some]
        named = [one for some in self.named.values() for one in some]
        about = [o for strips in self.about.values() for _, some in strips for o in some]
        sides = [*self.pairs.values(), *self.twins.values()]
        paired = [one for some in sides for pair in some for one in pair]
        every = [*shown, *self.doubtful, *named, *about, *paired]
        return {one.sample_id: one for one in every if one.sample_id}


def sections(
    report: Json, origins: Origins, pictures: Pictures, version: str, studies: Sequence[Json] = ()
) -> list[Section]:
    """report: as `AuditReport.to_json`. version: of the program. studies: of this one, as JSON."""
    command = quality_command(report)
    search = audit_command(report, "--quality", "--copies")
    return [
        findings(report, pictures.named, pictures.about),
        composition(report),
        limits(report),
        _sheet(pictures),
        checks(report),
        fidelity(report, command),
        diversity(report, command),
        embedding(report, command, pictures.mapped),
        labels(report, command, pictures.doubtful),
        copies(report, search, pictures.pairs, pictures.twins),
        attributes(report, audit_command(report, "--attribute", "NAME")),
        utility(studies, "augment study JOB"),
        provenance(report, origins),
        method(report, version),
        *_traces(report, pictures),
    ]


def _sheet(pictures: Pictures) -> Section:
    title = "Real, augmented and generated"
    if not pictures.of:
        return Section("sheet", title, (Text("No pictures are shown."),))
    text = (
        f"Of each class of split {pictures.split} a few rows of each origin: those of the lowest "
        "rank, which is a seeded draw, not a choice of good ones. A picture leads to its trace."
    )
    if len(pictures.of) < pictures.classes:
        text += (
            f" {len(pictures.of)} of {pictures.classes} classes are shown: those with broken "
            "limits or bad figures, and the extremes."
        )
    strips = tuple(
        (name, tuple((kind, tuple(kinds[kind])) for kind in KINDS if kinds.get(kind)))
        for name, kinds in pictures.of.items()
    )
    return Section("sheet", title, (Text(text, aside=True), Gallery("classes", "", strips)))


def _traces(report: Json, pictures: Pictures) -> list[Section]:
    rows = tuple(
        Row(
            (short_id(sample_id), one.class_name, one.origin,
             maker_name(one.generator, report["generators"]) if one.generator else "-",
             Code(trace_command(report, sample_id), copied=True)),
            one.origin,
            anchor=anchor_of(one),
        )
        for sample_id, one in pictures.traced().items()
    )  # fmt: skip
    if not rows:
        return []
    text = "The ancestry of each picture of this page: parents, generator, seed, parameters, job."
    head = ("sample", "class", "origin", "made by", "command")
    table = Table("traces", "Commands", head, rows, 5, "origin", folded=True)
    return [Section("traces", "Traces of the pictures", (Text(text, aside=True), table))]


def anchor_of(picture: Picture) -> str:
    """Name of its row among the traces: letters, digits, dashes; empty where it has none."""
    if not picture.sample_id:
        return ""
    return f"t-{sha256(picture.sample_id.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
