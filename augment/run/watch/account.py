"""What became of one cell of a plan: what the driver counts, and tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Account:
    """What became of one cell (generator x class): attempted = accepted + rejected + failed
    over the indexes that were looked at, target = selected + shortfall."""

    generator: str
    label_name: str
    target: int
    cap: int
    """Indexes that may be looked at."""
    attempted: int
    accepted: int
    rejected: Mapping[str, int]
    failed: int
    selected: int

    @property
    def shortfall(self) -> int:
        return self.target - self.selected


def account_to_json(account: Account) -> dict[str, Any]:
    return asdict(account)


def account_from_json(raw: Mapping[str, Any]) -> Account:
    return Account(**raw)
