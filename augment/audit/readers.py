"""Whether the usual reader can open every untouched image, as the jobs said when they wrote them.

The images themselves are not read here: a job tries the few that leave room for doubt, and keeps
what came of it in its job.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augment.audit.findings import Check, Finding, not_judged

_NAME = "readers"
_ASKS = "Pillow, and so `datasets`, opens every untouched image"


def check_readers(
    jobs: Mapping[str, Mapping[str, Any]],
) -> tuple[list[Check], list[Finding]]:
    """jobs: job id -> its job.json. No check where no job says anything of it."""
    said = [told for _, body in sorted(jobs.items()) if (told := _told(body)) is not None]
    if not said:
        return ([not_judged(_NAME, _ASKS, "no job says so")], []) if jobs else ([], [])
    n = sum(count for count, _ in said)
    if not n:
        return [Check(_NAME, True, f"{_ASKS}: {len(said)} jobs say so")], []
    first = next(place for count, place in said if count)
    text = (
        f"{n} untouched images pass through byte for byte, but Pillow, and so `datasets`, does not "
        f"open them; the first: {first}. Save those files without that metadata "
        "and run again, or read them with PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True, which "
        "passes over most of it; their copies have none"
    )
    return [Check(_NAME, False, f"{_ASKS}: not so for {n}")], [Finding(_NAME, text, n, warns=True)]


def _told(body: Mapping[str, Any]) -> tuple[int, str] | None:
    """How many images, and the first one in words; None where the job does not say."""
    match body.get("refused"):
        case {"n": int(n), "first": [[*first], *_]} if n > 0:
            return n, ": ".join(map(str, first))
        case {"n": 0}:
            return 0, ""
    return None
