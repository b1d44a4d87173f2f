"""Untouched real rows whose files say that a machine made them, by class.

Such a row counts as real, as its source says; the mark in its file says otherwise. Which is
true only the owner can tell, so this warns.
"""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from augment.audit.facts import Facts, named
from augment.audit.findings import Check, Finding, not_judged
from augment.sample import Origin

_NAME = "claims"
_ASKS = "no untouched real image says of itself that a machine made it"
_NAMED = 5


class Claims:
    """Counts them over batches."""

    def __init__(self) -> None:
        self._seen = 0
        self._classes: Counter[str] = Counter()
        self._first = ""
        self._skipped = ""

    def add(self, facts: Facts) -> None:
        """Look at a batch."""
        if facts.lacks(["marks"], seen=True):
            self._skipped = f"shard {facts.shard} has no marks"
            return
        if "generated" in facts.seen:
            self._skipped = f"shard {facts.shard} has neither origin nor generated"
            return
        real = facts.rows.filter(pc.equal(facts.rows["origin"], Origin.REAL.value))
        self._seen += real.num_rows
        found = real.filter(real["claims"])
        if found.num_rows:
            self._first = self._first or named(found, 0, facts.shard)
            self._classes.update(found["label_name"].to_pylist())

    def results(self) -> tuple[list[Check], list[Finding]]:
        """The check, and a warning where there are some."""
        if self._skipped:
            return [Check(_NAME, None, f"{_ASKS}: not checked, {self._skipped}")], []
        if not self._seen:
            return [not_judged(_NAME, _ASKS, "there are no untouched real rows")], []
        n = sum(self._classes.values())
        if not n:
            return [Check(_NAME, True, f"{_ASKS}: {self._seen} untouched real rows")], []
        some = ", ".join(f"{name!r}: {k}" for name, k in self._classes.most_common(_NAMED))
        more = ", ..." if len(self._classes) > _NAMED else ""
        text = (
            f"{n} of {self._seen} untouched real images say of themselves that a machine made them "
            f"(by class {some}{more}); the first: {self._first}. They count as real here: take "
            "them out of the source, or know that every synthetic share is so much higher"
        )
        return [Check(_NAME, False, f"{_ASKS}: not so for {n} rows")], [
            Finding(_NAME, text, n, warns=True)
        ]
