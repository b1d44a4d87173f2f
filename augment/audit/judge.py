"""The audit: one pass over narrow columns of every live shard, then the verdict.

Reads any committed data set and foreign ones; writes nothing. The result is a plain value
that turns into JSON (`schema.py`) or text (`render.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from augment.audit.attributes import Counts, Sliced, check_names, judge_attributes
from augment.audit.claims import Claims
from augment.audit.counts import Counter, compare, compare_lengths, read_log
from augment.audit.declared import Declared, Origins
from augment.audit.descent import check_descent
from augment.audit.equal_made import check_made
from augment.audit.equal_real import check_real
from augment.audit.facts import NO_LABEL, Facts, read_facts
from augment.audit.findings import NO_ROWS, Check, Finding, LimitResult, not_judged
from augment.audit.gates import check_gates
from augment.audit.ids import repeated_ids
from augment.audit.images import check_images
from augment.audit.integrity import RowChecks
from augment.audit.limits import judge_limits
from augment.audit.pictures import count_pictures
from augment.audit.planned import check_planned
from augment.audit.procedural import Procedural
from augment.audit.promised import check_committed, live_jobs
from augment.audit.quality import Quality
from augment.audit.quality.limited import Left, not_measured
from augment.audit.readers import check_readers
from augment.audit.recorded import ToJudge, Where, to_judge
from augment.audit.shares import GROUPS, RealImages, Share, parse_groups, shares
from augment.audit.shortcut import check_shortcut
from augment.audit.table import DataSet, Options, generator_names, open_data_set, read_jobs
from augment.audit.training import check_training
from augment.sources import LeftOut, read_left_out
from augment.spec.models import Limits

Jobs = Mapping[str, Mapping[str, Any]]
"""job id -> its job.json."""
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
            "whole": self.whole.to_json(),
            "splits": [share.to_json() for share in self.splits],
            "cells": [share.to_json() for share in self.cells],
            "by": list(self.by),
            "groups": [share.to_json() for share in self.groups],
            "limits_from": self.limits_from,
            "limits": [limit.to_json() for limit in self.limits],
            "checks": [vars(check) for check in self.checks],
            "findings": [vars(finding) for finding in self.findings],
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


def _see(data: DataSet, jobs: Jobs, attributes: Sequence[str] = ()) -> _Seen:
    seen = _Seen(_protected(jobs), _listed(jobs), bool(jobs), attributes)
    for shard in data.shards:
        for facts in read_facts(data, shard, attributes=attributes):
            seen.add(facts)
    seen.by_value.check()
    return seen


def _report(
    data: DataSet,
    seen: _Seen,
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


class _Seen:
    """What one pass over the rows gathers. listed: the class list as jobs keep it, for a version
    without rows. ours: whether `augment` wrote it, as jobs or rows say. attributes: names."""

    def __init__(
        self,
        protected: Mapping[str, frozenset[str]],
        listed: tuple[str, ...],
        ours: bool,
        attributes: Sequence[str] = (),
    ) -> None:
        self.by_value = Counts(attributes)
        self.counter = Counter()
        self.images = RealImages()
        self.rows = RowChecks(protected)
        self.claims = Claims()
        self.origins = Origins()
        self.procedural = Procedural()
        self.of_shards: tuple[str, ...] = ()
        self.class_faults: list[Finding] = []
        self.ours = ours
        self.has_ids = True
        self.nameless: dict[str, int] = {}  # shards whose rows do not say what they show
        self._listed = listed

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of_shards or self._listed

    @cached_property
    def counts(self) -> pa.Table:
        """Rows by shard and cell; asked once all facts are added."""
        return self.counter.table()

    def add(self, facts: Facts) -> None:
        self.counter.add(facts)
        self.images.add(facts)
        self.rows.add(facts)
        self.claims.add(facts)
        self.origins.add(facts)
        self.procedural.add(facts)
        self.by_value.add(facts)
        self._classes(facts)
        self.ours = self.ours or not facts.lacks(["job_id", "sample_id"])
        if facts.lacks(["pixels_sha256"], seen=True):
            before = self.nameless.get(facts.shard, 0)
            self.nameless[facts.shard] = before + facts.rows.num_rows
        self.has_ids = self.has_ids and not facts.lacks(["sample_id"])

    def _classes(self, facts: Facts) -> None:
        """New classes only at the end: one list must begin with the other."""
        shorter, longer = sorted((self.of_shards, facts.classes), key=len)
        if longer[: len(shorter)] == shorter:
            self.of_shards = longer
            return
        text = (
            f"shard {facts.shard}: its class list {_short(facts.classes)} and that of an "
            f"earlier shard {_short(self.of_shards)} give one label two meanings"
        )
        if not any(fault.text == text for fault in self.class_faults[-1:]):
            self.class_faults.append(Finding("classes", text))


def _check(
    data: DataSet, seen: _Seen, jobs: Jobs, asked: ToJudge, deep: bool
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
    protected = frozenset[str]().union(*_protected(mine).values())
    parts.append(check_real(data, seen.images, pictures, protected))
    parts.append(check_descent(data, seen.images))
    parts.append(check_made(data, pictures, counts, generator_names(mine)))
    parts.append(check_shortcut(data, counts))
    if deep:
        parts.append(check_images(data))
    parts += [check_training(mine), check_gates(mine, given=asked.where == "given")]
    checks = [check for part in parts for check in part[0]]
    return checks, [finding for part in parts for finding in part[1]]


def _check_log(data: DataSet, seen: _Seen, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
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


def _check_ids(data: DataSet, seen: _Seen, counts: pa.Table) -> tuple[list[Check], list[Finding]]:
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


def _check_classes(seen: _Seen) -> tuple[list[Check], list[Finding]]:
    asks = "all shards have one class list"
    if seen.class_faults:
        return [Check("classes", False, f"{asks}: not so")], seen.class_faults
    if not seen.of_shards:
        return [Check("classes", None, f"{asks}: not checked, no shard has one")], []
    return [Check("classes", True, f"{asks}: {len(seen.of_shards)} classes")], []


def _classes(seen: _Seen, cells: Iterable[Share]) -> tuple[str, ...]:
    """The class list, and names of rows that it does not have, or that there is no list for."""
    found = {str(dict(share.group)["class"]) for share in cells}
    return (*seen.classes, *sorted(found - set(seen.classes)))


def _limits(
    asked: ToJudge, seen: _Seen, splits: Iterable[Share], cells: Iterable[Share]
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


def _listed(jobs: Jobs) -> tuple[str, ...]:
    """The longest class list that a job keeps: new classes only come at its end."""
    lists = [body["classes"] for body in jobs.values() if isinstance(body.get("classes"), list)]
    return tuple(map(str, max(lists, key=len, default=())))


def _protected(jobs: Jobs) -> dict[str, frozenset[str]]:
    return {
        job: frozenset(map(str, splits))
        for job, body in jobs.items()
        if isinstance(splits := body.get("protected_splits"), list)
    }


def _log_word(checks: Iterable[Check]) -> str:
    passed = next(check.passed for check in checks if check.name == "log")
    return {True: "agrees", False: "differs", None: "none"}[passed]


def _rows(counts: pa.Table) -> int:
    return int(sum(counts["n"].to_pylist()))


def _short(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:5])
    return f"[{shown}{', ...' if len(classes) > 5 else ''}] of {len(classes)}"
