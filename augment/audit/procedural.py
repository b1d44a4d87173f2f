"""Generated rows that no model has made, but a family that is there to try a job with.

They are marked and counted as they should be, and teach a classifier nothing of its classes. The
column `digital_source_type` tells them: `algorithmicMedia` (IPTC Digital Source Type NewsCodes).
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import Facts
from augment.audit.findings import Check, Finding, not_judged
from augment.sample import DigitalSourceType

_NAME = "procedural"
_ASKS = "a trained model made every generated row"
_NAMED = 3


class Procedural:
    """Counts them over batches."""

    def __init__(self) -> None:
        self._seen = 0
        self._classes: Counter[str] = Counter()
        self._skipped = ""

    def add(self, facts: Facts) -> None:
        """Look at a batch."""
        if facts.lacks(["digital_source_type"]):
            self._skipped = f"shard {facts.shard} has no digital_source_type"
            return
        generated = facts.rows.filter(facts.rows["generated"])
        self._seen += generated.num_rows
        kind = pc.fill_null(generated["digital_source_type"], "")
        found = generated.filter(pc.equal(kind, DigitalSourceType.ALGORITHMIC_MEDIA.value))
        self._classes.update(_names(found["label_name"]))

    def results(self) -> tuple[list[Check], list[Finding]]:
        """The check, and a warning where there are some."""
        if self._skipped:
            return [Check(_NAME, None, f"{_ASKS}: not checked, {self._skipped}")], []
        if not self._seen:
            return [not_judged(_NAME, _ASKS, "there are no generated rows")], []
        n = sum(self._classes.values())
        if not n:
            return [Check(_NAME, True, f"{_ASKS}: {self._seen} generated rows")], []
        some = ", ".join(f"{name!r}: {k}" for name, k in self._classes.most_common(_NAMED))
        more = ", ..." if len(self._classes) > _NAMED else ""
        text = (
            f"{n} of {self._seen} generated rows come from a procedural family, there to try a job "
            f"with (by class {some}{more}): they teach a classifier nothing of its classes"
        )
        return [Check(_NAME, False, f"{_ASKS}: not so for {n} rows")], [
            Finding(_NAME, text, n, warns=True)
        ]


def _names(column: pa.ChunkedArray) -> Counter[str]:
    counted = pc.value_counts(column)
    return Counter({one["values"]: one["counts"] for one in counted.to_pylist()})
