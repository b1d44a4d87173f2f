"""What the row of a classical copy says of how it was made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from augment.codec import claimed
from augment.run.synthesis.pool_unit import system_name
from augment.sample import AppliedOp, DigitalSourceType, Origin, SampleRow
from augment.seeds import canonical_json


def copied(row: SampleRow) -> tuple[Origin, str | None]:
    """Origin and digital source type of a row's classical copies. A generative term wins over
    classical ones, also where only the parent's file says it."""
    if row.generated:
        return row.origin, row.digital_source_type
    kind = claimed(row.marks) or DigitalSourceType.ALGORITHMICALLY_ENHANCED
    return Origin.AUGMENTED, kind.value


def maker(row: SampleRow) -> str | None:
    """The system that a mark in the row's copies names; None: copies carry no mark."""
    if row.generator is not None:
        return system_name(row.generator.family, row.generator.id)
    return None if claimed(row.marks) is None else "not known: the parent's own mark said so"


@lru_cache(maxsize=1024)
def rule(name: str, digest: str, copy: int, redraw: int, unchanged: bool) -> AppliedOp:
    """What a copy carries before its operations: the augmentation that made it, its number, how
    often it was drawn again, and that it equals its parent, where it does."""
    said: dict[str, object] = {"copy": copy, "digest": digest, "name": name}
    if redraw:
        said["redraw"] = redraw
    if unchanged:
        said["unchanged"] = True
    return AppliedOp("augmentation", canonical_json(said))


def decoding(lost: Mapping[str, Any]) -> tuple[AppliedOp, ...]:
    """What was lost when the parent was decoded (see `codec.pixels`); () where nothing was."""
    return (AppliedOp("decode", canonical_json(dict(lost))),) if lost else ()
