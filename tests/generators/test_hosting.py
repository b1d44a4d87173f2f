from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.generators.hosting import compiled, padded, placed
from augment.generators.protocol import Placement


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
