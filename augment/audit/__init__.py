"""Judged: what is in a committed data set, whether it may be, and where one row came from.

Reads any committed data set and foreign Parquet folders; imports no sibling step.
"""

from augment.audit.findings import Check, Finding, LimitResult
from augment.audit.judge import AuditReport, audit, audit_log
from augment.audit.read import open_dataset
from augment.audit.render import render
from augment.audit.render_trace import render_trace
from augment.audit.schema import audit_schema
from augment.audit.shares import Share, parse_groups
from augment.audit.sheet import contact_sheet
from augment.audit.summary import summary
from augment.audit.trace import Ancestor, Sample, Trace, trace

__all__ = [
    "Ancestor",
    "AuditReport",
    "Check",
    "Finding",
    "LimitResult",
    "Sample",
    "Share",
    "Trace",
    "audit",
    "audit_log",
    "audit_schema",
    "contact_sheet",
    "open_dataset",
    "parse_groups",
    "render",
    "render_trace",
    "summary",
    "trace",
]
