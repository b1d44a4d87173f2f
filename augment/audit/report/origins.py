"""Where rows come from: jobs, sources and generators, with licences and digests, as jobs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.audit.declared import KINDS, SILENT, TITLES
from augment.audit.report.blocks import Block, Code, Row, Section, Table, Text
from augment.audit.report.judged import checked

Json = Mapping[str, Any]
_UNSAID = "not said"
_SHOWN = 12  # digits of a digest


@dataclass(frozen=True)
class Generator:
    """One that a job used. Texts are `not said` where the job kept none."""

    name: str
    id: str
    family: str
    license: str
    checkpoint: str
    trained_on: str


@dataclass(frozen=True)
class Origins:
    """jobs: (id, when it was created, seed, owner, purpose). sources: (job, name, format,
    licence)."""

    jobs: tuple[tuple[str, str, str, str, str], ...] = ()
    sources: tuple[tuple[str, str, str, str], ...] = ()
    generators: tuple[Generator, ...] = ()

    @classmethod
    def of(cls, jobs: Mapping[str, Json]) -> Origins:
        """From job.json by job id, whatever stands in it."""
        found: dict[str, Generator] = {}
        for body in jobs.values():
            for name, one in _mapping(body.get("generators")).items():
                generator = _generator(str(name), _mapping(one))
                found.setdefault(generator.id, generator)
        return cls(
            tuple(_job(name, body) for name, body in sorted(jobs.items())),
            tuple(source for name, body in sorted(jobs.items()) for source in _sources(name, body)),
            tuple(sorted(found.values(), key=lambda one: (one.name, one.id))),
        )


def provenance(report: Json, origins: Origins) -> Section:
    """Generators, sources and jobs, and what was left out of the sources."""
    blocks: list[Block] = []
    if origins.generators:
        blocks.append(_generators(origins.generators))
    elif report["whole"]["generated"]:
        blocks.append(Text("There are generated rows, and no job says which generators made them."))
    else:
        blocks.append(Text("No job used a generator."))
    if origins.sources:
        sources = tuple(Row(one) for one in origins.sources)
        head = ("job", "source", "format", "licence")
        blocks.append(Table("sources", "Sources of real images", head, sources, 4))
    if origins.jobs:
        jobs = tuple(Row(one) for one in origins.jobs)
        columns = ("job", "created", "seed", "owner", "purpose")
        blocks.append(Table("jobs", "Jobs", columns, jobs, 5))
    else:
        blocks.append(Text("No job left anything beside the rows: another program wrote them."))
    blocks += _left_out(report)
    blocks += _declared(report)
    blocks.append(_marks(report))
    return Section("provenance", "Provenance and marks", tuple(blocks))


def _generators(generators: Sequence[Generator]) -> Table:
    rows = tuple(
        Row(
            (one.name, one.family, one.license, one.trained_on, Code(one.id, one.id[:_SHOWN]),
             Code(one.checkpoint, one.checkpoint[:_SHOWN])),
            one.family,
        )
        for one in generators
    )  # fmt: skip
    head = ("generator", "family", "licence", "trained on", "id", "checkpoint sha256")
    return Table("generators", "Generators", head, rows, 6, "family")


def _left_out(report: Json) -> Iterator[Block]:
    rows = tuple(
        Row((one["job"] or "-", one["source"], loss["cause"], loss["ending"], str(loss["n"])))
        for one in report["left_out"]
        for loss in one["losses"]
    )
    if rows:
        head = ("job", "source", "cause", "ending", "files")
        yield Table("left-out", "Left out of the sources", head, rows, 4)


def _declared(report: Json) -> Iterator[Block]:
    """What files say of their origin; nothing where all rows are real and silent."""
    found = report.get("declared")
    if found is None or not any(found[kind] for kind in KINDS if kind != SILENT):
        return
    head = ("split", *(TITLES[kind] for kind in KINDS))
    rows = tuple(
        Row((split, *(str(counts[kind]) for kind in KINDS)))
        for split, counts in found["splits"].items()
    )
    yield Table("declared", "What images say in their files of their origin", head, rows, 1)
    if found["marks"]:
        marks = tuple(Row((mark, str(n))) for mark, n in found["marks"].items())
        yield Table("marks-found", "Marks that were found", ("mark", "images"), marks, 1)


def _marks(report: Json) -> Block:
    names = ("marks", "claims", "declared", "generator", "checkpoint", "procedural")
    rows = [Row((checked(one), one["text"])) for one in report["checks"] if one["name"] in names]
    if not rows:
        return Text("Marks of generated images were not checked.")
    return Table("marks", "Marks and claims of origin", ("", "what was asked"), tuple(rows), 2)


def _generator(name: str, body: Json) -> Generator:
    trained = body.get("trained_on")
    sources = [
        f"{_text(_mapping(one).get('source'))}"
        + (f" ({', '.join(map(str, splits))})" if isinstance(splits, list) else "")
        for one in (trained if isinstance(trained, list) else ())
        for splits in [_mapping(one).get("splits")]
    ]
    return Generator(
        name,
        _text(body.get("id")),
        _text(body.get("family")),
        _text(body.get("license")),
        _text(body.get("checkpoint_sha256")),
        ", ".join(sources) or _UNSAID,
    )


def _job(name: str, body: Json) -> tuple[str, str, str, str, str]:
    about = _mapping(body.get("about"))
    return (name, _text(body.get("created_at")), _text(body.get("seed")),
            _text(about.get("owner")), _text(about.get("purpose")))  # fmt: skip


def _sources(job: str, body: Json) -> Iterator[tuple[str, str, str, str]]:
    for name, one in sorted(_mapping(body.get("sources")).items()):
        yield (
            job,
            str(name),
            _text(_mapping(one).get("format")),
            _text(_mapping(one).get("license")),
        )


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return _UNSAID if value is None or isinstance(value, dict | list) else str(value)
