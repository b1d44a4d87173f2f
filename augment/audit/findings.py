"""What an audit may say against a data set, and what it looked at. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. check: name of the check that found it. n: rows or cells
    concerned. text: place, what came, what was expected. warns: it is for the owner to weigh;
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


NO_ROWS = "there are no rows"
