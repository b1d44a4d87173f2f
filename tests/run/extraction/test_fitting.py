"""Which images the task's classifier is fit on, and that it is fit once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from augment.audit.table import DataSet, open_data_set
from augment.features import read_all
from augment.features.kept import Shelf
from augment.features.task import TaskNetwork
from augment.features.task_fit import NotFit
from augment.run import LocalEngine
from augment.run.extraction.extracting import extract
from augment.run.extraction.fitting import real_train, task_weights
from augment.run.progress import Silent
from augment.sample import SampleRow
from augment.storage import Folder
from tests.audit.conftest import CLASSES, JOB, TableBuilder, copy_of, png, real, synthetic

NUMBERS = {name: np.flatnonzero(load_digits().target == int(name)) for name in CLASSES}


def reals(each: int, split: str = "train", first: int = 0) -> list[SampleRow]:
    """Real digits that are what their labels say."""
    return [
        real(int(number), name, split)
        for name in CLASSES
        for number in NUMBERS[name][first : first + each]
    ]


def shard(name: str, number: int = 0) -> str:
    return f"data/train/{JOB}/{name}-{number:05}-aaaaaaaaaaaa.parquet"


def table(path: Path, *shards: Sequence[SampleRow]) -> DataSet:
    builder = TableBuilder(path).build({shard("t", at): rows for at, rows in enumerate(shards)})
    return open_data_set(builder.uri)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(Folder(str(tmp_path / "shelf")))


def weights_of(data: DataSet, shelf: Shelf) -> bytes | NotFit:
    return task_weights(data, shelf, 60.0, Silent(), most_steps=2)


def test_real_train_rows_and_nothing_else(tmp_path: Path) -> None:
    own = reals(4)
    others = [copy_of(own[0]), synthetic(0, "0"), synthetic(1, "1"), *reals(2, "test", first=20)]
    data = table(tmp_path / "set", [*others, *own[:5]], own[5:])
    ids = {row.sample_id for row in own}
    chosen = real_train(data)
    assert [one.label for one in chosen] == sorted(one.label for one in chosen)
    hashes = {row.sha256: row.sample_id for row in own}
    assert {hashes[one.known_by] for one in chosen} == ids


def test_a_seeded_part_of_each_class_whatever_the_shards(tmp_path: Path) -> None:
    own = reals(30)
    one = real_train(table(tmp_path / "one", own), most=36)
    other = real_train(table(tmp_path / "two", own[::-1][:50], own[::-1][50:]), most=36)
    assert [c.known_by for c in one] == [c.known_by for c in other]
    assert [sum(c.label == name for c in one) for name in CLASSES] == [12, 12, 12]
    least = real_train(table(tmp_path / "three", own), most=3)
    assert [sum(c.label == name for c in least) for name in CLASSES] == [8, 8, 8]


def test_it_is_fit_once_for_the_same_real_images(tmp_path: Path, shelf: Shelf) -> None:
    own = reals(12)
    first = weights_of(table(tmp_path / "one", own), shelf)
    assert isinstance(first, bytes)
    said: list[str] = []

    class Teller(Silent):
        def stage(self, name: str, total: int | None) -> None:
            said.append(name)

    grown = table(tmp_path / "two", own, [synthetic(n, "0") for n in range(3)])
    assert task_weights(grown, shelf, 60.0, Teller(), most_steps=2) == first
    assert said == []
    more = task_weights(table(tmp_path / "three", reals(13)), shelf, 60.0, Teller(), most_steps=2)
    assert said == ["fit the task's classifier"]
    assert more != first


@pytest.mark.parametrize("ending", ["*.json", "*.safetensors"])
def test_damaged_weights_are_fit_again(tmp_path: Path, shelf: Shelf, ending: str) -> None:
    data = table(tmp_path / "set", reals(10))
    first = weights_of(data, shelf)
    (place,) = (tmp_path / "shelf" / "task").glob(ending)
    place.write_bytes(place.read_bytes()[:-7])
    assert weights_of(data, shelf) == first
    (place,) = (tmp_path / "shelf" / "task").glob("*.safetensors")
    assert place.name == f"{hashlib.sha256(place.read_bytes()).hexdigest()}.safetensors"


def test_too_few_images_are_told(tmp_path: Path, shelf: Shelf) -> None:
    found = weights_of(table(tmp_path / "set", reals(7)), shelf)
    assert isinstance(found, NotFit)
    assert found.reason.startswith("0 classes have at least 8 real train images")


def test_images_that_cannot_be_decoded_are_left_out(tmp_path: Path, shelf: Shelf) -> None:
    own = reals(9)
    bad = [replace(own[0], image=b"no image"), replace(own[9], image=png(3)[:-40]), *own[1:9],
           *own[10:]]  # fmt: skip
    found = weights_of(table(tmp_path / "set", bad), shelf)
    assert isinstance(found, bytes)
    from augment.features import Asked

    about = TaskNetwork(Asked("task", fitted=found)).fit
    assert about.images + about.held_out == 25


def test_features_of_the_task(tmp_path: Path) -> None:
    data = table(tmp_path / "set", reals(12), [synthetic(n, "7") for n in range(4)])
    with extract(data, read_all(["task", "random"]), LocalEngine()) as found:
        assert [info.name for info in found.infos] == ["task", "random"]
        assert found.made == {"task": 2, "random": 2}
        sizes = [kept.features.shape for _, kept in found.shards("task")]
        assert sizes == [(36, 128), (4, 128)]
        network = found.extractor("task")
        assert isinstance(network, TaskNetwork)
        assert network.info == found.infos[0]
    with extract(data, read_all(["task"]), LocalEngine()) as again:
        assert again.made == {"task": 0}
        assert again.infos == found.infos[:1]


def test_why_there_are_no_features_of_the_task(tmp_path: Path) -> None:
    data = table(tmp_path / "set", reals(3))
    with extract(data, read_all(["task", "random"]), LocalEngine()) as found:
        assert [info.name for info in found.infos] == ["random"]
        assert list(found.not_computed) == ["task"]
        assert "a classifier needs 2 such classes" in found.not_computed["task"]
        with pytest.raises(KeyError):
            next(found.shards("task"))
