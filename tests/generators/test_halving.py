"""Batches that do not fit in memory are halved, and stay so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

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


def test_one_row_that_does_not_fit_is_an_error() -> None:
    host = Halving(Small(0, MemoryError))
    with pytest.raises(MemoryError, match="no room"):
        host.generate(requests(host.info, ["a"], 2))


def test_other_errors_are_not_retried() -> None:
    small = Small(1, ValueError)
    with pytest.raises(ValueError, match="no room"):
        Halving(small).generate(requests(small.info, ["a"], 2))
    assert small.sizes == [2]
