"""A census, or a list of inputs, as it is frozen with a plan: one Parquet file, of which a unit
reads the few row groups that its own rows lie in."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from augment.sample import RealRow
from augment.write import Work

_CENSUS_GROUP = 4096


def keep_census(work: Work, kind: str, table: pa.Table) -> str:
    """Freeze it; the name of its file."""
    data = census_bytes(table)
    name = f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}.parquet"
    work.freeze(name, data)
    return name


def census_bytes(table: pa.Table) -> bytes:
    """A census or a list of inputs as the Parquet file that `read_rows` reads."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=_CENSUS_GROUP, compression="zstd")
    return sink.getvalue()


def read_census(work: Work, name: str, start: int, stop: int) -> list[RealRow]:
    """Rows start .. stop-1 of the frozen census; reads only the row groups they lie in."""
    if start >= stop:
        return []
    with work.folder.open(f"plan/{name}") as file:
        parquet = pq.ParquetFile(file)
        first, last = start // _CENSUS_GROUP, (stop - 1) // _CENSUS_GROUP
        table = parquet.read_row_groups(list(range(first, last + 1)))
    return _real_rows(table.slice(start - first * _CENSUS_GROUP, stop - start))


def read_rows(work: Work, name: str, wanted: Iterable[int]) -> dict[int, RealRow]:
    """Some rows of a frozen list, by their numbers; reads only the row groups they lie in."""
    by_group: dict[int, list[int]] = {}
    for row in sorted(set(wanted)):
        by_group.setdefault(row // _CENSUS_GROUP, []).append(row)
    found: dict[int, RealRow] = {}
    with work.folder.open(f"plan/{name}") as file:
        parquet = pq.ParquetFile(file)
        for group, rows in by_group.items():
            local = pa.array([row - group * _CENSUS_GROUP for row in rows])
            table = parquet.read_row_group(group).take(local)
            found |= dict(zip(rows, _real_rows(table), strict=True))
    return found


def _real_rows(table: pa.Table) -> list[RealRow]:
    columns = table.to_pydict()
    return [
        RealRow(*values)
        for values in zip(*(columns[f] for f in RealRow.__dataclass_fields__), strict=True)
    ]
