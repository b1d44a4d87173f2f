from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.errors import RequestError
from augment.generators.families.palette import PaletteHost, describe
from augment.generators.hosting import (
    Device,
    Leaving,
    begun,
    compiled,
    filled,
    generated,
    padded,
    placed,
)
from augment.generators.protocol import Placement, SampleRequest
from augment.spec.generators import PaletteGenerator


def test_what_is_not_compiled_is_left_as_it_is() -> None:
    placement = Placement(batch_size=8)
    x = np.arange(6).reshape(3, 2)
    assert padded([x], placement)[0] is x
    assert compiled(len, placement) is len


@pytest.mark.parametrize(("rows", "expected"), [(1, 4), (3, 4), (4, 4), (5, 5)])
def test_a_compiled_network_gets_whole_batches(rows: int, expected: int) -> None:
    placement = Placement(compile="default", batch_size=4)
    x, y = np.random.default_rng(0).random((2, rows, 3), dtype=np.float32)
    for before, after in zip([x, y], padded([x, y], placement), strict=True):
        assert after.shape == (expected, 3)
        assert np.array_equal(after[:rows], before)
        assert (after[rows:] == before[-1]).all()


@pytest.mark.parametrize("last", [True, False])
def test_convolutions_are_laid_out_as_the_placement_says(last: bool) -> None:
    arrays = {"conv": np.ones((4, 3, 2, 2), np.float32), "bias": np.ones(4, np.float32)}
    found = placed(arrays, Placement(channels_last=last))
    assert found["conv"].is_contiguous(memory_format=torch.channels_last) is last
    assert found["bias"].shape == (4,)


def test_a_batch_that_is_too_long_keeps_its_rows() -> None:
    x = np.arange(6).reshape(3, 2)
    assert np.array_equal(filled(x, 2), x)
    assert np.array_equal(filled(x, 5), [*x, x[-1], x[-1]])


def test_rows_made_of_padding_do_not_come_back() -> None:
    seen = []

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        seen.append((tuple(x.shape), tuple(y.shape)))
        return (x + y[:, None]).double()

    x, y = np.arange(6).reshape(3, 2), np.array([10, 20, 30])
    for placement in (None, Placement(compile="default", batch_size=4)):
        made = Device(placement).passed([x, y], run)
        assert made.dtype == np.float32
        assert np.array_equal(made, x + y[:, None])
    assert seen == [((3, 2), (3,)), ((4, 2), (4,))]


@pytest.fixture
def host() -> PaletteHost:
    spec = PaletteGenerator(family="palette", classes=["a", "b"], size=16)
    return PaletteHost(describe("mine", spec), 0.5)


def asked(*labels: str) -> list[SampleRequest]:
    return [SampleRequest(f"{n:032x}", label, n) for n, label in enumerate(labels)]


def never(batch: object) -> np.ndarray:
    raise AssertionError("nothing may be made")


def test_no_requests_make_an_empty_batch(host: PaletteHost) -> None:
    made = generated(host, [], never)
    assert made.images.shape == (0, 3, 16, 16)
    assert (made.images.dtype, made.failed, made.notes) == (np.float32, (), ())


def test_all_requests_are_validated_before_one_is_made(host: PaletteHost) -> None:
    with pytest.raises(RequestError, match="cannot make class 'c'"):
        generated(host, asked("a", "b", "c"), never)


def test_what_was_made_is_clipped_and_a_row_that_is_not_finite_fails(host: PaletteHost) -> None:
    values = np.array([0.25, np.nan, -1.5], np.float32)[:, None, None, None]
    made = generated(host, asked("a", "b", "a"), lambda _: values * np.ones((3, 2, 2), np.float32))
    assert made.failed == (None, "nan", None)
    assert made.images[:, 0, 0, 0].tolist() == [0.25, 0.0, -1.0]


def test_a_batch_that_is_begun_is_the_one_that_is_generated() -> None:
    spec = PaletteGenerator(family="palette", classes=["a", "b"], size=8)
    host = PaletteHost(describe("p", spec), 0.5)
    batch = [SampleRequest(f"{n:032x}", "a", n) for n in range(3)]
    left = torch.full((3, 3, 8, 8), 2.0)
    left[1, 0, 0, 0] = float("nan")
    made = begun(host, batch, lambda asked: Leaving(left[: len(asked)]))()
    assert made.failed == (None, "nan", None)
    assert (made.images[0] == 1.0).all()
    assert (made.images[1] == 0.0).all()
    assert made.seconds is None
    assert begun(host, [], lambda asked: Leaving(left))().failed == ()
    with pytest.raises(RequestError, match="cannot make class 'c'"):
        begun(host, [SampleRequest("0" * 32, "c", 0)], lambda asked: Leaving(left))


def test_what_leaves_a_cpu_is_there() -> None:
    left = Device().left([np.ones((2, 1), np.float32)], lambda x: (x * 2).double())
    assert left.take().dtype == np.float32
    assert left.take().tolist() == [[2.0], [2.0]]
    assert left.seconds() is None
