"""What an audit may say against a data set, and what it looked at. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_GROUP = ("split", "class", "maker")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. check: name of the check that found it. n: rows, images or
    cells concerned. text: place, what came, what was expected. warns: it is for the owner to weigh;
    the verdict stays what it is without it. group: split, class and maker of the rows concerned,
    where they are those of one group (class None: all of the split); None: not so."""

    check: str
    text: str
    n: int = 1
    warns: bool = False
    group: tuple[str, str | None, str | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        of = None if self.group is None else dict(zip(_GROUP, self.group, strict=True))
        return {**vars(self), "group": of}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. passed None: it could not be looked at, or there was nothing
    to look at; text says why."""

    name: str
    passed: bool | None
    text: str


@dataclass(frozen=True)
class LimitResult:
    """One limit in one place. split None: in no place, for a version without rows. class_name
    None: over all classes of the split. value None: infinite for a ratio, not known for
    unique_real. ok None: not judged, for nothing can be said of no rows. by_how_much: how far
    beyond the bound, 0 where it is kept, None where that is infinite or not known. job: that
    left the limit with the table, None where it was given."""

    limit: str
    split: str | None
    class_name: str | None
    value: float | None
    bound: float
    ok: bool | None
    by_how_much: float | None
    text: str
    job: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "limit": self.limit,
            "job": self.job,
            "split": self.split,
            "class": self.class_name,
            "value": self.value,
            "bound": self.bound,
            "ok": self.ok,
            "by_how_much": self.by_how_much,
            "text": self.text,
        }


def not_judged(name: str, asks: str, why: str) -> Check:
    """A check that found nothing that it speaks of: that nothing is wrong with it says nothing."""
    return Check(name, None, f"{asks}: not judged, {why}")


def counted(n: int, one: str, many: str) -> str:
    """`1 image stands`, `2 images stand`."""
    return f"{n} {one if n == 1 else many}"


def folded(findings: Sequence[Finding], most: int = 20) -> list[Finding]:
    """The findings of one check, those that are more than warnings first, then those with the
    most rows; of more than `most` the rest as one, a warning if all of them are."""
    ordered = sorted(findings, key=lambda f: (f.warns, -f.n, f.text))
    shown, rest = ordered[:most], ordered[most:]
    if rest:
        n = sum(f.n for f in rest)
        text = f"{len(rest)} more of the same kind, {n} in all"
        shown.append(Finding(rest[0].check, text, n, rest[0].warns))
    return shown


NO_ROWS = "there are no rows"
