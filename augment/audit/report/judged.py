"""What speaks against the data set, what was looked at, and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from augment.audit.report.blocks import (
    Block,
    Gallery,
    Mark,
    Picture,
    Row,
    Section,
    Strips,
    Table,
    Text,
    Tiles,
    chosen,
)
from augment.escaping import cut
from augment.tables import share

Json = Mapping[str, Any]
_SHORT = 160  # characters of a finding beside its pictures


def sentence(report: Json) -> str:
    """The verdict with what decides it."""
    what = "This data set" if report["version"] is None else f"Version {report['version']}"
    if report["verdict"] == "not judged":
        return f"{what} is not judged: it has no rows."
    grave = [one for one in report["findings"] if not one["warns"]]
    mild = len(report["findings"]) - len(grave)
    broken = sum(one["ok"] is False for one in report["limits"])
    weigh = f"; {_counted(mild, 'warning')} to weigh" if mild else ""
    if report["verdict"] == "failed":
        against = [_counted(broken, "limit") + (" is" if broken == 1 else " are") + " broken"]
        against = against if broken else []
        if grave:
            stand = "stands" if len(grave) == 1 else "stand"
            against.append(f"{_counted(len(grave), 'finding')} {stand} against it")
        return f"{what} fails: {' and '.join(against)}{weigh}."
    kept = sum(one["ok"] is True for one in report["limits"])
    passed = sum(one["passed"] is True for one in report["checks"])
    said = f"{_counted(passed, 'check')} found nothing that fails it"
    said += f" and limits are kept in {_counted(kept, 'place')}" if kept else ""
    alone = "; by what commits counted alone, no row was read" if _from_log(report) else ""
    return f"{what} passes: {said}{weigh}{alone}."


def _from_log(report: Json) -> bool:
    """Reports of before do not say it."""
    return bool(report.get("counts_from") == "log")


def tiles(report: Json) -> Tiles:
    """What is in it, in six figures."""
    whole, rows = report["whole"], report["rows"] or 1
    return Tiles(
        (
            (f"{report['rows']:,}", "rows"),
            (f"{len(report['classes']):,}", "classes"),
            *((share(whole[kind] / rows), kind) for kind in ("real", "augmented", "generated")),
            (f"{report['shards']:,}", "shards"),
        )
    )


def findings(
    report: Json, named: Mapping[int, tuple[Picture, ...]], about: Mapping[int, Strips]
) -> Section:
    """Every finding; those that fail the verdict first. named: number of a finding -> pictures of
    rows that its text names. about: of rows of the group that it is about, see `galleries`."""
    found = sorted(report["findings"], key=lambda one: one["warns"])
    if not found:
        return Section("findings", "Findings", (Text("Nothing was found against this data set."),))
    shown = chosen(found, lambda one: 1.0 + (not one["warns"]), lambda one: one["n"])
    rows = tuple(
        Row(
            (_severity(one), one["check"], one["text"], str(one["n"])), one["check"], n not in shown
        )
        for n, one in enumerate(found)
    )
    how = (
        "A finding that fails decides the verdict; a warning is for the owner to weigh. Each says "
        "where, what came and what was expected."
    )
    head = ("", "check", "what was found", "concerned")
    table = Table("finding-table", "Findings", head, rows, 3, "check")
    blocks: list[Block] = [Text(how, aside=True), table]
    if named:
        strips = tuple(
            (report["findings"][n]["check"], ((cut(report["findings"][n]["text"], _SHORT), some),))
            for n, some in named.items()
        )
        blocks.append(Gallery("named", "Samples that findings name", strips))
    blocks += _about(report, about)
    return Section("findings", "Findings", tuple(blocks))


def _about(report: Json, about: Mapping[int, Strips]) -> Iterator[Block]:
    """A gallery a finding, with its text above."""
    for place, (n, strips) in enumerate(about.items()):
        if not place:
            yield Text(
                "What these findings are about: rows of the group, beside real images of its "
                "class. Draws are seeded, nobody chose them. A picture leads to its trace.",
                aside=True,
            )
        yield Gallery(f"about-{n}", _of_whom(report, report["findings"][n]), (("", strips),))


def _of_whom(report: Json, finding: Json) -> str:
    """The check and the group of a finding that has one."""
    group = finding["group"]
    name = "all classes" if group["class"] is None else f"class {group['class']}"
    makers = (report["quality"] or {}).get("makers", {})
    maker = makers.get(group["maker"], group["maker"])
    return f"{finding['check']}: split {group['split']}, {name}, made by {cut(str(maker), _SHORT)}"


def checks(report: Json) -> Section:
    """Every check that was made, also those that could not be judged."""
    grave = {one["check"] for one in report["findings"] if not one["warns"]}
    mild = {one["check"] for one in report["findings"]} - grave
    rows = [
        Row((mark := checked(one, one["name"] in mild), one["name"], one["text"]), mark.text)
        for one in report["checks"]
    ]
    order = ("failed", "warns", "not judged", "passed")
    rows.sort(key=lambda row: order.index(row.group))
    blocks: list[Block] = [
        Text("What must hold of every row, and whether it does. A check of nothing is not judged.",
             aside=True),
        Table("check-table", "Diagnostics", ("", "check", "what was asked, and of how much"),
              tuple(rows), 3, "result"),
    ]  # fmt: skip
    return Section("checks", "Diagnostics", tuple(blocks))


def _severity(finding: Json) -> Mark:
    return Mark("warning", "warn") if finding["warns"] else Mark("fails", "fail")


def checked(check: Json, warned: bool = False) -> Mark:
    """warned: there are findings of it, all of them warnings."""
    if check["passed"] is None:
        return Mark("not judged", "none")
    if not check["passed"]:
        return Mark("failed", "fail")
    return Mark("warns", "warn") if warned else Mark("passed", "ok")


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
