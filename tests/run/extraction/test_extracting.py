"""Features of a data set: made once, the same on every engine, and whole after any end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.audit.table import DataSet, open_data_set
from augment.errors import InterruptedRun, RequestError, StorageError
from augment.features import build, read_all
from augment.run import LocalEngine, ProcessEngine, Resources, Task
from augment.run.extraction.extracting import How, engine_for, extract
from augment.spec.execution import Execution
from tests.audit.conftest import TableBuilder, png, small_set
from tests.run.extraction.conftest import RANDOM


class Counting(LocalEngine):
    """Counts units; breaks after `most` of them."""

    def __init__(self, most: int = 99) -> None:
        self.most, self.units = most, 0

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        for result in super().run(task, units, resources):
            self.units += 1
            yield result
            if self.units >= self.most:
                raise InterruptedRun("the machine is gone")


def whole(data: DataSet, engine: Any = None, how: How | None = None) -> np.ndarray:
    """(rows of the data set, D) by `random`."""
    with extract(data, RANDOM, engine or LocalEngine(), how or How()) as found:
        return np.concatenate([kept.features for _, kept in found.shards("random")])


def test_a_vector_for_every_row_in_its_order(data: DataSet) -> None:
    images = {row.sample_id: row.image for rows in small_set().values() for row in rows}
    with extract(data, RANDOM, LocalEngine()) as found:
        shards = list(found.shards("random"))
        assert found.made == {"random": 3}
    assert [shard.path for shard, _ in shards] == [shard.path for shard in data.shards]
    ids = [one for _, kept in shards for one in kept.sample_ids]
    assert set(ids) == set(images)
    from augment.codec import decode

    expected = build("random")([decode(images[one], 1 << 20) for one in ids])
    np.testing.assert_allclose(
        np.concatenate([kept.features for _, kept in shards]), expected, atol=1e-5
    )
    for _, kept in shards:
        assert kept.rows.tolist() == list(range(len(kept.rows)))
        assert kept.lost == ()


def test_the_second_time_nothing_is_made(data: DataSet) -> None:
    first, engine = whole(data), Counting()
    np.testing.assert_array_equal(whole(data, engine), first)
    assert engine.units == 0


def test_an_extractor_more_reads_the_others(data: DataSet) -> None:
    whole(data)
    with extract(data, read_all(["random", "efficientnet_lite0"]), LocalEngine()) as found:
        assert found.made == {"random": 0, "efficientnet_lite0": 3}
        dimensions = {info.name: info.dimensions for info in found.infos}
        for name in dimensions:
            for _, kept in found.shards(name):
                assert kept.features.shape[1] == dimensions[name]


def test_processes_give_the_same_bytes(data: DataSet) -> None:
    with ProcessEngine(cpus=2) as engine:
        by_processes = whole(data, engine, How(cache="none"))
    np.testing.assert_array_equal(whole(data, how=How(cache="none")), by_processes)


def test_what_was_whole_when_a_run_broke_is_not_made_again(data: DataSet) -> None:
    with pytest.raises(InterruptedRun, match="the machine is gone"):
        whole(data, Counting(most=2))
    engine = Counting()
    whole(data, engine)
    assert engine.units == 1


def test_a_new_version_costs_its_new_shards(table: TableBuilder, data: DataSet) -> None:
    whole(data)
    rows = [replace(row, sample_id=f"{k:032x}") for k, row in enumerate(small_set().popitem()[1])]
    table.commit([table.shard("data/test/digits-0123456789ab/more-dddddddddddd.parquet", rows)])
    with extract(open_data_set(table.uri), RANDOM, LocalEngine()) as found:
        assert found.made == {"random": 1}
        assert len(list(found.shards("random"))) == 4
    with extract(open_data_set(table.uri, 0), RANDOM, LocalEngine()) as found:
        assert found.made == {"random": 0}
        assert len(list(found.shards("random"))) == 3


def test_a_file_damaged_meanwhile_is_made_again(data: DataSet, table: TableBuilder) -> None:
    first = whole(data)
    for place in (table.path / "_features").rglob("*.safetensors"):
        place.write_bytes(place.read_bytes()[:-9])
    with extract(data, RANDOM, LocalEngine()) as found:
        again = np.concatenate([kept.features for _, kept in found.shards("random")])
        assert found.made == {"random": 3}
    np.testing.assert_array_equal(again, first)
    with extract(data, RANDOM, LocalEngine()) as found:
        assert sum(kept.features.shape[0] for _, kept in found.shards("random")) == len(first)
        assert found.made == {"random": 0}


def test_rows_without_a_picture_are_named_and_the_others_are_there(
    foreign: Callable[..., DataSet],
) -> None:
    cut = png(1)[:-30]
    images = [png(0), b"", png(2), b"no image", None, cut]
    data = foreign(image=images, label_name=["a"] * 6, generated=[False] * 6)
    with extract(data, RANDOM, LocalEngine(), How(cache="none")) as found:
        ((_, kept),) = found.shards("random")
    assert kept.rows.tolist() == [0, 2]
    assert kept.sample_ids == ("", "")
    assert [(one.row, one.reason) for one in kept.lost] == [
        (1, "empty"), (3, "not_image"), (4, "empty"), (5, "truncated"),
    ]  # fmt: skip


def test_changed_bytes_under_an_old_name_are_seen(
    foreign: Callable[..., DataSet], tmp_path: Path
) -> None:
    """Also where time and size are the same."""
    how = How(cache=str(tmp_path / "cache"))
    first = whole(foreign(image=[png(0), png(1)]), how=how)
    place = tmp_path / "foreign" / "part.parquet"
    state = place.stat()
    engine = Counting()
    np.testing.assert_array_equal(whole(foreign(image=[png(0), png(1)]), engine, how), first)
    data = foreign(image=[png(0), png(0)])
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
    again = whole(data, how=how)
    np.testing.assert_array_equal(again[0], first[0])
    np.testing.assert_array_equal(again[1], first[0])


def test_a_shard_without_images_is_an_error(foreign: Callable[..., DataSet]) -> None:
    data = foreign(picture=[png(0)], label=["a"])
    with pytest.raises(RequestError, match=r"shard part\.parquet has no column image, so nothing"):
        whole(data, how=How(cache="none"))


def test_a_shard_that_is_gone_is_an_error(data: DataSet, table: TableBuilder) -> None:
    (table.path / data.shards[1].path).unlink()
    with pytest.raises(StorageError, match=r"shard data/train/.* is named by the version but is"):
        whole(data)
    (place,) = (p for p in (table.path / "_features").iterdir() if len(p.name) == 32)
    assert len(list(place.glob("*.safetensors"))) == 1


def test_a_data_set_without_rows_has_none(tmp_path: Path) -> None:
    builder = TableBuilder(tmp_path / "empty").build(small_set())
    from deltalake import DeltaTable

    DeltaTable(builder.uri).delete()
    with extract(open_data_set(builder.uri), RANDOM, LocalEngine()) as found:
        assert list(found.shards("random")) == []
        assert found.made == {"random": 0}


def test_nothing_asked_is_nothing_made(data: DataSet) -> None:
    engine = Counting()
    with extract(data, (), engine) as found:
        assert found.infos == ()
        with pytest.raises(KeyError):
            next(found.shards("random"))
    assert engine.units == 0


def test_progress_is_told(data: DataSet) -> None:
    said: list[tuple[Any, ...]] = []

    class Teller:
        def stage(self, name: str, total: int | None) -> None:
            said.append((name, total))

        def advance(self, done: int, rows: int) -> None:
            said.append((done, rows))

        def doing(self, text: str) -> None: ...

        def note(self, text: str) -> None: ...

    whole(data, how=How(reporter=Teller()))
    assert said[0] == ("extract", 3)
    assert said[1:] == [(n, shard.rows) for n, shard in enumerate(data.shards, start=1)]


def test_the_extractor_itself_can_be_asked(data: DataSet) -> None:
    with extract(data, RANDOM, LocalEngine()) as found:
        assert found.extractor("random").info == found.infos[0]


@pytest.mark.parametrize(
    ("name", "expected"), [("local", "local"), ("processes", "processes"), (None, "local")]
)
def test_an_engine_by_name(name: Any, expected: str) -> None:
    with engine_for(Execution(engine="local"), name) as engine:
        assert engine.name == expected
