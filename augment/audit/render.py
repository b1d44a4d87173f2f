"""Reports as plain text for a terminal or a log: aligned columns, no colours, no box lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from augment.audit.attributes.render import attribute_lines
from augment.audit.findings import LimitResult
from augment.audit.judge import AuditReport
from augment.audit.quality.render import quality_lines
from augment.audit.shares import Share
from augment.escaping import line as one_line
from augment.escaping import name as shown
from augment.sources.left_out import lines
from augment.tables import first, fold, left_out, table

_FIGURES = ("rows", "real", "augmented", "generated", "generated share", "generated to real",
            "unique real")  # fmt: skip
_SIGNS = {True: "ok  ", False: "FAIL", None: "--  "}


def render(report: AuditReport, *, everything: bool = False) -> str:
    """The report as text, each line as `escaping.line` has it. everything: whatever is too long
    to be read, too."""
    blocks = [_head(report), _composition(report, everything), *_all_limits(report, everything)]
    sources, more = first(report.left_out, everything=everything)
    told = [line for job, one in sources for line in lines(one, of_a_job=bool(job))]
    blocks.append([*told, *left_out(more, "sources")])
    if report.declared is not None:
        blocks.append(report.declared.lines())
    blocks += [attribute_lines(one, everything=everything) for one in report.attributes]
    if report.quality is not None:
        blocks.append(quality_lines(report.quality, everything=everything))
    blocks.append(["checks", *_checks(report)])
    for name, warns in (("findings", False), ("warnings", True)):
        found = [one for one in report.findings if one.warns is warns]
        some, more = first(found, kind=lambda one: one.check, everything=everything)
        told = [f"  {one.check}: {one.text}" for one in some]
        told += [f"  {line}" for line in left_out(more, name)]
        blocks.append([name, *told] if some else [])
    blocks.append([_verdict(report)])
    return "\n\n".join("\n".join(map(one_line, block)) for block in blocks if block)


def _head(report: AuditReport) -> list[str]:
    version = "no version" if report.version is None else f"version {report.version}"
    log = {"agrees": "the log agrees", "differs": "the log DIFFERS", "none": "the log: none"}
    counted = f"counts from the rows, {log[report.log]}"
    if report.counts_from == "log":
        counted = "counts from the log, no row was read"
    return [
        f"{report.uri}, {version}: {report.whole.rows} rows in {report.shards} shards, "
        f"{len(report.classes)} classes; {counted}"
    ]


def _composition(report: AuditReport, everything: bool) -> list[str]:
    words = report.by or ("split", "class")
    parts = list(report.groups if report.by else report.cells)
    if not report.by:  # in the order of the class list
        place = {name: i for i, name in enumerate(report.classes)}
        parts.sort(key=lambda s: (s.group[0][1], place.get(str(s.group[1][1]), len(place))))
    broken = {(one.split, one.class_name) for one in report.limits if one.ok is False}
    some, more = fold(
        parts,
        lambda share: _place(share) in broken,
        lambda share: share.synthetic_share if report.whole.generated else share.rows,
        everything=everything,
    )
    splits = report.splits if not report.by and len(report.splits) > 1 else ()
    totals, more_totals = fold(splits, lambda _: 0, lambda share: share.rows, everything=everything)
    rows = [_share(share, words, report.generators) for share in (*some, *totals, report.whole)]
    lines = table([*words, *_FIGURES], rows, len(words))
    after = len(some) + 1
    return [
        *lines[:after], *left_out(more), *lines[after:-1], *left_out(more_totals, "splits"),
        lines[-1],
    ]  # fmt: skip


def _place(share: Share) -> tuple[object, object]:
    group = dict(share.group)
    return group.get("split"), group.get("class")


def _share(share: Share, words: Sequence[str], generators: Mapping[str, str]) -> list[str]:
    group = dict(share.group)
    if "generator" in group:
        group["generator"] = generators.get(str(group["generator"]), group["generator"])
    names = ["all" if word not in group else shown(group[word] or "-") for word in words]
    ratio = share.synthetic_to_real
    return [
        *names,
        *(str(n) for n in (share.rows, share.real, share.augmented, share.generated)),
        f"{share.synthetic_share:.3f}",
        "infinite" if ratio is None else f"{ratio:.3f}",
        "?" if share.unique_real is None else str(share.unique_real),
    ]


def _all_limits(report: AuditReport, everything: bool) -> Iterator[list[str]]:
    """A block for the limits of each job, or for those that were given."""
    if not report.limits:
        yield ["limits: none on its rows were given, and none were left with the table"]
    by_job: dict[str | None, list[LimitResult]] = {}
    for limit in report.limits:
        by_job.setdefault(limit.job, []).append(limit)
    some, more = fold(
        list(by_job.items()),
        lambda one: sum(limit.ok is False for limit in one[1]),
        lambda _: 0,
        everything=everything,
    )
    for job, limits in some:
        whose = f"as job {job} left them with the table"
        if job is None:
            whose = "as given, in place of any that were left with the table"
        yield [f"limits, {whose}", *_limits(limits, everything)]
    yield left_out(more, "jobs with limits")


def _limits(limits: Sequence[LimitResult], everything: bool) -> list[str]:
    """Broken limits one by one, the worst of many; kept ones once each, at the place nearest to
    the bound, and those that were not judged once each."""
    broken = [limit for limit in limits if limit.ok is False]
    worst = broken if everything else sorted(broken, key=_excess, reverse=True)
    some, more = first(worst, kind=lambda one: one.limit, everything=everything)
    lines = [f"  FAIL  {limit.text}" for limit in some]
    lines += [f"  {line}" for line in left_out(more, "places where limits are broken")]
    for name in dict.fromkeys(limit.limit for limit in limits):
        of_name = [limit for limit in limits if limit.limit == name]
        kept = [limit for limit in of_name if limit.ok]
        if kept:
            nearest = min(kept, key=lambda limit: abs(limit.bound - (limit.value or 0.0)))
            lines.append(f"  ok    {nearest.text}; kept in {len(kept)} of {len(of_name)} places")
        if empty := [limit for limit in of_name if limit.ok is None]:
            others = f", nor in {len(empty) - 1} more places" if len(empty) > 1 else ""
            lines.append(f"  --    {empty[0].text}{others}")
    return lines


def _excess(limit: LimitResult) -> float:
    """By how much it is broken, in parts of its bound."""
    if limit.by_how_much is None:
        return float("inf")
    return limit.by_how_much / (abs(limit.bound) or 1.0)


def _checks(report: AuditReport) -> list[str]:
    grave = {found.check for found in report.findings if not found.warns}
    mild = {found.check for found in report.findings} - grave
    return [f"  {'warn' if c.name in mild else _SIGNS[c.passed]}  {c.text}" for c in report.checks]


def _verdict(report: AuditReport) -> str:
    broken = sum(limit.ok is False for limit in report.limits)
    mild = sum(found.warns for found in report.findings)
    more = f", {mild} {'warning' if mild == 1 else 'warnings'}" if mild else ""
    if report.verdict == "failed":
        found = len(report.findings) - mild
        return f"verdict: FAILED, {found} findings, {broken} limits broken{more}"
    alone = ", by counts alone" if report.counts_from == "log" else ""
    return f"verdict: {report.verdict}{alone if report.ok else ', there are no rows'}{more}"
