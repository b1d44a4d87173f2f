"""Retries of a job: their work folders, what they froze, and whether they ended.

    _work/<job>/retry-<k>/plan/pool.json     pool units that make failed indexes again
    _work/<job>/retry-<k>/plan/units.json    generation, and units of rows to try again
    _work/<job>/retry-<k>/plan/closed.json   {"committed": whether its records count}

Attempt k is begun when k - 1 is closed. The records of one count where it added a version, or
where it was made before the first commit, whose generation is 1. One that healed nothing of a
committed job commits nothing and uses up no generation. Knows nothing of how rows are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from augment.errors import InterruptedRun
from augment.write import Record, Work

_CLOSED = "closed.json"
_UNITS = "units.json"


@dataclass(frozen=True)
class Attempt:
    """One retry. work: its own folder of plan and records."""

    number: int
    work: Work

    def document(self, name: str) -> dict[str, Any] | None:
        """What was frozen under this name, if anything.

        Raises:
            InterruptedRun: it is not what this version writes.
        """
        text = self.work.frozen(name)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InterruptedRun(
                f"{self.work.folder.url(f'plan/{name}')}: {len(text)} bytes that are no frozen "
                "retry; it was changed by hand: remove this one file and retry again"
            )
        return found

    def freeze(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Fix a document, once; the one that holds."""
        held = self.work.freeze(name, json.dumps(document, sort_keys=True).encode())
        found: dict[str, Any] = json.loads(held)
        return found

    def units_planned(self) -> int | None:
        document = self.document(_UNITS)
        return None if document is None else len(document["units"])

    def close(self, *, committed: bool) -> None:
        self.freeze(_CLOSED, {"committed": committed})

    @property
    def closed(self) -> bool:
        return self.document(_CLOSED) is not None

    def committed(self, generation: int) -> bool:
        """Whether the records of this attempt count. generation: the newest committed one."""
        if (closed := self.document(_CLOSED)) is not None:
            return bool(closed["committed"])
        units = self.document(_UNITS)
        return units is not None and units["generation"] <= generation


class Attempts:
    """The retries of one job. work: the job's own folder."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def all(self) -> Iterator[Attempt]:
        """Every retry that was begun, in order."""
        numbers = [
            int(name.removeprefix("retry-"))
            for name in self._work.folder.folders()
            if name.startswith("retry-") and name.removeprefix("retry-").isdigit()
        ]
        for number in sorted(numbers):
            yield self._attempt(number)

    def current(self) -> Attempt:
        """The one that was begun and not closed, else a new one; nothing is written."""
        begun = list(self.all())
        if begun and not begun[-1].closed:
            return begun[-1]
        return self._attempt(begun[-1].number + 1 if begun else 1)

    def records(self, generation: int) -> list[Record]:
        """Records of the retries that added a version, in their order."""
        return [
            record
            for attempt in self.all()
            if attempt.committed(generation)
            for _, record in sorted(attempt.work.records())
        ]

    def _attempt(self, number: int) -> Attempt:
        return Attempt(number, Work(self._work.folder.child(f"retry-{number}")))
