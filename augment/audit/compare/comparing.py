"""What two audits say differently: rows per cell, limits, findings, and figures of the made part.

Works on reports as JSON, so that one that was kept is as good as one that was just made. Judges
nothing: whether a change is for the better is said of figures that have a better side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

Report = Mapping[str, Any]
KINDS = ("rows", "real", "augmented", "generated")
FARTHER = {"frechet": 1, "kid": 1, "sliced_wasserstein": 1, "precision": -1, "recall": -1,
           "density": -1, "coverage": -1, "agreement": -1, "repeats": 1}  # fmt: skip
"""Measure -> the direction in which it is worse. Of the others 1 is as good as real images are."""


@dataclass(frozen=True)
class Side:
    """One of the two. version None: a folder without a log, or a report of one."""

    uri: str
    version: int | None
    verdict: str
    rows: int
    measured: bool


@dataclass(frozen=True)
class Cell:
    """One class in one split: (rows, real, augmented, generated) of each side; None: of no rows."""

    split: str
    class_name: str
    before: tuple[int, int, int, int] | None
    after: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Kept:
    """A limit in one place that both judge, with other verdicts: True kept, False broken, None not
    judged."""

    limit: str
    split: str | None
    class_name: str | None
    before: bool | None
    after: bool | None
    text: str


@dataclass(frozen=True)
class Found:
    """Findings of one check whose number or texts changed. gone, new: texts."""

    check: str
    before: int
    after: int
    gone: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """A measure of one group on both sides: the median over the extractors that computed it on
    both, in parts of what real images give where it has such a reference. apart: every extractor's
    intervals lie apart; None where one has none. worse: whether it moved away from real images."""

    split: str
    class_name: str | None
    maker: str
    measure: str
    before: float
    after: float
    extractors: tuple[str, ...]
    apart: bool | None
    worse: bool


@dataclass(frozen=True)
class Comparison:
    """`before` and `after` are the two in the order in which they were named. cells, limits,
    findings: those that differ. gone, new: limits that one of them alone is judged by, with their
    bounds. figures: all that both have; () where one was not measured."""

    before: Side
    after: Side
    cells: tuple[Cell, ...]
    limits: tuple[Kept, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    findings: tuple[Found, ...]
    figures: tuple[Moved, ...]

    def to_json(self) -> dict[str, Any]:
        """As `comparison_schema()` says."""
        found = asdict(self)
        for one in (*found["cells"], *found["limits"], *found["figures"]):
            one["class"] = one.pop("class_name")
        for one in found["cells"]:
            for side in ("before", "after"):
                one[side] = None if one[side] is None else dict(zip(KINDS, one[side], strict=True))
        return {"schema_version": 1, **found}


def compared(before: Report, after: Report) -> Comparison:
    """before, after: as `AuditReport.to_json`, of any two data sets or versions."""
    had, has = _named(before), _named(after)
    return Comparison(
        _side(before),
        _side(after),
        tuple(_cells(before, after)),
        tuple(_limits(before, after)),
        tuple(name for name in had if name not in has),
        tuple(name for name in has if name not in had),
        tuple(_findings(before, after)),
        tuple(_figures(before, after)),
    )


def _side(report: Report) -> Side:
    measured = report["quality"] is not None
    return Side(report["uri"], report["version"], report["verdict"], report["rows"], measured)


# ---- composition -----------------------------------------------------------------------


def _cells(before: Report, after: Report) -> Iterator[Cell]:
    sides = [{_place(one["group"]): _counts(one) for one in r["cells"]} for r in (before, after)]
    order = {name: n for n, name in enumerate((*before["classes"], *after["classes"]))}
    places = sorted({*sides[0], *sides[1]}, key=lambda p: (p[0], order.get(p[1], 0), p[1]))
    for split, name in places:
        had, has = (side.get((split, name)) for side in sides)
        if had != has:
            yield Cell(split, name, had, has)


def _place(group: Mapping[str, str]) -> tuple[str, str]:
    return str(group["split"]), str(group["class"])


def _counts(share: Mapping[str, Any]) -> tuple[int, int, int, int]:
    rows, real, augmented, generated = (int(share[kind]) for kind in KINDS)
    return rows, real, augmented, generated


# ---- limits and findings ---------------------------------------------------------------


def _limits(before: Report, after: Report) -> Iterator[Kept]:
    sides = [{(x["limit"], x["bound"], x["split"], x["class"]): x for x in r["limits"]}
             for r in (before, after)]  # fmt: skip
    for key, had in sides[0].items():
        has = sides[1].get(key)
        if has is not None and had["ok"] is not has["ok"]:
            yield Kept(key[0], key[2], key[3], had["ok"], has["ok"], has["text"])


def _named(report: Report) -> dict[str, None]:
    return dict.fromkeys(f"{one['limit']} {one['bound']:g}" for one in report["limits"])


def _findings(before: Report, after: Report) -> Iterator[Found]:
    sides = [Counter((one["check"], one["text"]) for one in r["findings"]) for r in (before, after)]
    for check in dict.fromkeys(one["check"] for r in (before, after) for one in r["findings"]):
        had, has = ([t for (c, t), n in side.items() if c == check for _ in range(n)]
                    for side in sides)  # fmt: skip
        gone, new = (
            tuple((Counter(a) - Counter(b)).elements()) for a, b in ((had, has), (has, had))
        )
        if gone or new:
            yield Found(check, len(had), len(has), gone, new)


# ---- figures ---------------------------------------------------------------------------

_Group = tuple[str, str | None, str]
_Figure = tuple[float, tuple[float, float] | None]
"""A figure in parts of its reference, and its interval in those parts."""


def _figures(before: Report, after: Report) -> Iterator[Moved]:
    if before["quality"] is None or after["quality"] is None:
        return
    sides = [_measured(report["quality"]) for report in (before, after)]
    for key in sorted(
        sides[0].keys() & sides[1].keys(),
        key=lambda k: (k[0][0], k[0][1] is None, k[0][1] or "", *k[1:]),
    ):
        had, has = sides[0][key], sides[1][key]
        both = sorted(had.keys() & has.keys())
        if not both:
            continue
        (split, name, maker), measure = key
        was, now = (median(side[one][0] for one in both) for side in (had, has))
        apart = [_apart(had[one][1], has[one][1]) for one in both]
        known = None if None in apart else all(apart)
        yield Moved(split, name, maker, measure, was, now, tuple(both), known,
                    _distance(measure, now) > _distance(measure, was))  # fmt: skip


def _measured(quality: Report) -> dict[tuple[_Group, str], dict[str, _Figure]]:
    """(group, measure) -> extractor (`-`: it needs none) -> figure."""
    makers, found = quality["makers"], dict[tuple[_Group, str], dict[str, _Figure]]()

    def note(one: Report, measure: str, extractor: str, figure: _Figure) -> None:
        if one["maker"] is not None:
            group = (one["split"], one["class"], makers.get(one["maker"], one["maker"]))
            found.setdefault((group, measure), {})[extractor] = figure

    for one in quality["figures"]:
        if one["value"] is not None and one["ratio"] is not None and one["value"]:
            note(one, one["measure"], one["extractor"] or "-",
                 (one["ratio"], _scaled(one["interval"], one["ratio"] / one["value"])))  # fmt: skip
    for one in quality["labels"]:
        if one["agreement"] is not None:
            note(one, "agreement", "-", (one["agreement"], _scaled(one["interval"], 1.0)))
    for one in quality["repeats"]:
        if one["rows"]:
            note(one, "repeats", "-", (1 - one["different"] / one["rows"], None))
    return found


def _scaled(interval: Mapping[str, float] | None, by: float) -> tuple[float, float] | None:
    return None if interval is None else (interval["low"] * by, interval["high"] * by)


def _apart(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool | None:
    return None if a is None or b is None else a[1] < b[0] or b[1] < a[0]


def _distance(measure: str, value: float) -> float:
    """How far from real images: larger is worse."""
    return FARTHER[measure] * value if measure in FARTHER else abs(value - 1.0)


def moved_most(figures: Sequence[Moved]) -> list[Moved]:
    """Those whose intervals lie apart first, worse ones before better ones, then by how much."""

    def by(one: Moved) -> tuple[bool, bool, float]:
        change = abs(_distance(one.measure, one.after) - _distance(one.measure, one.before))
        return one.apart is not True, not one.worse, -change

    return sorted(figures, key=by)
