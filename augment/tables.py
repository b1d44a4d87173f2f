"""Tables and lists of text for people: aligned by what letters take up on a terminal, and folded.

Thousands of classes are shown as twenty lines that matter, with how many more there are. Knows
nothing of what the figures mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from augment.escaping import cut, line

MOST_LINES = 40
"""Lines of a table that are all shown; of a longer one, `FEW` are."""
FEW = 20
_WIDEST = 100  # characters of any cell
_JOINED = re.compile("\u200d(?=[\u0900-\u0dff])")  # takes nothing away from an Indic letter's width

Row = TypeVar("Row")
Rank = Callable[[Row], float]


def table(head: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1) -> list[str]:
    """Lines of a table: the first `texts` columns left, the others right. Nothing is `-`."""
    lines = [[_cell(value) for value in each] for each in (head, *rows)]
    widths = [[width(cell) for cell in each] for each in lines]
    widest = [max(column) for column in zip(*widths, strict=True)]
    return [
        "  ".join(
            cell + " " * (most - own) if i < texts else " " * (most - own) + cell
            for i, (cell, own, most) in enumerate(zip(cells, owns, widest, strict=True))
        ).rstrip()
        for cells, owns in zip(lines, widths, strict=True)
    ]


def width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a Chinese letter, none for an accent."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(_JOINED.sub("", text))


def fold(
    rows: Sequence[Row],
    trouble: Rank[Row],
    figure: Rank[Row],
    *,
    everything: bool = False,
) -> tuple[list[Row], int]:
    """Those rows of a table that matter most, in their order, and how many are left out.

    trouble: how bad a row is, 0 for nothing wrong: the worst are shown first of all. figure: of
    the others the largest and the smallest are. everything: leave none out.
    """
    if everything or len(rows) <= MOST_LINES:
        return list(rows), 0
    worst = sorted((n for n, row in enumerate(rows) if trouble(row) > 0),
                   key=lambda n: -trouble(rows[n]))[:FEW]  # fmt: skip
    chosen = set(worst)
    others = sorted((n for n in range(len(rows)) if n not in chosen), key=lambda n: figure(rows[n]))
    room = FEW - len(chosen)
    chosen |= {*others[: room // 2], *others[len(others) - (room - room // 2) :]}
    return [rows[n] for n in sorted(chosen)], len(rows) - len(chosen)


def counts(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    bad: Sequence[str],
    by: str,
    total: bool = False,
    everything: bool = False,
) -> list[str]:
    """A folded table of numbers behind one text. bad: columns whose sum says how bad a row is.
    by: the column whose largest and smallest matter. total: sums last, also where nothing is left
    out; a column that holds anything else than whole numbers has none."""
    worst, main = [head.index(name) for name in bad], head.index(by)
    some, more = fold(
        rows,
        lambda row: sum(map(_number, (row[i] for i in worst))),
        lambda row: _number(row[main]),
        everything=everything,
    )
    if not more and not total:
        return table(head, some)
    none = [0] * (len(head) - 1)
    sums = [_sum(column) for column in list(zip(*rows, strict=True))[1:]] or none
    *lines, last = table(head, [*some, ("total", *sums)])
    return [*lines, *left_out(more), last]


def first(
    rows: Sequence[Row],
    most: int = FEW,
    *,
    kind: Callable[[Row], object] = lambda _: None,
    everything: bool = False,
) -> tuple[list[Row], int]:
    """The first rows, where the first matter most, and how many are left out. kind: what a row is
    about; the first of every kind come before the second of any."""
    if everything or len(rows) <= most:
        return list(rows), 0
    seen: Counter[object] = Counter()
    turns = []
    for n, row in enumerate(rows):
        turns.append((seen[kind(row)], n))
        seen[kind(row)] += 1
    chosen = sorted(n for _, n in sorted(turns)[:most])
    return [rows[n] for n in chosen], len(rows) - len(chosen)


def left_out(n: int, what: str = "") -> list[str]:
    """The line that says so, if any are."""
    return [f"... {n} more{what and f' {what}'}; --all shows everything"] if n > 0 else []


def few(texts: Sequence[str], most: int = 5) -> str:
    """Texts in one line: the first of them, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def _sum(column: Sequence[object]) -> int | None:
    found = [value for value in column if value is not None]
    numbers = [value for value in found if isinstance(value, int)]
    return sum(numbers) if numbers and len(numbers) == len(found) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return cut(line(value), _WIDEST) if isinstance(value, str) else str(value)


# ---- figures ---------------------------------------------------------------------------


def size(n: float) -> str:
    """Bytes in the unit that leaves a whole number of at least two digits, if there is one."""
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= 10 * each:
            return f"{n / each:.0f} {unit}"
    return f"{n:.0f} bytes"


def number(value: float | None) -> str:
    """Three digits of it; a dash where it is not known."""
    return "-" if value is None else f"{value:.3g}"


def share(value: float | None) -> str:
    """Of a hundred; a dash where it is not known."""
    return "-" if value is None else f"{100 * value:.0f} %"


def duration(seconds: float) -> str:
    """In the unit that a person would choose."""
    for unit, each in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * each:
            return f"{seconds / each:.3g} {unit}"
    return f"{seconds:.3g} s"
