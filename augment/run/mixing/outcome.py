"""What a run and a retry both end with: cells, accounts and an audit, and whether that is well."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from augment.audit import AuditReport
from augment.run.mixing.commit import CellResult
from augment.run.watch.account import Account


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A data set as somebody's work left it. version: the newest one."""

    job_id: str
    output: str
    version: int
    cells: tuple[CellResult, ...]
    accounts: tuple[Account, ...]
    audit: AuditReport
    on_shortfall: str

    @property
    def shortfall(self) -> int:
        return sum(a.shortfall for a in self.accounts)

    @property
    def ok(self) -> bool:
        """Every limit holds, and no shortfall that the job calls a failure."""
        return self.audit.ok and not self.fails_short

    @property
    def fails_short(self) -> bool:
        """Whether samples are missing, and the job calls that a failure."""
        return bool(self.shortfall) and self.on_shortfall == "fail"

    def to_json(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "output": self.output,
            "version": self.version,
            "ok": self.ok,
            "cells": [asdict(c) | {"short": c.short} for c in self.cells],
            "accounts": [asdict(a) | {"shortfall": a.shortfall} for a in self.accounts],
            "audit": self.audit.to_json(),
        }
