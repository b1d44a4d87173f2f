"""Real images that pass through as they are although Pillow, and so `datasets`, does not open
them: how many, and the first ones, from the rows of a unit to the job's record. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 5
Refused = tuple[str, str, str]
"""Source, locator, and why."""


def in_record(found: Sequence[Refused]) -> dict[str, Any]:
    """What a unit's record says; nothing where there is none."""
    if not found:
        return {}
    return {"refused": {"n": len(found), "first": [list(one) for one in found[:_SHOWN]]}}


def in_job(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the job's record says of all its units; also that there are none."""
    told = [record["refused"] for record in records if "refused" in record]
    first = [one for each in told for one in each["first"]]
    return {"refused": {"n": sum(each["n"] for each in told), "first": first[:_SHOWN]}}
