"""Reports as plain text for a terminal or a log: aligned columns, no colours, no box lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from augment.audit.judge import AuditReport
from augment.audit.limits import LimitResult
from augment.audit.shares import Share
from augment.audit.table import generator_names
from augment.audit.trace import Ancestor, Sample, Trace
from augment.sources.left_out import lines

_FIGURES = ("rows", "real", "augmented", "generated", "synthetic share", "synthetic to real",
            "unique real")  # fmt: skip
_SIGNS = {True: "ok  ", False: "FAIL", None: "--  "}


def render(report: AuditReport, most: int = 60) -> str:
    """The report as text. most: lines of the composition that are shown before it is cut."""
    blocks = [_head(report), _composition(report, most), *_all_limits(report)]
    blocks.append([line for _, one in report.left_out for line in lines(one)])
    blocks.append(["checks", *_checks(report)])
    for name, warns in (("findings", False), ("warnings", True)):
        some = [f"  {f.check}: {f.text}" for f in report.findings if f.warns is warns]
        blocks.append([name, *some] if some else [])
    blocks.append([_verdict(report)])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def render_trace(trace: Trace) -> str:
    """The sample and all its ancestors, each further to the right than its child."""
    version = "no version" if trace.version is None else f"version {trace.version}"
    return "\n".join([f"{trace.uri}, {version}", *_sample(trace.sample, trace.jobs)])


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int) -> list[str]:
    """Lines of aligned columns; the first `text_columns` stand left, figures right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _head(report: AuditReport) -> list[str]:
    version = "no version" if report.version is None else f"version {report.version}"
    log = {"agrees": "the log agrees", "differs": "the log DIFFERS", "none": "the log: none"}
    return [
        f"{report.uri}, {version}: {report.whole.rows} rows in {report.shards} shards, "
        f"{len(report.classes)} classes; counts from the rows, {log[report.log]}"
    ]


def _composition(report: AuditReport, most: int) -> list[str]:
    words = report.by or ("split", "class")
    parts = list(report.groups if report.by else report.cells)
    if not report.by:  # in the order of the class list
        place = {name: i for i, name in enumerate(report.classes)}
        parts.sort(key=lambda s: (s.group[0][1], place.get(str(s.group[1][1]), len(place))))
    rows = [_share(share, words, report.generators) for share in parts[:most]]
    totals = report.splits if not report.by and len(report.splits) > 1 else ()
    rows += [_share(share, words, report.generators) for share in totals]
    rows.append(_share(report.whole, words, report.generators))
    lines = table([*words, *_FIGURES], rows, len(words))
    if (more := len(parts) - most) > 0:
        lines.insert(most + 1, f"... {more} more, see the JSON report")
    return lines


def _share(share: Share, words: Sequence[str], generators: Mapping[str, str]) -> list[str]:
    group = dict(share.group)
    if "generator" in group:
        group["generator"] = generators.get(str(group["generator"]), group["generator"])
    names = ["all" if word not in group else group[word] or "-" for word in words]
    ratio = share.synthetic_to_real
    return [
        *names,
        *(str(n) for n in (share.rows, share.real, share.augmented, share.generated)),
        f"{share.synthetic_share:.3f}",
        "infinite" if ratio is None else f"{ratio:.3f}",
        "?" if share.unique_real is None else str(share.unique_real),
    ]


def _all_limits(report: AuditReport) -> Iterator[list[str]]:
    """A block for the limits of each job, or for those that were given."""
    if not report.limits:
        yield ["limits: none on its rows were given, and none were left with the table"]
    by_job: dict[str | None, list[LimitResult]] = {}
    for limit in report.limits:
        by_job.setdefault(limit.job, []).append(limit)
    for job, limits in by_job.items():
        whose = f"as job {job} left them with the table"
        if job is None:
            whose = "as given, in place of any that were left with the table"
        yield [f"limits, {whose}", *_limits(limits)]


