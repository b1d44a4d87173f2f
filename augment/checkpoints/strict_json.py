"""JSON of strangers: one object, no key twice, nesting and size within limits.

Where a key stands twice, two readers may see two files. Knows no format.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from augment.checkpoints.blob import DAMAGED, Blob, shown
from augment.checkpoints.limits import MAX_DEPTH
from augment.errors import UnsafeCheckpoint


def read_object(
    blob: Blob, data: memoryview | None = None, *, what: str = "JSON", constants: bool = True
) -> dict[str, Any]:
    """The object in `data` (the whole blob by default), called `what` in errors. constants:
    whether NaN and Infinity, which JSON lacks and Python writes, are let through.

    Raises:
        UnsafeCheckpoint: it is no such object.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(found)
        if len(entries) != len(found):
            twice, _ = Counter(key for key, _ in found).most_common(1)[0]
            raise _refused(f"the key {shown(twice)} twice")
        return entries

    def constant(name: str) -> float:
        if not constants:
            raise _refused(f"the number {name}")
        return float(name)

    def _refused(came: str) -> UnsafeCheckpoint:
        return blob.refusal(f"{what} has {came}", "plain JSON", DAMAGED)

    try:
        text = str(blob.view if data is None else data, "utf-8")
        found = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise blob.refusal(f"{what} is not JSON ({error})", "an object", DAMAGED) from None
    if not isinstance(found, dict):
        raise blob.refusal(f"{what} is a {type(found).__name__}", "an object", DAMAGED)
    if _is_deep(found):
        raise _refused(f"values inside values more than {MAX_DEPTH} deep")
    return found


def _is_deep(found: object) -> bool:
    """What one reader takes, another may not: how deep a parser goes depends on its caller."""
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list) for inner in
                 (value.values() if isinstance(value, dict) else value)]  # fmt: skip
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)
