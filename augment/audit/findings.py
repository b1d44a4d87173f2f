"""What an audit may say against a data set, and what it looked at. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. check: name of the check that found it. n: rows, images or
    cells concerned. text: place, what came, what was expected. warns: it is for the owner to weigh;
    the verdict stays what it is without it."""

    check: str
    text: str
    n: int = 1
    warns: bool = False


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. passed None: it could not be looked at, or there was nothing
    to look at; text says why."""

    name: str
    passed: bool | None
    text: str


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
