"""A small data set of digits, whose features are extracted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.audit.table import DataSet, open_data_set
from augment.features import read_all
from augment.features.asked import Asked
from tests.audit.conftest import TableBuilder, small_set

RANDOM: tuple[Asked, ...] = read_all(["random"])
"""The quickest extractor."""


@pytest.fixture
def table(tmp_path: Path) -> TableBuilder:
    """Three shards of 9, 7 and 9 rows, in a Delta table of augment's."""
    return TableBuilder(tmp_path / "set").build(small_set())


@pytest.fixture
def data(table: TableBuilder) -> DataSet:
    return open_data_set(table.uri)


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[..., DataSet]:
    """`foreign(image=[...], label=[...])`: a folder with one Parquet file of these columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def make(**columns: Any) -> DataSet:
        place = tmp_path / "foreign"
        place.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), place / "part.parquet")
        return open_data_set(str(place))

    return make
