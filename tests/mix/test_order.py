"""The frozen census, copies over parents, rows inside a shard."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.mix import copies_of, order_census, shuffled
from augment.sample import CENSUS_SCHEMA


def census(rows: list[tuple[str, str, str]]) -> pa.Table:
    """Rows of (source, split, locator)."""
    columns = {
        "source": [r[0] for r in rows],
        "locator": [r[2] for r in rows],
        "split": [r[1] for r in rows],
        "label_name": ["c"] * len(rows),
        "rank": list(range(len(rows))),
        "size": [-1] * len(rows),
        "token": [""] * len(rows),
    }
    return pa.table(columns, schema=CENSUS_SCHEMA)


def simple(n: int, split: str = "train") -> pa.Table:
    return census([("photos", split, f"{i:05d}.jpg") for i in range(n)])


def test_every_row_once_and_splits_in_order_of_name() -> None:
    rows = [("a", ("train", "test", "val")[i % 3], str(i)) for i in range(100)]
    table, ranges = order_census(census(rows), 7)
    assert sorted(table["locator"].to_pylist()) == sorted(r[2] for r in rows)
    assert table.schema == CENSUS_SCHEMA
    assert ranges == {"test": (0, 33), "train": (33, 67), "val": (67, 100)}
    for split, (start, stop) in ranges.items():
        assert set(table["split"].slice(start, stop - start).to_pylist()) == {split}


def test_order_is_a_function_of_table_and_seed() -> None:
    first, _ = order_census(simple(200), 7)
    again, _ = order_census(simple(200), 7)
    other, _ = order_census(simple(200), 8)
    assert first.equals(again)
    assert not first.equals(other)
    assert not first.equals(simple(200))


def test_any_slice_is_a_fair_sample_of_a_census_sorted_by_class() -> None:
    table, _ = order_census(simple(10_000), 3)
    of_first_half = [int(name[:5]) < 5000 for name in table["locator"].to_pylist()]
    shares = [sum(of_first_half[i : i + 500]) / 500 for i in range(0, 10_000, 500)]
    assert max(abs(share - 0.5) for share in shares) < 0.1  # 4.6 standard deviations


def test_rows_of_a_block_stay_together_and_in_order() -> None:
    blocks = [f"part-{i // 10}.parquet#0" for i in range(100)]
    table, _ = order_census(simple(100), 7, pa.array(blocks))
    numbers = [int(name[:5]) for name in table["locator"].to_pylist()]
    runs = [list(run) for _, run in groupby(numbers, key=lambda i: i // 10)]
    assert [len(run) for run in runs] == [10] * 10
    assert all(run == sorted(run) for run in runs)
    assert [run[0] for run in runs] != sorted(run[0] for run in runs)


def test_equal_block_names_of_two_sources_are_two_blocks() -> None:
    rows = [(("a", "b")[i % 2], "train", str(i)) for i in range(40)]
    table, _ = order_census(census(rows), 7, ["part#0"] * 40)
    assert len(list(groupby(table["source"].to_pylist()))) == 2


def test_rows_without_a_block_stand_alone() -> None:
    blocks = np.array(["" if i < 50 else "part#0" for i in range(60)])
    with_blocks, _ = order_census(simple(60), 7, blocks)
    numbers = [int(name[:5]) for name in with_blocks["locator"].to_pylist()]
    at = numbers.index(50)
    assert numbers[at : at + 10] == list(range(50, 60))
    assert numbers[:at] + numbers[at + 10 :] != list(range(50))


def test_no_blocks_and_empty_blocks_are_the_same() -> None:
    assert order_census(simple(50), 7)[0].equals(order_census(simple(50), 7, [""] * 50)[0])


def test_an_empty_census() -> None:
    table, ranges = order_census(simple(0), 7)
    assert table.num_rows == 0
    assert ranges == {}


def test_blocks_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 blocks for 3 rows of the census; expected one each"):
        order_census(simple(3), 7, ["a", "b"])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(total=st.integers(0, 500), parents=st.integers(1, 60))
def test_copies_sum_to_the_total_and_differ_by_at_most_one(total: int, parents: int) -> None:
    copies = [copies_of(total, parents, i) for i in range(parents)]
    assert sum(copies) == total
    assert max(copies) - min(copies) <= 1
    assert copies == sorted(copies, reverse=True)


@pytest.mark.parametrize(("total", "parents", "position"), [(1, 0, 0), (1, 2, 2), (-1, 2, 0)])
def test_copies_of_nobody_are_refused(total: int, parents: int, position: int) -> None:
    with pytest.raises(ValueError, match="expected total >= 0 and 0 <= position < parents"):
        copies_of(total, parents, position)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(n=st.integers(0, 300), seed=st.integers(0, 2**63 - 1))
def test_shuffled_is_a_permutation(n: int, seed: int) -> None:
    order = shuffled(n, seed, "train-00000")
    assert sorted(order.tolist()) == list(range(n))
    assert order.dtype == np.int64


def test_shuffled_depends_on_seed_and_unit() -> None:
    plain = shuffled(50, 7, "train-00000").tolist()
    assert plain == shuffled(50, 7, "train-00000").tolist()
    assert plain != shuffled(50, 8, "train-00000").tolist()
    assert plain != shuffled(50, 7, "train-00001").tolist()


def test_shuffled_reaches_every_order_about_equally() -> None:
    seen = Counter(tuple(shuffled(4, seed, "u").tolist()) for seed in range(2400))
    assert len(seen) == 24
    # chi-squared with 23 degrees of freedom: 49.7 is its 0.999 quantile
    assert sum((n - 100) ** 2 / 100 for n in seen.values()) < 49.7
