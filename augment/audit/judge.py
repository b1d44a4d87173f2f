"""The audit: one pass over narrow columns of every live shard, then the verdict.

Reads any committed data set and foreign ones; writes nothing. The result is a plain value
that turns into JSON (`schema.py`) or text (`render.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa

from augment.audit.attributes import Sliced, check_names, judge_attributes
from augment.audit.counts import compare, compare_lengths, count_log, read_log
from augment.audit.declared import Declared
from augment.audit.descent import check_descent
from augment.audit.equal_made import check_made
from augment.audit.equal_real import check_real
from augment.audit.facts import NO_LABEL, read_facts
from augment.audit.findings import NO_ROWS, Check, Finding, LimitResult, folded, not_judged
from augment.audit.gates import check_gates
from augment.audit.ids import repeated_ids
from augment.audit.images import check_images
from augment.audit.limits import UNIQUE_REAL, judge_limits
from augment.audit.pictures import count_pictures
from augment.audit.planned import check_planned
from augment.audit.promised import check_committed, live_jobs
from augment.audit.quality import Quality
from augment.audit.quality.limited import Left, not_measured
from augment.audit.readers import check_readers
from augment.audit.recorded import ToJudge, Where, to_judge
from augment.audit.seen import Jobs, Seen, protected_splits
from augment.audit.shares import GROUPS, Share, parse_groups, shares
from augment.audit.shortcut import check_shortcut
from augment.audit.table import DataSet, Options, generator_names, open_data_set, read_jobs
from augment.audit.training import check_training
from augment.errors import RequestError
from augment.sources import LeftOut, read_left_out
from augment.spec.models import Limits

Verdict = Literal["ok", "failed", "not judged"]


@dataclass(frozen=True)
class AuditReport:
    """What is in one version of a data set, and whether that is as promised.

    version: None for a folder without a Delta log. classes: the class list, in order of
    label, then names of rows that none has. generators: id -> name in the job that used it. log:
    "agrees", "differs" or "none" (no cubes to compare with). limits_from: "recorded" with the
    table by its jobs, "given" in their place, or "none". whole, splits, cells: composition over
    all, per split, per split and class (classes without rows in a split are left out). groups:
    composition as asked by `by`; () if not asked. quality: of the made part, None if nobody asked
    for it. declared: what files say of their origin, None where that is not known.
    attributes: composition by those that were asked for.
    of_measures: bounds of measures, each with the job that left it, which `quality` judges.
    counts_from: "rows", or "log" where no row was read.
    """

    uri: str
    version: int | None
    shards: int
    classes: tuple[str, ...]
    jobs: tuple[str, ...]
    generators: Mapping[str, str]
    log: str
    whole: Share
    splits: tuple[Share, ...]
    cells: tuple[Share, ...]
    by: tuple[str, ...]
    groups: tuple[Share, ...]
    limits: tuple[LimitResult, ...]
    limits_from: Where
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[tuple[str, LeftOut], ...]
    declared: Declared | None = None
    attributes: tuple[Sliced, ...] = ()
    quality: Quality | None = None
    of_measures: tuple[Left, ...] = ()
    counts_from: Literal["rows", "log"] = "rows"

    @property
    def verdict(self) -> Verdict:
        """failed: there is a finding that does more than warn, or a broken limit. not judged:
        nothing can be said of no rows. ok: neither, where it was judged."""
        if any(not found.warns for found in self.findings) or any(
            limit.ok is False for limit in self.limits
        ):
            return "failed"
        return "ok" if self.whole.rows else "not judged"

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

    def to_json(self) -> dict[str, Any]:
        """As `audit_schema()` says."""
        return {
            "schema_version": 1,
            "uri": self.uri,
            "version": self.version,
            "ok": self.ok,
            "verdict": self.verdict,
            "rows": self.whole.rows,
            "shards": self.shards,
            "classes": list(self.classes),
            "jobs": list(self.jobs),
            "generators": dict(self.generators),
            "log": self.log,
            "counts_from": self.counts_from,
            "whole": self.whole.to_json(),
            "splits": [share.to_json() for share in self.splits],
            "cells": [share.to_json() for share in self.cells],
            "by": list(self.by),
            "groups": [share.to_json() for share in self.groups],
            "limits_from": self.limits_from,
            "limits": [limit.to_json() for limit in self.limits],
            "checks": [vars(check) for check in self.checks],
            "findings": [finding.to_json() for finding in self.findings],
            "left_out": [{"job": job, **one.to_json()} for job, one in self.left_out],
            "declared": None if self.declared is None else self.declared.to_json(),
            "attributes": [one.to_json() for one in self.attributes],
            "quality": None if self.quality is None else self.quality.to_json(),
        }


def audit(
    uri: str,
    *,
    version: int | None = None,
    limits: Limits | None = None,
    by: str | Iterable[str] = (),
    deep: bool = False,
    options: Options | None = None,
    attributes: Iterable[str] = (),
) -> AuditReport:
    """Audit the data set at `uri`.

    limits: judged in place of those that the jobs of the data set left with it; None for
    those. version: None for the newest. by: words of `GROUPS`, for example "class,origin". deep:
    also read, hash and decode every image. options: storage options by protocol. attributes: names
    of properties of rows by whose values rows are counted, too.
    Memory: 20 bytes per real row for `unique_real`, 16 and 12 bytes per row (at most 2^26 rows
    at a time) for ids that repeat and pictures that are equal, and the counts per shard and cell.

    Raises:
        RequestError: no data set, no such version, needed columns missing, a bad `by`, an attribute
            that no row has.
        StorageError: the log or a shard cannot be read.
    """
    words, names = parse_groups(by), check_names(attributes)
    data = open_data_set(uri, version, options, pixels=deep)
    jobs = read_jobs(data) if data.version is not None else {}
    seen = _see(data, jobs, names)
    asked = to_judge(limits, jobs, live_jobs(seen.counts))
    checks, findings = _check(data, seen, jobs, asked, deep)
    return _report(data, seen, jobs, asked, words, checks, findings)


def audit_log(
    uri: str,
    *,
    version: int | None = None,
    limits: Limits | None = None,
    by: str | Iterable[str] = (),
    options: Options | None = None,
) -> AuditReport:
    """What the commits of the data set at `uri` counted, against limits; no shard is opened. As
    `audit`, without different real images (`unique_real` is None) and without all that is asked of
    rows. Time follows the lines of the counts cubes: shards times cells of each.

    Raises:
        RequestError: as `audit`; augment did not write it; `by` names source, which no cube has.
        StorageError: the log or a cube cannot be read.
    """
    words = parse_groups(by)
    if "source" in words:
        raise RequestError("by: got source, which the log does not count; leave out --from-log")
    data = open_data_set(uri, version, options)
    jobs = read_jobs(data) if data.version is not None else {}
    if not jobs:
        raise RequestError(
            f"{data.name}: got a data set that augment did not write, so nobody counted its rows "
            "when they were committed; leave out --from-log: the rows are read then"
        )
    found = count_log(data)
    seen = Seen(jobs)
    seen.counter.take(found.cells)
    seen.images.known = False
    named = pa.table({"shard": [one.path for one in data.shards],
                      "n": [one.rows or 0 for one in data.shards]})  # fmt: skip
    live = live_jobs(named)
    asked = to_judge(limits, jobs, live)
    mine = {job: jobs[job] for job in jobs.keys() & live}
    parts = [_check_cubes(data, found.shards), check_committed(data, jobs, named)]
    parts += [check_readers(mine), check_training(mine)]
    parts.append(check_gates(mine, given=asked.where == "given"))
    checks = [check for part in parts for check in part[0]]
    checks.append(not_judged("rows", "ids, marks, pictures and ancestors of rows", "none was read"))
    findings = [finding for part in parts for finding in part[1]]
    report = _report(data, seen, jobs, asked, words, checks, findings)
    kept = tuple(map(_without_images, report.limits))
    return replace(report, counts_from="log", declared=None, limits=kept)


def _without_images(limit: LimitResult) -> LimitResult:
    """Different real images are counted in rows alone."""
    if limit.value is not None or not limit.limit.startswith(UNIQUE_REAL):
        return limit
    text = (
        f"{limit.limit} {limit.bound:g}: not judged, the log does not count different real images"
    )
    return replace(limit, ok=None, text=text)


def _check_cubes(data: DataSet, counted: pa.Table) -> tuple[list[Check], list[Finding]]:
    asks = "the commits counted every row that the Delta log names"
    if not data.shards:
        return [not_judged("log", asks, NO_ROWS)], []
    held = dict(zip(counted["shard"].to_pylist(), counted["n"].to_pylist(), strict=True))
    findings = [
        Finding("log", f"shard {shard.path}: its counts in _provenance/ say "
                f"{held.get(shard.path, 0)} rows, the Delta log {_said(shard.rows)}",
                abs((shard.rows or 0) - held.get(shard.path, 0)))
        for shard in data.shards
        if shard.path not in held or shard.rows not in (None, held[shard.path])
    ]  # fmt: skip
    if findings:
        return [Check("log", False, f"{asks}: not so for {len(findings)} shards")], folded(findings)
    return [Check("log", True, f"{asks}: {sum(held.values())} in {len(data.shards)} shards")], []


def _said(rows: int | None) -> str:
    return "does not say how many" if rows is None else f"says {rows}"


def audit_before_commit(
    data: DataSet, job: Mapping[str, Any], limits: Limits | None = None
) -> AuditReport:
    """What an audit would say of the limits of a version that is not committed: of the checks only
    that of ids is made. data: see `table.data_set_to_be`. job: the job.json that would be left.
    limits: judged in place of its own.

    Raises:
        StorageError: a shard cannot be read.
    """
    jobs = {str(job["job_id"]): job}
    seen = _see(data, jobs)
    checks, findings = _check_ids(data, seen, seen.counts)
    asked = to_judge(limits, jobs, live_jobs(seen.counts))
    return _report(data, seen, jobs, asked, (), [Check("log", None, "there is none yet"), *checks],
                   findings)  # fmt: skip


def _see(data: DataSet, jobs: Jobs, attributes: Sequence[str] = ()) -> Seen:
    seen = Seen(jobs, attributes)
    for shard in data.shards:
        for facts in read_facts(data, shard, attributes=attributes):
            seen.add(facts)
    seen.by_value.check()
    return seen


def _report(
    data: DataSet,
    seen: Seen,
    jobs: Jobs,
    asked: ToJudge,
    words: tuple[str, ...],
    checks: Sequence[Check],
    findings: Sequence[Finding],
) -> AuditReport:
    counts = seen.counts
    sliced, more_checks, more_findings = judge_attributes(seen.by_value, generator_names(jobs))
    of_measures = tuple((job, one) for job, limits in asked.limits for one in limits.measures or ())
    whole, splits, cells, groups = (
        tuple(shares(counts, seen.images, each)) for each in ((), ("split",), _CELL, words)
    )
    return AuditReport(
        uri=data.folder.uri,
        version=data.version,
        shards=len(data.shards),
        classes=tuple(name for name in _classes(seen, cells) if name != NO_LABEL),
        jobs=tuple(sorted(jobs)),
        generators=generator_names(jobs),
        log=_log_word(checks),
        whole=whole[0] if whole else Share((), 0, 0, 0, 0),
        splits=splits,
        cells=cells,
        by=words,
        groups=groups if words else (),
        limits=(*_limits(asked, seen, splits, cells), *not_measured(of_measures, _UNASKED)),
        limits_from=asked.where,
        checks=(*checks, *more_checks),
        findings=(*findings, *more_findings, *asked.findings),
        left_out=(
            *(("", one) for one in data.left_out),
            *((n, one) for n, job in sorted(jobs.items()) for one in read_left_out(job)),
        ),
        declared=seen.origins.results()[0],
        attributes=sliced,
        of_measures=of_measures,
    )


_CELL = ("split", "class")
_UNASKED = "nobody measured it: ask with --quality"
assert set(_CELL) <= set(GROUPS)


def _check(
    data: DataSet, seen: Seen, jobs: Jobs, asked: ToJudge, deep: bool
) -> tuple[list[Check], list[Finding]]:
    counts = seen.counts
    mine = {job: jobs[job] for job in jobs.keys() & live_jobs(counts)}  # with rows in it
    parts = [_check_log(data, seen, counts), check_committed(data, jobs, counts)]
    parts.append(check_planned(data, mine, counts))
    parts += [_check_ids(data, seen, counts), _check_classes(seen), seen.rows.results()]
    parts += [
        seen.claims.results(),
        seen.origins.results()[1:],
        seen.procedural.results(),
        check_readers(mine),
    ]
    pictures = count_pictures(data, _rows(counts), seen.nameless)
    protected = frozenset[str]().union(*protected_splits(mine).values())
    parts.append(check_real(data, seen.images, pictures, protected))
    parts.append(check_descent(data, seen.images))
    parts.append(check_made(data, pictures, counts, generator_names(mine)))
    parts.append(check_shortcut(data, counts))
    if deep:
        parts.append(check_images(data))
    parts += [check_training(mine), check_gates(mine, given=asked.where == "given")]
    checks = [check for part in parts for check in part[0]]
    return checks, [finding for part in parts for finding in part[1]]


def _check_log(data: DataSet, seen: Seen, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
    asks = "counts from the rows and from the log agree"
    findings = compare_lengths(data, counts)
    if data.version is None or not seen.ours:
        why = "there is no Delta log" if data.version is None else "augment did not write it"
        return [Check("log", None if not findings else False, f"{asks}: the log: none, {why}")], (
            findings
        )
    findings += compare(counts, read_log(data))
    if findings:
        return [Check("log", False, f"{asks}: they differ")], findings
    if not counts.num_rows:
        return [not_judged("log", asks, NO_ROWS)], []
    return [Check("log", True, f"{asks}: {_rows(counts)} rows in {len(data.shards)} shards")], []


def _check_ids(data: DataSet, seen: Seen, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
    asks = "sample_id is unique in the version"
    if not seen.has_ids:
        return [Check("sample_id", None, f"{asks}: not checked, a shard has no sample_id")], []
    if not counts.num_rows:
        return [not_judged("sample_id", asks, NO_ROWS)], []
    again, some = repeated_ids(data, _rows(counts))
    if not again:
        return [Check("sample_id", True, f"{asks}: {_rows(counts)} rows")], []
    text = f"{again} rows repeat the sample_id of another row, for example {', '.join(some)}"
    return [Check("sample_id", False, f"{asks}: not so for {again} rows")], [
        Finding("sample_id", text, again)
    ]


def _check_classes(seen: Seen) -> tuple[list[Check], list[Finding]]:
    asks = "all shards have one class list"
    if seen.class_faults:
        return [Check("classes", False, f"{asks}: not so")], seen.class_faults
    if not seen.of_shards:
        return [Check("classes", None, f"{asks}: not checked, no shard has one")], []
    return [Check("classes", True, f"{asks}: {len(seen.of_shards)} classes")], []


def _classes(seen: Seen, cells: Iterable[Share]) -> tuple[str, ...]:
    """The class list, and names of rows that it does not have, or that there is no list for."""
    found = {str(dict(share.group)["class"]) for share in cells}
    return (*seen.classes, *sorted(found - set(seen.classes)))


def _limits(
    asked: ToJudge, seen: Seen, splits: Iterable[Share], cells: Iterable[Share]
) -> list[LimitResult]:
    per_split = {str(dict(share.group)["split"]): share for share in splits}
    per_class = {}
    for share in cells:
        place = dict(share.group)
        per_class[str(place["split"]), str(place["class"])] = share
    classes = _classes(seen, cells)
    return [
        replace(result, job=job)
        for job, limits in asked.limits
        for result in judge_limits(limits, classes, per_split, per_class)
    ]


def _log_word(checks: Iterable[Check]) -> str:
    passed = next(check.passed for check in checks if check.name == "log")
    return {True: "agrees", False: "differs", None: "none"}[passed]


def _rows(counts: pa.Table) -> int:
    return int(sum(counts["n"].to_pylist()))
