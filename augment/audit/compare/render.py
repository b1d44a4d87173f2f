"""A comparison as plain text: rows that changed, limits, findings, figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from augment.audit.compare.comparing import (
    KINDS,
    Cell,
    Comparison,
    Found,
    Moved,
    Side,
    moved_most,
)
from augment.escaping import line as one_line
from augment.escaping import name as shown
from augment.tables import first, fold, left_out, table

_WORDS = {True: "kept", False: "BROKEN", None: "not judged"}
_HEAD = ("split", "class", "made by", "measure", "before", "after", "change", "")


def render_comparison(found: Comparison, *, everything: bool = False) -> str:
    """Each line as `escaping.line` has it. everything: also what is too long to be read."""
    blocks = [
        [f"before  {_side(found.before)}", f"after   {_side(found.after)}"],
        list(_cells(found.cells, everything)),
        list(_limits(found, everything)),
        list(_findings(found.findings, everything)),
        list(_figures(found, everything)),
    ]
    return "\n\n".join("\n".join(map(one_line, block)) for block in blocks if block)


def _side(side: Side) -> str:
    version = "no version" if side.version is None else f"version {side.version}"
    return f"{side.uri}, {version}: {side.rows} rows, verdict: {side.verdict}"


def _cells(cells: Sequence[Cell], everything: bool) -> Iterator[str]:
    if not cells:
        yield "rows: the same in every split and class"
        return
    some, more = fold(cells, lambda _: 0, _change, everything=everything)
    rows = [
        [shown(one.split), shown(one.class_name),
         *(_pair(one, n) for n in range(len(KINDS)))]
        for one in some
    ]  # fmt: skip
    yield f"rows that changed, in {len(cells)} places"
    yield from table(["split", "class", *KINDS], rows, 2)
    yield from left_out(more)


def _change(one: Cell) -> float:
    before, after = (side[0] if side is not None else 0 for side in (one.before, one.after))
    return after - before


def _pair(one: Cell, n: int) -> str:
    before, after = (side[n] if side is not None else 0 for side in (one.before, one.after))
    return str(before) if before == after else f"{before} -> {after}"


def _limits(found: Comparison, everything: bool) -> Iterator[str]:
    if not found.limits and not found.gone and not found.new:
        return
    worst = sorted(found.limits, key=lambda one: one.after is not False)
    some, more = first(worst, kind=lambda one: one.limit, everything=everything)
    yield "limits that changed"
    for one in some:
        yield f"  {_WORDS[one.before]} -> {_WORDS[one.after]}  {one.text}"
    yield from (f"  {line}" for line in left_out(more, "places"))
    for word, names in (("before", found.gone), ("after", found.new)):
        few_of, more = first(names, everything=everything)
        yield from (f"  {word} alone  {name}" for name in few_of)
        yield from (f"  {line}" for line in left_out(more, "limits"))


def _findings(findings: Sequence[Found], everything: bool) -> Iterator[str]:
    if not findings:
        return
    yield "findings that changed"
    for one in findings:
        yield f"  {one.check}: {one.before} -> {one.after}"
        for word, texts in (("new ", one.new), ("gone", one.gone)):
            some, more = first(texts, 5, everything=everything)
            yield from (f"    {word}  {text}" for text in some)
            yield from (f"    {line}" for line in left_out(more))


def _figures(found: Comparison, everything: bool) -> Iterator[str]:
    if not (found.before.measured and found.after.measured):
        lacking = "neither was measured"
        if found.before.measured or found.after.measured:
            lacking = f"{'after' if found.before.measured else 'before'} was not measured"
        yield (
            f"how good the made part is: not compared, {lacking}; ask with --quality, or name "
            "reports that have it"
        )
        return
    if not found.figures:
        yield "how good the made part is: not compared, no figure was computed on both sides"
        return
    changed = [one for one in found.figures if one.before != one.after]
    if not changed:
        yield f"figures of the made part: all {len(found.figures)} are the same"
        return
    yield (
        "figures of the made part, in parts of what real images give; agreement and repeats are "
        "shares of rows"
    )
    some, more = first(moved_most(changed), everything=everything)
    yield from table(_HEAD, [_row(one) for one in some], 4)
    yield from left_out(more, "figures")


def _row(one: Moved) -> list[str]:
    name = "all" if one.class_name is None else one.class_name
    said = ("worse" if one.worse else "better") if one.apart else ""
    return [
        shown(one.split), shown(name), shown(one.maker), one.measure, f"{one.before:.2f}",
        f"{one.after:.2f}", f"{one.after - one.before:+.2f}", said,
    ]  # fmt: skip
