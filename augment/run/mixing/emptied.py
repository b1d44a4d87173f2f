"""Cells that were planned and have nothing: a class of a split, one kind of its rows, a source.

Such a loss is no matter of shares: whoever planned a class and gets none of it decides what
happens, so nothing is committed until the class has rows or `errors.allow_empty_classes` names
it. Judged twice: when the pool is filled, before a row is written, and before the commit. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from augment.errors import GateError
from augment.mix import select
from augment.plan import Plan
from augment.run.mixing.commit import CellResult
from augment.run.synthesis.accounts import Synthesis
from augment.run.synthesis.budget import Budget
from augment.run.watch.account import Account
from augment.sample import Origin

_SHOWN = 5
_KEY = "errors.allow_empty_classes"
Place = tuple[str, str, str]
"""split, class, origin"""


@dataclass(frozen=True)
class Emptied:
    """A class of a split without a row (kind None), or without one of this kind although others
    are there; or a whole source without one, whose rows were planned to have these classes.
    reasons: what the rows were lost to -> how many. short: rows for which the pool has no sample.
    first: one loss in full."""

    split: str
    label_name: str
    kind: str | None
    planned: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    short: int = 0
    first: str = ""
    source: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that a job must let be empty to accept it."""
        return self.classes or (self.label_name,)

    def __str__(self) -> str:
        what = "rows" if self.kind is None else f"{self.kind} rows"
        place = f"split {self.split}, class {self.label_name!r}"
        if self.source is not None:
            place = f"source {self.source}"
        why = [f"{reason} {n}" for reason, n in sorted(self.reasons.items(), key=lambda i: -i[1])]
        why += [f"samples missing {self.short}"] if self.short else []
        first = f"; first: {self.first}" if self.first else ""
        return (
            f"{place}: none of {self.planned} {what} "
            f"({', '.join(why) or 'no reason is recorded'}{first})"
        )


# ---- of the data set -----------------------------------------------------------------


def emptied_cells(
    cells: Iterable[CellResult], lost: Iterable[Mapping[str, Any]], spared: Iterable[str]
) -> list[Emptied]:
    """What was planned and not written at all. lost: quarantined rows. spared: classes that may
    be empty."""
    cells = list(cells)
    planned: Counter[Place] = Counter()
    written: Counter[Place] = Counter()
    short: Counter[Place] = Counter()
    for cell in cells:
        place = (cell.split, cell.label_name, cell.origin)
        planned[place] += cell.planned
        written[place] += cell.written
        short[place] += cell.short
    out = set(spared)
    found = [one for one in _emptied(planned, written, short) if one.label_name not in out]
    told = {(one.split, one.label_name) for one in found}
    found += [one for one in _emptied_sources(cells, told) if not out.issuperset(one.names)]
    return _with_reasons(found, lost)


def _emptied_sources(cells: Sequence[CellResult], told: set[tuple[str, str]]) -> Iterator[Emptied]:
    """Sources without an untouched row. told: classes of a split that are losses themselves;
    where they are all that a source has, it is none besides."""
    by_source: dict[str, list[CellResult]] = {}
    for cell in cells:
        if cell.source is not None and cell.planned:
            by_source.setdefault(cell.source, []).append(cell)
    for source, own in sorted(by_source.items()):
        if any(c.written for c in own) or all((c.split, c.label_name) in told for c in own):
            continue
        names = tuple(sorted({cell.label_name for cell in own}))
        planned = sum(cell.planned for cell in own)
        yield Emptied("", "", Origin.REAL.value, planned, source=source, classes=names)


def _emptied(
    planned: Counter[Place], written: Counter[Place], short: Counter[Place]
) -> Iterator[Emptied]:
    kinds: dict[tuple[str, str], list[str]] = {}
    for split, label, kind in sorted(place for place, n in planned.items() if n):
        kinds.setdefault((split, label), []).append(kind)
    for (split, label), some in kinds.items():
        places = [(split, label, kind) for kind in some]
        if not any(written[place] for place in places):
            whole = (sum(n[place] for place in places) for n in (planned, short))
            yield Emptied(split, label, None, next(whole), short=next(whole))
            continue
        for place in places:
            if not written[place]:
                yield Emptied(*place, planned[place], short=short[place])


def _with_reasons(found: Sequence[Emptied], lost: Iterable[Mapping[str, Any]]) -> list[Emptied]:
    """Each with the reasons of its rows; of copies that went with their parents only where
    there is no other reason."""
    if not found:
        return []
    rows: dict[tuple[str | None, ...], list[Mapping[str, Any]]] = {_home(one): [] for one in found}
    for row in lost:
        for home in ((row["split"], row["label_name"]), (row["source"],)):
            if (own := rows.get(home)) is not None:
                own.append(row)
    return [_reasoned(one, rows[_home(one)]) for one in found]


