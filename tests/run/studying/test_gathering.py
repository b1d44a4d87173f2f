"""Rows as a study takes them: what each is, what it was made from, where its image stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit.table import open_data_set
from augment.codec import decode
from augment.errors import RequestError
from augment.features.resizing import resized
from augment.run.studying.gathering import read_images, read_rows, side_of
from augment.sample import AppliedOp
from augment.study.rows import COPIES, REAL, SYNTHETIC
from tests.audit.conftest import VAE, TableBuilder, small_set


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory: pytest.TempPathFactory) -> TableBuilder:
    return TableBuilder(tmp_path_factory.mktemp("study") / "set").build(small_set())


def test_rows_know_what_they_are_and_what_they_were_made_from(digits_set: TableBuilder) -> None:
    found = read_rows(open_data_set(digits_set.uri))
    rows = {row.sample_id: row for some in small_set().values() for row in some}
    assert sorted(found.ids) == sorted(rows)
    kinds = Counter(zip(found.splits, found.labels, found.kinds, strict=True))
    assert kinds["train", "0", REAL] == 4
    assert kinds["train", "0", COPIES] == 2
    assert kinds["train", "0", SYNTHETIC] == 3, "a copy of a generated image is synthetic"
    assert kinds["test", "7", REAL] == 3
    for n, own in enumerate(found.ids):
        assert found.parents[n] == tuple(one.sample_id for one in rows[own].parents)
        assert found.makers[n] == (VAE if rows[own].generated else None)
    assert sum(map(len, found.parents)) == 3


def test_a_real_row_that_was_changed_is_a_copy(tmp_path: Path) -> None:
    small_rows = small_set()
    rows = next(iter(small_rows.values()))
    rows[0] = replace(rows[0], transforms=(AppliedOp("Flip", "{}"),))
    found = read_rows(open_data_set(TableBuilder(tmp_path / "set").build(small_rows).uri))
    assert found.kinds[found.ids.index(rows[0].sample_id)] == COPIES


def test_images_come_in_the_order_of_rows(digits_set: TableBuilder) -> None:
    data = open_data_set(digits_set.uri)
    rows = read_rows(data)
    some = rows.some(np.random.default_rng(0).permutation(len(rows)).tolist()[:12])
    images, lost = read_images(data, some, 32, 60.0)
    assert lost == []
    known = {row.sample_id: row.image for shard in small_set().values() for row in shard}
    right = resized([decode(known[own], 1 << 20) for own in some.ids], 32)
    np.testing.assert_array_equal(images, right)


def test_the_side_follows_the_images(digits_set: TableBuilder, tmp_path: Path) -> None:
    assert side_of(open_data_set(digits_set.uri)) == 32
    large = {"width": [80, 30], "height": [90, 41], "label": ["a", "b"]}
    pq.write_table(pa.table(large), tmp_path / "large.parquet")
    assert side_of(open_data_set(str(tmp_path))) == 64


def test_rows_without_ids_are_refused(tmp_path: Path) -> None:
    table = pa.table({"label_name": ["a"], "generated": [False], "image": [b""]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(RequestError, match="has no column sample_id"):
        read_rows(open_data_set(str(tmp_path)))
