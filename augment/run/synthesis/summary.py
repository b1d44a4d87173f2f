"""What the records of one claim say together: sets of indexes by class, and what was spent.

A claim's units lie beside one another, so that what 10,000 records say of a class is mostly
one interval. Pure; knows nothing of files.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augment.intervals import Interval, Intervals
from augment.run.synthesis.cost import Spent

MADE, FAILED, REJECTED = "made", "failed", "rejected"
Said = dict[tuple[str, str], dict[str, Intervals]]
"""(kind, reason) -> class -> indexes; only what was rejected has a reason."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in ("kind", "filters", "reason", "label")),
        ("start", pa.int64()),
        ("stop", pa.int64()),
    ]
)


def summarise(records: Sequence[Mapping[str, Any]]) -> tuple[pa.Table, dict[str, Any]]:
    """(sets of indexes, counts) of records of disjoint units. Verdicts are in it only of filters
    by which all units were judged that have a shard."""
    spans: dict[tuple[str, str, str, str], list[Interval]] = defaultdict(list)
    spent: dict[str, Spent] = {}
    shards = [record for record in records if record["entry"] is not None]
    judged = [set(record["verdicts"]) for record in shards]
    filters = sorted(set.intersection(*judged)) if judged else []
    for record in records:
        job = str(record["stamp"][0])
        spent[job] = spent.get(job, Spent()).plus(record)
        for label, index, _ in record["failed"]:
            spans[FAILED, "", "", label].append((index, index + 1))
    for record in shards:
        for group in record["groups"]:
            for label, some in group.items():
                spans[MADE, "", "", label] += some
        for one in filters:
            for reason, label, some in _rejected(record["verdicts"][one]):
                spans[REJECTED, one, reason, label] += some
    about = {
        "units": len(records),
        "shards": len(shards),
        "bytes": sum(record["entry"]["size"] for record in shards),
        "filters": filters,
        "spent": {job: some.to_keep() for job, some in sorted(spent.items())},
    }
    return _table(spans), about


def _rejected(groups: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Interval]]]:
    return [
        (reason, label, some)
        for group in groups
        for reason, by_class in group.items()
        for label, some in by_class.items()
    ]


def _table(spans: Mapping[tuple[str, str, str, str], list[Interval]]) -> pa.Table:
    rows = [
        (*what, start, stop)
        for what, some in sorted(spans.items())
        for start, stop in Intervals(some).spans
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in _SCHEMA)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
    return pa.table(arrays, schema=_SCHEMA)


def said_together(summaries: Sequence[pa.Table], filters: str) -> Said:
    """What several summaries say, of the verdicts those of one digest of filters."""
    table = pa.concat_tables(summaries)
    codes, values = _coded(table, "filters")
    own = np.isin(codes, [at for at, value in enumerate(values) if value in ("", filters)])
    cells = np.zeros(int(own.sum()), dtype=np.int64)
    names: list[list[str]] = []
    for name in ("kind", "reason", "label"):
        codes, values = _coded(table, name)
        cells = cells * len(values) + codes[own]
        names.append(values)
    order = np.argsort(cells, kind="stable")
    starts = table.column("start").to_numpy()[own][order]
    stops = table.column("stop").to_numpy()[own][order]
    cells = cells[order]
    bounds = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), order.size]
    out: Said = {}
    for a, b in itertools.pairwise(bounds if order.size else ()):
        at, label = divmod(int(cells[a]), len(names[2]))
        kind, reason = divmod(at, len(names[1]))
        sets = out.setdefault((names[0][kind], names[1][reason]), {})
        sets[names[2][label]] = Intervals.between(starts[a:b], stops[a:b])
    return out


def _coded(table: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    column = table.column(name).unify_dictionaries().combine_chunks()
    return column.indices.to_numpy(), column.dictionary.to_pylist()
