"""Composition: how many rows of every class and split are real, augmented and generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment.audit.report import charts
from augment.audit.report.blocks import Block, Chart, Row, Section, Table, Text, chosen
from augment.audit.report.trouble import trouble_of
from augment.tables import MOST_LINES

Json = Mapping[str, Any]
_FIGURES = ("rows", "real", "augmented", "generated", "generated share", "generated to real",
            "unique real")  # fmt: skip
_MOST_SPLITS = 6
_MOST_DRAWN = 1000  # classes; a screen has not many more columns of pixels


def composition(report: Json) -> Section:
    """Charts of every split and one table of all classes; of what `--by` asked for another."""
    if not report["rows"]:
        return Section("composition", "Composition", (Text("There are no rows."),))
    blocks: list[Block] = []
    made_first = sorted(report["splits"], key=lambda one: -(one["rows"] - one["real"]))
    splits = [share["group"]["split"] for share in made_first]
    for split in splits[:_MOST_SPLITS]:
        blocks += _of_split(report, split, len(splits) > 1)
    if len(splits) > _MOST_SPLITS:
        blocks.append(Text(f"{len(splits) - _MOST_SPLITS} more splits stand in the table alone."))
    blocks.append(_table(report))
    if report["groups"]:
        words = tuple(report["by"])
        rows = tuple(_row(share, words, report["generators"]) for share in report["groups"])
        title = f"Rows by {', '.join(words)}"
        blocks.append(Table("groups", title, (*words, *_FIGURES), rows, len(words)))
    return Section("composition", "Composition", tuple(blocks))


def _of_split(report: Json, split: str, several: bool) -> Iterator[Block]:
    cells = _in_order([one for one in report["cells"] if one["group"]["split"] == split],
                      report["classes"])  # fmt: skip
    where = f" of split {split}" if several else ""
    if len(cells) > MOST_LINES:
        ordered = sorted(cells, key=lambda cell: -cell["rows"])
        yield Chart(
            f"all-{split}", f"All {len(cells)} classes{where}",
            f"Rows of all {len(cells)} classes, the largest with {ordered[0]['rows']} rows, the "
            f"smallest with {ordered[-1]['rows']}. The table below has every class.",
            charts.all_classes([(n, _kinds(ordered[n])) for n in _spread(len(ordered))]),
        )  # fmt: skip
    some = [cells[n] for n in sorted(_chosen(report, cells))]
    named = charts.labels(cell["group"]["class"] for cell in some)
    which = (
        ""
        if len(some) == len(cells)
        else (
            f"; {len(some)} of {len(cells)} classes: those with broken limits or bad figures, and "
            "the extremes"
        )
    )
    yield Chart(
        f"rows-{split}", f"Rows per class{where}",
        f"Bars of rows per class, stacked by real, augmented and generated{which}. "
        "The table below has every class.",
        charts.composition([(named[cell["group"]["class"]], _kinds(cell)) for cell in some]),
    )  # fmt: skip


def _table(report: Json) -> Table:
    cells = [
        cell
        for share in report["splits"]
        for cell in _in_order([c for c in report["cells"]
                               if c["group"]["split"] == share["group"]["split"]],
                              report["classes"])
    ]  # fmt: skip
    shown = _chosen(report, cells)
    words = ("split", "class")
    rows = [_row(cell, words, {}, n not in shown) for n, cell in enumerate(cells)]
    rows += [_row(share, words, {}) for share in report["splits"] if len(report["splits"]) > 1]
    rows.append(_row(report["whole"], words, {}))
    title = "Rows by split and class"
    return Table("cells", title, (*words, *_FIGURES), tuple(rows), 2, grouped="split")


def _row(share: Json, words: Sequence[str], generators: Json, more: bool = False) -> Row:
    group = dict(share["group"])
    if group.get("generator") is not None:
        group["generator"] = generators.get(group["generator"], group["generator"])
    names = ["all" if word not in group else str(group[word] or "-") for word in words]
    ratio, unique = share["synthetic_to_real"], share["unique_real"]
    cells = (
        *names,
        *(str(share[kind]) for kind in ("rows", *charts.KINDS)),
        f"{share['synthetic_share']:.3f}",
        ratio if isinstance(ratio, str) else f"{ratio:.3f}",
        "?" if unique is None else str(unique),
    )
    return Row(cells, group.get("split") or "", more)


def _chosen(report: Json, cells: Sequence[Json]) -> frozenset[int]:
    trouble = trouble_of(report)
    made = any(cell["generated"] for cell in cells)
    return chosen(
        cells,
        lambda cell: trouble.get((cell["group"]["split"], cell["group"]["class"]), 0.0),
        lambda cell: cell["synthetic_share"] if made else cell["rows"],
    )


def _spread(n: int) -> list[int]:
    """At most `_MOST_DRAWN` numbers from 0 to n - 1 at equal steps, the last among them."""
    step = -(-n // _MOST_DRAWN)
    return sorted({*range(0, n, step), n - 1})


def _in_order(cells: Sequence[Json], classes: Sequence[str]) -> list[Json]:
    """As the class list has them."""
    place = {name: n for n, name in enumerate(classes)}
    return sorted(cells, key=lambda cell: place.get(cell["group"]["class"], len(place)))


def _kinds(share: Json) -> dict[str, int]:
    return {kind: share[kind] for kind in charts.KINDS}
