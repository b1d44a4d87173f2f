"""Cells that jobs planned and of which a version has nothing: a class of a split, one kind of its
rows, or a whole source.

A job commits such a loss only where it names the classes under `errors.allow_empty_classes`; a
table of an earlier version may hold others, and say nothing of them in any count. Knows job.json
and counts by cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from augment.audit.findings import NO_ROWS, Check, Finding, not_judged
from augment.audit.table import DataSet
from augment.errors import StorageError
from augment.sample import Origin

_NAME = "planned"
_ASKS = "every class has rows of every kind that its jobs planned for it, and every source"
_MOST = 20  # findings that stand one by one
Jobs = Mapping[str, Mapping[str, Any]]


class Cell(NamedTuple):
    """source: of untouched rows, None for others."""

    split: str
    label: str
    kind: str
    source: str | None


class Gone(NamedTuple):
    """What has no row: `place` in words. n: rows that were planned. labels: the classes that a
    job must let be empty to accept it."""

    place: str
    n: int
    labels: frozenset[str]


def check_planned(data: DataSet, jobs: Jobs, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
    """jobs: job id -> its job.json, of jobs with rows in the version. counts: rows by cell.

    Raises:
        StorageError: what a job keeps of itself is damaged.
    """
    if not jobs:
        return [], []
    if not counts.num_rows:
        return [not_judged(_NAME, _ASKS, NO_ROWS)], []
    planned, spared = Counter[Cell](), set[str]()
    for job, body in sorted(jobs.items()):
        planned.update(_cells(data, job, body))
        spared |= {str(name) for name in body.get("allow_empty_classes") or ()}
    planned = +planned
    if not planned:
        return [not_judged(_NAME, _ASKS, "no job says in _provenance/ what it planned")], []
    rows = _rows(counts)
    gone = [*_gone_classes(planned, rows), *_gone_sources(planned, rows)]
    bad = [one for one in gone if not spared.issuperset(one.labels)]
    if bad:
        text = f"{_ASKS}: not so for {len(bad)} of them"
        return [Check(_NAME, False, text)], _findings(bad)
    borne = f", but for {len(gone)} that may have none" if gone else ""
    return [Check(_NAME, True, f"{_ASKS}: {len(planned)} cells{borne}")], []


def _gone_classes(planned: Counter[Cell], rows: Counter[Cell]) -> Iterator[Gone]:
    """Classes of a split without a row, else kinds of rows that one lacks."""
    have = {cell[:3] for cell, n in rows.items() if n}
    by_class: dict[tuple[str, str], Counter[str]] = {}
    for cell, n in planned.items():
        by_class.setdefault((cell.split, cell.label), Counter())[cell.kind] += n
    for (split, label), kinds in sorted(by_class.items()):
        place, labels = f"split {split}, class {label!r}", frozenset((label,))
        empty = sorted(kind for kind in kinds if (split, label, kind) not in have)
        if len(empty) == len(kinds):
            yield Gone(f"{place}: {sum(kinds.values())} rows", sum(kinds.values()), labels)
        else:
            for kind in empty:
                yield Gone(f"{place}: {kinds[kind]} {kind} rows", kinds[kind], labels)


def _gone_sources(planned: Counter[Cell], rows: Counter[Cell]) -> Iterator[Gone]:
    """Sources without an untouched row; not where every class that it was to give has none at
    all, which is told already."""
    have = {cell.source for cell, n in rows.items() if n and cell.kind == Origin.REAL.value}
    classes = {cell[:2] for cell, n in rows.items() if n}
    by_source: dict[str, list[Cell]] = {}
    for cell in planned:
        if cell.source is not None:
            by_source.setdefault(cell.source, []).append(cell)
    for source, cells in sorted(by_source.items()):
        if source not in have and any(cell[:2] in classes for cell in cells):
            n = sum(planned[cell] for cell in cells)
            labels = frozenset(cell.label for cell in cells)
            yield Gone(f"source {source}: {n} untouched rows", n, labels)


def _findings(bad: Sequence[Gone]) -> list[Finding]:
    found = [
        Finding(_NAME, f"{one.place} were planned, and there is none", one.n) for one in bad[:_MOST]
    ]
    if (more := len(bad) - _MOST) > 0:
        found.append(Finding(_NAME, f"{more} more cells that were planned have no row", more))
    return found


def _cells(data: DataSet, job: str, body: Mapping[str, Any]) -> Counter[Cell]:
    found: Counter[Cell] = Counter()
    try:
        for cell in body.get("cells", ()):
            if "planned" in cell:
                place = (str(cell["split"]), str(cell["label_name"]), str(cell["origin"]))
                found[Cell(*place, cell.get("source"))] += int(cell["planned"])
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
        raise StorageError(
            f"{data.name}: _provenance/{job}/job.json: its cells are not what augment writes "
            f"({type(error).__name__}); restore it from a copy"
        ) from error
    return found


def _rows(counts: pa.Table) -> Counter[Cell]:
    names = ("split", "label_name", "origin", "source", "n")
    columns = (counts[name].to_pylist() for name in names)
    found: Counter[Cell] = Counter()
    for split, label, origin, source, n in zip(*columns, strict=True):
        found[Cell(split, label, origin, source)] += n
    return found
