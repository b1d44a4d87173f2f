"""Unique ids: exact against a plain set, in one pass or several."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.audit.ids import repeated_ids, unhex
from augment.audit.table import DataSet, Shard
from augment.storage import Folder

IDS = st.lists(
    st.one_of(
        st.integers(0, 5).map(lambda n: f"{n:032x}"),
        st.integers(0, 5).map(lambda n: f"{n:016x}" + "0" * 16),
        st.integers(0, 2).map(lambda n: f"{n:032X}".replace("0", "A")),
        st.sampled_from(["", "x", "f" * 31, "f" * 33, "0" * 32]),
    ),
    max_size=30,
)


def stored(folder: Path, ids: list[str], shards: int) -> DataSet:
    found = []
    for number in range(shards):
        path = f"{number}.parquet"
        part = pa.table({"sample_id": pa.array(ids[number::shards], pa.string())})
        pq.write_table(part, folder / path)
        found.append(Shard(path, (folder / path).stat().st_size))
    return DataSet(Folder(str(folder)), 0, tuple(found))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(ids=IDS, shards=st.integers(1, 3), rows_per_pass=st.integers(1, 40))
def test_repeats_equal_those_of_a_plain_count(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], shards: int, rows_per_pass: int
) -> None:
    data = stored(tmp_path_factory.mktemp("ids"), ids, shards)
    again, some = repeated_ids(data, len(ids), rows_per_pass)
    counted = Counter(ids)
    assert again == len(ids) - len(counted)
    assert all(counted[each] > 1 for each in some)
    assert bool(some) == bool(again)


def test_unhex_reads_a_slice_as_the_numbers_it_holds() -> None:
    texts = [f"{n * 0x0123456789ABCDEF0123:032x}" for n in range(20)]
    numbers = unhex(pa.array(texts).slice(3, 10), 32)
    assert numbers is not None
    expected = [(int(t[:16], 16), int(t[16:], 16)) for t in texts[3:13]]
    assert numbers.tolist() == [list(pair) for pair in expected]
    assert numbers.dtype == np.uint64


@pytest.mark.parametrize("odd", ["g" * 32, "F" * 32, "é" * 16, "0" * 31, None])
def test_unhex_refuses_what_is_no_hex(odd: str | None) -> None:
    assert unhex(pa.array(["0" * 32, odd]), 32) is None


def test_unhex_of_nothing_is_nothing() -> None:
    numbers = unhex(pa.array([], pa.string()), 32)
    assert numbers is not None
    assert numbers.shape == (0, 2)
