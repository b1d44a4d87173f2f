"""Counts of rows by the values of attributes, batch by batch.

Values are texts, as `row_attributes` finds them; a row may have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import ATTRIBUTE, Facts
from augment.errors import RequestError
from augment.sample import Origin

MOST_VALUES = 100
"""Of one attribute; what has more is a name or a measurement."""


class Cell(NamedTuple):
    """Rows of one value in a class of a split. value: None where a row has none. maker: a
    generator's id, "augmented", or None of real rows."""

    split: str
    class_name: str
    maker: str | None
    value: str | None


class Counts:
    """Of the rows that were added. names: of attributes."""

    def __init__(self, names: Sequence[str]) -> None:
        self.of: dict[str, Counter[Cell]] = {name: Counter() for name in names}
        self._known: set[str] = set()

    def add(self, facts: Facts) -> None:
        """Count a batch.

        Raises:
            RequestError: an attribute has more than `MOST_VALUES` values.
        """
        self._known |= facts.attributes
        rows = facts.rows
        for name, counts in self.of.items():
            maker = _makers(rows)
            table = pa.table(
                {
                    "split": rows["split"],
                    "class_name": rows["label_name"],
                    "maker": maker,
                    "value": rows[f"{ATTRIBUTE}{name}"],
                }
            )
            grouped = table.group_by(table.column_names).aggregate([([], "count_all")])
            for line in grouped.to_pylist():
                n = line.pop("count_all")
                counts[Cell(**line)] += n
            values = {cell.value for cell in counts}
            if len(values) > MOST_VALUES:
                some = ", ".join(sorted(repr(v) for v in values if v is not None)[:3])
                raise RequestError(
                    f"attribute {name!r}: has more than {MOST_VALUES} different values, for "
                    f"example {some}; expected a property of a few values, such as the time of "
                    "day: bin numbers first"
                )

    def check(self) -> None:
        """Raises: RequestError: no row has an attribute that was asked for."""
        for name, counts in self.of.items():
            if counts and all(cell.value is None for cell in counts):
                known = ", ".join(sorted(self._known)[:20]) or "none"
                raise RequestError(
                    f"attribute {name!r}: no row has it; expected a column of that name, or an "
                    f"entry of the rows' `attributes`. There are: {known}"
                )


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, in order.

    Raises:
        RequestError: one is empty, or stands twice.
    """
    asked = tuple(names)
    for at, name in enumerate(asked):
        if not name or name in asked[:at]:
            what = "it stands twice" if name else "it is empty"
            raise RequestError(f"attribute {name!r}: {what}; expected different names")
    return asked


def _makers(rows: pa.Table) -> pa.ChunkedArray:
    """As in `Cell`."""
    real = pc.equal(rows["origin"], Origin.REAL.value)
    other = pc.if_else(real, pa.scalar(None, pa.string()), "augmented")
    return pc.if_else(rows["generated"], pc.fill_null(rows["generator"], "generated"), other)