def _limits(limits: Sequence[LimitResult]) -> list[str]:
    """Broken limits one by one; kept ones once each, at the place nearest to the bound, and those
    that were not judged once each."""
    lines = [f"  FAIL  {limit.text}" for limit in limits if limit.ok is False]
    for name in dict.fromkeys(limit.limit for limit in limits):
        of_name = [limit for limit in limits if limit.limit == name]
        kept = [limit for limit in of_name if limit.ok]
        if kept:
            nearest = min(kept, key=lambda limit: abs(limit.bound - (limit.value or 0.0)))
            lines.append(f"  ok    {nearest.text}; kept in {len(kept)} of {len(of_name)} places")
        if empty := [limit for limit in of_name if limit.ok is None]:
            more = f", nor in {len(empty) - 1} more places" if len(empty) > 1 else ""
            lines.append(f"  --    {empty[0].text}{more}")
    return lines


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
    return f"verdict: {report.verdict}{'' if report.ok else ', there are no rows'}{more}"


def _sample(sample: Sample, jobs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    row = sample.row
    job = jobs.get(str(row.get("job_id")), {})
    facts = [
        (
            "class",
            f"{row.get('label_name')!r} (label {row.get('label')}), split {row.get('split')}",
        ),
        ("origin", _origin(row)),
        ("image", f"{row.get('width')} x {row.get('height')} pixels, sha256 {row.get('sha256')}"),
        ("marks", ", ".join(row.get("marks") or [])),
        ("license", row.get("license")),
        ("source", _source(row, job)),
        ("generator", _generator(row, job)),
        ("sampling", _sampling(row)),
        ("scores", _pairs(row.get("scores"))),
        ("attributes", _pairs(row.get("attributes"))),
        *_transforms(row),
        ("job", _job(row, job)),
        ("shard", sample.shard),
    ]
    lines = [f"sample {row['sample_id']}"]
    lines += [f"  {name:<10} {value}" for name, value in facts if value]
    for parent in sample.parents:
        lines += [f"  {line}" for line in _parent(parent, jobs)]
    return lines


def _parent(parent: Ancestor, jobs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if parent.found is not None:
        first, *rest = _sample(parent.found, jobs)
        return [f"{parent.role}: {first}", *rest]
    name = f"sample {parent.sample_id}, " if parent.sample_id else ""
    return [
        f"{parent.role}: {name}not in this version",
        *([f"  {'locator':<10} {parent.locator}"] if parent.locator else []),
        *([f"  {'sha256':<10} {parent.sha256}"] if parent.sha256 else []),
    ]


def _origin(row: Mapping[str, Any]) -> str:
    made = ", generated" if row.get("generated") else ""
    kind = row.get("digital_source_type")
    return f"{row.get('origin')}{made}{f', {kind}' if kind else ''}"


def _source(row: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    source = row.get("source") or {}
    if not source.get("name"):
        return ""
    uri = _written(job, "sources", source["name"]).get("uri")
    return f"{source['name']}: {source.get('locator')}{f' in {uri}' if uri else ''}"


def _generator(row: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    made = row.get("generator") or {}
    if not made.get("id"):
        return ""
    name = generator_names({"": job}).get(made["id"])
    checkpoint = made.get("checkpoint_sha256")
    uri = _written(job, "generators", name).get("checkpoint")
    where = f" at {uri}" if uri else ""
    return f"{f'{name}, ' if name else ''}family {made.get('family')}, id {made['id']}, " + (
        f"checkpoint sha256 {checkpoint}{where}" if checkpoint else "no checkpoint (procedural)"
    )


def _sampling(row: Mapping[str, Any]) -> str:
    made = row.get("generator") or {}
    if not made.get("id"):
        return ""
    return f"index {made.get('index')}, conditioning {made.get('conditioning')}"


def _transforms(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    steps = row.get("transforms") or []
    return [("transform", f"{step['op']} {step['params']}") for step in steps]


def _pairs(pairs: Any) -> str:
    return ", ".join(f"{pair['name']} = {pair['value']}" for pair in pairs or [])


def _job(row: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    seed = f", seed {job['seed']}" if "seed" in job else ""
    known = "" if job else ", job.json is missing"
    return f"{row.get('job_id')}{seed}, planned at {row.get('generated_at')}{known}"


def _written(job: Mapping[str, Any], section: str, name: str | None) -> Mapping[str, Any]:
    """An entry of the job file as it was written, `${VAR}` and all; {} where there is none."""
    try:
        text = yaml.safe_load(str(job.get("spec_text") or ""))
    except yaml.YAMLError:
        return {}
    found = text.get(section) if isinstance(text, dict) else None
    entry = found.get(name) if isinstance(found, dict) else None
    return entry if isinstance(entry, dict) else {}
