"""Batches that do not fit in memory are halved, and stay so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from augment.errors import RequestError
from augment.generators import (
    GeneratedBatch,
    GeneratorHost,
    Halving,
    SampleRequest,
    describe,
    load_host,
)
from augment.spec.generators import PaletteGenerator
from tests.contracts.generator_contract import requests

SPEC = PaletteGenerator(family="palette", classes=["a", "b"], size=8)


class Small:
    """A palette with room for `rows` rows."""

    def __init__(self, rows: int, error: type[Exception]) -> None:
        self._host: GeneratorHost = load_host("mine", SPEC, describe("mine", SPEC))
        self.rows, self.error = rows, error
        self.sizes: list[int] = []

    info = property(lambda self: self._host.info)

    def validate(self, request: SampleRequest) -> None:
        self._host.validate(request)

    def batch_key(self, request: SampleRequest) -> object:
        return self._host.batch_key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        self.sizes.append(len(batch))
        if len(batch) > self.rows:
            raise self.error("no room")
        made = self._host.generate(batch)
        return GeneratedBatch(made.images, made.failed, tuple({"id": r.sample_id} for r in batch))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_a_batch_is_halved_until_it_fits(error: type[Exception]) -> None:
    small = Small(3, error)
    host = Halving(small)
    batch = requests(small.info, ["a", "b"], 7)
    made = host.generate(batch)
    assert np.array_equal(made.images, Small(99, error).generate(batch).images)
    assert made.failed == (None,) * 14
    assert [note["id"] for note in made.notes] == [r.sample_id for r in batch]
    assert host.limit == 3
    assert small.sizes == [14, 7, 3, 3, 1, 3, 3, 1]


def test_the_limit_is_remembered() -> None:
    small = Small(4, MemoryError)
    host = Halving(small)
    host.generate(requests(small.info, ["a", "b"], 4))
    small.sizes.clear()
    host.generate(requests(small.info, ["a", "b"], 4))
    assert small.sizes == [4, 4]


class Poisoned(Small):
    """Raises for every batch with a row of `poison` in it."""

    def __init__(self, poison: Sequence[int], error: type[Exception] = ValueError) -> None:
        super().__init__(99, error)
        self.poison = set(poison)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        if bad := self.poison & {r.index for r in batch}:
            self.sizes.append(len(batch))
            raise self.error(f"cannot make {sorted(bad)}")
        return super().generate(batch)


@pytest.mark.parametrize(
    ("error", "reason"), [(ValueError, "raised"), (MemoryError, "out_of_memory")]
)
def test_a_row_that_raises_fails_and_its_neighbours_are_made(
    error: type[Exception], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = Poisoned([5], error)
    batch = requests(host.info, ["a"], 16)
    made = Halving(host).generate(batch)
    clean = Small(99, error).generate(batch)
    assert made.failed == (None,) * 5 + (reason,) + (None,) * 10
    assert np.array_equal(np.delete(made.images, 5, 0), np.delete(clean.images, 5, 0))
    assert not made.images[5].any()
    assert [note.get("id") for note in made.notes] == [
        None if i == 5 else r.sample_id for i, r in enumerate(batch)
    ]
    assert f"sample {batch[5].sample_id}: {error.__name__}: cannot make [5]" in caplog.text


def test_a_row_that_raises_leaves_the_limit_alone() -> None:
    host = Halving(Poisoned([0]))
    host.generate(requests(host.info, ["a"], 4))
    assert host.limit is None


def test_one_row_that_raises_fails_with_zeros() -> None:
    host = Halving(Poisoned([0]))
    made = host.generate(requests(host.info, ["a"], 1))
    assert (made.failed, made.notes) == (("raised",), ())
    assert made.images.shape == (1, host.info.channels, 8, 8)
    assert not made.images.any()


def test_a_host_that_makes_nothing_is_broken() -> None:
    broken = Poisoned(range(64))
    with pytest.raises(ValueError, match="cannot make"):
        Halving(broken).generate(requests(broken.info, ["a"], 64))
    assert broken.sizes.count(1) == 4  # it is not asked for every row
    with pytest.raises(MemoryError, match="no room"):
        Halving(Small(0, MemoryError)).generate(requests(broken.info, ["a"], 2))


def test_a_request_that_is_refused_is_no_row_that_failed() -> None:
    small = Small(99, ValueError)
    other = SampleRequest("00" * 16, "c", 0)
    with pytest.raises(RequestError, match="cannot make class 'c'"):
        Halving(small).generate([*requests(small.info, ["a"], 2), other])
    assert small.sizes == [3]
