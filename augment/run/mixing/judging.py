"""The end of a run or a retry: its data set is audited, and what came of it stays with the table.

`_provenance/<job>/verdict.json` is written after the commit, once a version, from the limits that
the jobs left with the table; the card shows it, and so does `augment status`. A run that finds it
missing writes it.
"""

from __future__ import annotations

from augment.audit import AuditReport, audit, summary
from augment.audit.before_commit import judged_before
from augment.audit.table import Shard
from augment.run.mixing.outcome import Outcome
from augment.run.prepare import Prepared
from augment.spec.models import Limits
from augment.write import (
    card_is_current,
    live_files,
    read_gate,
    read_verdict,
    write_card,
    write_verdict,
)


def judge(prepared: Prepared) -> AuditReport:
    """By the job's limits as they are now; measures as far as they were judged before the
    commit."""
    return _audited(prepared, prepared.job.spec.limits)


def _audited(prepared: Prepared, limits: Limits | None) -> AuditReport:
    report = audit(prepared.output.uri, limits=limits, options=prepared.options)
    if (kept := read_gate(prepared.output, prepared.job_id)) is None:
        return report
    shards = [Shard(f.path, f.size) for f in live_files(prepared.output, report.version)]
    return judged_before(report, shards, kept)


def settle(prepared: Prepared, outcome: Outcome) -> int:
    """Leave the verdict and the card with the newest version; the exit code of the run."""
    output, report = prepared.output, outcome.audit
    known = read_verdict(output, prepared.job_id)
    if known is None or known.get("version") != report.version:
        if report.limits_from == "given":  # the job's limits have changed since its commit
            report = _audited(prepared, None)
        code = 0 if report.ok and not outcome.fails_short else 1
        write_verdict(output, prepared.job_id, summary(report) | {"exit_code": code})
    if not card_is_current(output, outcome.version):
        write_card(output)
    return 0 if outcome.ok else 1