def _home(one: Emptied) -> tuple[str, ...]:
    return (one.split, one.label_name) if one.source is None else (one.source,)


def _reasoned(one: Emptied, rows: Sequence[Mapping[str, Any]]) -> Emptied:
    own = [row for row in rows if one.kind in (None, row["origin"])]
    causes = [row for row in own if row["reason"] != "parent"] or own
    first = ""
    if causes:
        row = causes[0]
        place = row["locator"] or row["sample_id"]
        first = f"{row['source'] or row['generator']}: {place}: {row['detail']}"
    return replace(one, reasons=Counter(row["reason"] for row in causes), first=first)


def emptied_inputs(plan: Plan, budget: Budget, spared: Iterable[str]) -> list[Emptied]:
    """Classes of which nothing can be left, although units are missing: all that they are made
    from is bad."""
    out, planned = set(spared), Counter[tuple[str, str]]()
    for cell in plan.cells:
        planned[cell.split, cell.label_name] += cell.n
    found = [
        Emptied(split, label, None, planned[split, label])
        for split, label in budget.without_inputs()
        if label not in out
    ]
    return _with_reasons(found, budget.lost)


# ---- of the pool ---------------------------------------------------------------------


def emptied_draws(plan: Plan, synthesis: Synthesis, spared: Iterable[str]) -> list[Emptied]:
    """As `emptied_cells`, of generated rows alone, from what a filled pool holds for the plan."""
    origins = {generator.name: generator.origin.value for generator in plan.generators}
    planned: Counter[Place] = Counter()
    have: Counter[Place] = Counter()
    for draw in plan.draws:
        planned[draw.split, draw.label_name, origins[draw.generator]] += draw.n
    for (generator, label, split), indexes in select(plan.draws, synthesis.accepted)[0].items():
        have[split, label, origins[generator]] += len(indexes)
    others = {(cell.split, cell.label_name) for cell in plan.cells if cell.generator is None}
    reasons, out = _why(synthesis.accounts), set(spared)
    return [
        Emptied(
            split,
            label,
            kind if (split, label) in others else None,
            n,
            reasons.get(label, {}),
            0 if reasons.get(label) else n,
        )
        for (split, label, kind), n in sorted(planned.items())
        if n and not have[split, label, kind] and label not in out
    ]


def _why(accounts: Iterable[Account]) -> dict[str, Counter[str]]:
    """Class -> what became of the samples that were looked at and are not there."""
    found: dict[str, Counter[str]] = {}
    for account in accounts:
        own = found.setdefault(account.label_name, Counter())
        own.update({f"rejected by {name}": n for name, n in account.rejected.items()})
        own.update({"failed": account.failed} if account.failed else {})
    return found


# ---- what then -----------------------------------------------------------------------


def refusal(found: Sequence[Emptied], work: str) -> GateError:
    """Of a data set. work: the folder that holds the frozen census."""
    return GateError(
        f"{_told(found)}, so nothing was committed. Mend the files and run the same command again: "
        "it tries again what was lost. Where files of other names take their place, or a Parquet "
        f"file was written anew, remove {work} first, which holds the census that is tried. Or "
        f"accept it with {_accept(found)}"
    )


def refusal_of_draws(found: Sequence[Emptied]) -> GateError:
    """Of a pool that was filled for a plan."""
    return GateError(
        f"{_told(found)}, so nothing was mixed. The same command tries failed samples again, and "
        "the pool keeps all that was made: look at the filters and at max_attempts_per_sample. Or "
        f"accept it with {_accept(found)}"
    )


def refusal_of_nothing(planned: int, lost: Iterable[Mapping[str, Any]], work: str) -> GateError:
    """Of a data set without any row, whatever the job accepts."""
    reasons = Counter(row["reason"] for row in lost)
    why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(_SHOWN))
    return GateError(
        f"none of {planned} planned rows was written ({why or 'no reason is recorded'}), and a "
        "data set without rows is never committed. Mend the files and run the same command again; "
        "where files of other names take their place, or a Parquet file was written anew, remove "
        f"{work} first, which holds the census that is tried"
    )


def _told(found: Sequence[Emptied]) -> str:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    shown = "; ".join(map(str, found[:_SHOWN]))
    cells = "a cell that was planned has" if len(found) == 1 else (
        f"{len(found)} cells that were planned have"
    )  # fmt: skip
    return f"{cells} nothing: {shown}{more}"


def _accept(found: Sequence[Emptied]) -> str:
    names = list(dict.fromkeys(name for one in found for name in one.names))
    more = ", ..." if len(names) > _SHOWN else ""
    shown = ", ".join(json.dumps(name, ensure_ascii=False) for name in names[:_SHOWN])
    return f"{_KEY}: [{shown}{more}]"
