"""Cells that jobs planned and of which a version has nothing: a class of a split, or one kind
of its rows.

A job commits such a loss only where it names the class under `errors.allow_empty_classes`; a table
of an earlier version may hold others, and say nothing of them in any count. Knows job.json and
counts by cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from augment.audit.findings import NO_ROWS, Check, Finding, not_judged
from augment.audit.table import DataSet
from augment.errors import StorageError

_NAME = "planned"
_ASKS = "every class has rows of every kind that its jobs planned for it"
_MOST = 20  # findings that stand one by one
Jobs = Mapping[str, Mapping[str, Any]]
Place = tuple[str, str, str]
"""split, class, origin"""


def check_planned(data: DataSet, jobs: Jobs, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
    """jobs: job id -> its job.json, of jobs with rows in the version. counts: rows by cell.

    Raises:
        StorageError: what a job keeps of itself is damaged.
    """
    if not jobs:
        return [], []
    if not counts.num_rows:
        return [not_judged(_NAME, _ASKS, NO_ROWS)], []
    planned, spared = Counter[Place](), set[str]()
    for job, body in sorted(jobs.items()):
        planned.update(dict(_cells(data, job, body)))
        spared |= {str(name) for name in body.get("allow_empty_classes") or ()}
    planned = +planned
    if not planned:
        return [not_judged(_NAME, _ASKS, "no job says in _provenance/ what it planned")], []
    gone = sorted(_gone(planned, _rows(counts)))
    bad = [one for one in gone if one[1] not in spared]
    if bad:
        text = f"{_ASKS}: not so for {len(bad)} of them"
        return [Check(_NAME, False, text)], _findings(bad, planned)
    borne = f", but for {len(gone)} that may have none" if gone else ""
    return [Check(_NAME, True, f"{_ASKS}: {len(planned)} cells{borne}")], []


def _gone(planned: Counter[Place], rows: Counter[Place]) -> Iterator[tuple[str, str, str]]:
    """(split, class, kind) without a row; kind "" where the class has no row at all."""
    by_class: dict[tuple[str, str], list[str]] = {}
    for split, label, kind in planned:
        by_class.setdefault((split, label), []).append(kind)
    for (split, label), kinds in by_class.items():
        empty = [kind for kind in kinds if not rows[split, label, kind]]
        if len(empty) == len(kinds):
            yield split, label, ""
        else:
            yield from ((split, label, kind) for kind in empty)


def _findings(bad: list[tuple[str, str, str]], planned: Counter[Place]) -> list[Finding]:
    found = [Finding(_NAME, *_told(one, planned)) for one in bad[:_MOST]]
    if (more := len(bad) - _MOST) > 0:
        found.append(Finding(_NAME, f"{more} more cells that were planned have no row", more))
    return found


def _told(one: tuple[str, str, str], planned: Counter[Place]) -> tuple[str, int]:
    split, label, kind = one
    n = sum(n for (s, c, k), n in planned.items() if (s, c) == (split, label) and kind in ("", k))
    what = f"{kind} rows" if kind else "rows"
    return f"split {split}, class {label!r}: {n} {what} were planned, and there is none", n


def _cells(data: DataSet, job: str, body: Mapping[str, Any]) -> Iterator[tuple[Place, int]]:
    summed: Counter[Place] = Counter()
    try:
        for cell in body.get("cells", ()):
            if "planned" in cell:
                place = (str(cell["split"]), str(cell["label_name"]), str(cell["origin"]))
                summed[place] += int(cell["planned"])
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise StorageError(
            f"{data.name}: _provenance/{job}/job.json: its cells are not what augment writes "
            f"({type(error).__name__}); restore it from a copy"
        ) from error
    yield from summed.items()


def _rows(counts: pa.Table) -> Counter[Place]:
    columns = (counts[name].to_pylist() for name in ("split", "label_name", "origin", "n"))
    found: Counter[Place] = Counter()
    for split, label, origin, n in zip(*columns, strict=True):
        found[split, label, origin] += n
    return found
