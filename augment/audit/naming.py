"""Which rows hold one of a few images or pictures: for people who must look at them.

Read only where something was found, so that an audit of a good data set costs nothing for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import read_facts
from augment.audit.ids import first_64_bits
from augment.audit.table import DataSet

_MOST = 2


class Named:
    """Some rows of each of a few images. column: `sha256` or `pixels_sha256`; keys: the first 64
    bits of its values."""

    def __init__(self, data: DataSet, column: str, keys: Collection[int]) -> None:
        """Reads the version, unless there is nothing to look for.

        Raises:
            StorageError: a shard vanished or is damaged.
        """
        self._rows: dict[int, list[Mapping[str, Any]]] = {}
        for key, row in _rows(data, column, keys) if keys else ():
            self._keep(self._rows.setdefault(key, []), row)

    def of(self, key: int) -> str:
        """`, for example <row> and <row>` of an image; "" where it was not found."""
        texts = [_text(row) for row in self._rows.get(key, ())]
        return f", for example {' and '.join(texts)}" if texts else ""

    @staticmethod
    def _keep(some: list[Mapping[str, Any]], row: Mapping[str, Any]) -> None:
        """Rows that differ in split, class or origin say most: they stand in for equal ones."""
        places = [_place(one) for one in some]
        if len(some) < _MOST:
            some.append(row)
        elif len(set(places)) < len(places) and _place(row) not in places:
            some[-1] = row


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["split"], row["label_name"], row["origin"]


def _rows(
    data: DataSet, column: str, keys: Collection[int]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    wanted = np.array(sorted(keys), np.uint64)
    for shard in data.shards:
        for facts in read_facts(data, shard, (column, "sample_id", "locator")):
            if facts.lacks([column], seen=True):
                continue
            rows = facts.rows.filter(pc.is_valid(facts.rows[column]))
            found = first_64_bits(rows[column]) if rows.num_rows else np.empty(0, np.uint64)
            hits = np.flatnonzero(np.isin(found, wanted))
            lines = rows.take(pa.array(hits)).to_pylist()
            yield from zip(found[hits].tolist(), lines, strict=True)


def _text(row: Mapping[str, Any]) -> str:
    name = f"sample {row['sample_id']}" if row.get("sample_id") else "a row"
    place = f", {row['locator']!r}" if row.get("locator") else ""
    return f"{name} ({row['origin']}, split {row['split']}, class {row['label_name']!r}{place})"
