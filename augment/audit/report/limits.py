"""Limits: every figure beside its bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment.audit.report import charts
from augment.audit.report.blocks import Block, Chart, Mark, Row, Section, Table, Text, chosen
from augment.tables import number

Json = Mapping[str, Any]
_MOST_CHARTS = 8
_FEW = 2
"""So many places are read faster in the table than in a chart."""


def limits(report: Json) -> Section:
    """A chart of each limit with several places, and one table of all."""
    if not report["limits"]:
        text = (
            "No limits on rows were given, and no job left any with the data set. `limits` of a "
            "job, or `--limits FILE`, set them: shares of generated rows, least numbers of rows."
        )
        return Section("limits", "Limits", (Text(text),))
    whose = {
        "recorded": "The limits are those that the jobs left with the data set.",
        "given": "The limits were given to this audit, in place of those that jobs left.",
        "none": "",
    }[report["limits_from"]]
    charted = list(_charts(report["limits"]))
    blocks: list[Block] = [*charted[:_MOST_CHARTS], _table(report["limits"])]
    if len(charted) > _MOST_CHARTS:
        blocks.insert(
            -1, Text(f"{len(charted) - _MOST_CHARTS} more limits stand in the table alone.")
        )
    return Section("limits", "Limits", (*([Text(whose)] if whose else []), *blocks))


def _charts(results: Sequence[Json]) -> Iterator[Chart]:
    by_limit: dict[tuple[str | None, str, float], list[Json]] = {}
    for one in results:
        by_limit.setdefault((one["job"], one["limit"], one["bound"]), []).append(one)
    for n, ((_, name, bound), places) in enumerate(by_limit.items()):
        judged = [one for one in places if one["ok"] is not None and one["value"] is not None]
        if len(judged) <= _FEW:
            continue
        some = [judged[i] for i in sorted(chosen(judged, _excess, lambda one: one["value"]))]
        named = charts.labels(_place(one) for one in some)
        broken = sum(one["ok"] is False for one in judged)
        word = name.removeprefix("limits.")
        which = (
            ""
            if len(some) == len(judged)
            else (f" {len(some)} of {len(judged)} places are drawn: the worst and the extremes.")
        )
        yield Chart(
            f"limit-{n}", f"{word}: {number(bound)}",
            f"{word} in {len(judged)} places beside its bound of {number(bound)}; broken in "
            f"{broken}.{which}",
            charts.limit(
                [(named[_place(one)], one["value"], one["ok"]) for one in some], bound,
                word.split(".")[0].replace("_", " "),
            ),
        )  # fmt: skip


def _table(results: Sequence[Json]) -> Table:
    shown = chosen(results, _excess, lambda one: one["value"] or 0.0)
    rows = [
        Row(
            (_mark(one["ok"]), one["limit"].removeprefix("limits."), str(one["split"] or "-"),
             "all" if one["class"] is None else one["class"], number(one["value"]),
             number(one["bound"])),
            {True: "kept", False: "broken", None: "not judged"}[one["ok"]],
            n not in shown,
        )
        for n, one in enumerate(results)
    ]  # fmt: skip
    rows.sort(key=lambda row: ("broken", "kept", "not judged").index(row.group))
    head = ("", "limit", "split", "class", "value", "bound")
    return Table("limit-table", "Every limit in every place", head, tuple(rows), 4, "result",
                 folded=True)  # fmt: skip


def _mark(ok: bool | None) -> Mark:
    if ok is None:
        return Mark("not judged", "none")
    return Mark("kept", "ok") if ok else Mark("broken", "fail")


def _place(one: Json) -> str:
    parts = (one["split"], one["class"])
    return " · ".join(str(part) for part in parts if part is not None)


def _excess(one: Json) -> float:
    """By how much it is broken, in parts of its bound; 0 where it is kept."""
    if one["ok"] is not False:
        return 0.0
    beyond = one["by_how_much"]
    return float("inf") if beyond is None else max(beyond / (abs(one["bound"]) or 1.0), 1e-9)
