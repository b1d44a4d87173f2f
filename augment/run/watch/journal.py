"""A run's own account of itself, kept beside its work while it lasts: for `augment status`.

Wraps the reporter of a run, so that what a terminal is told is kept as well. What the file
holds is `write/journal.py`'s.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from augment.run.progress import Reporter
from augment.run.watch.telling import Telling
from augment.storage import Folder
from augment.write import Journal


@contextlib.contextmanager
def journaled(
    folder: Folder, verb: str, reporter: Telling, about: Mapping[str, Any], secrets: Sequence[str]
) -> Iterator[Journal]:
    """What the reporter is told inside, and how the block ends, goes into a journal. folder: of the
    job's work. about, secrets: see `Journal`."""
    kept = Journal(folder, verb, time.time, about, secrets)
    with kept as journal, reporter.wrapped(lambda inner: _Told(inner, journal)):
        yield journal


class _Told:
    """A reporter whose words are kept as well."""

    def __init__(self, reporter: Reporter, journal: Journal) -> None:
        self._reporter, self._journal = reporter, journal

    def stage(self, name: str, total: int | None) -> None:
        self._journal.stage(name, total)
        self._reporter.stage(name, total)

    def advance(self, done: int, rows: int) -> None:
        self._journal.advance(done)
        self._reporter.advance(done, rows)

    def doing(self, text: str) -> None:
        self._journal.doing(text)
        self._reporter.doing(text)

    def note(self, text: str) -> None:
        self._reporter.note(text)
