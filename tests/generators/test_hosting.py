from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.generators import Placement
from augment.generators.hosting import compiled, padded, placed


def test_a_compiled_network_gets_whole_batches() -> None:
    z, classes = np.arange(6.0).reshape(3, 2), np.array([4, 5, 6])
    placement = Placement(compile="default", batch_size=5)
    z_out, class_out = padded([z, classes], placement)
    assert z_out.tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert class_out.tolist() == [4, 5, 6, 6, 6]
    assert [len(a) for a in padded([z, classes], Placement(compile="default", batch_size=3))] == [
        3,
        3,
    ]


def test_without_compilation_nothing_is_padded_or_wrapped() -> None:
    z = np.zeros((3, 2))
    assert padded([z], Placement(batch_size=5))[0] is z

    def network(x: torch.Tensor) -> torch.Tensor:
        return x

    assert compiled(network, Placement()) is network


@pytest.mark.parametrize("last", [True, False])
def test_weights_of_convolutions_are_laid_out_as_asked(last: bool) -> None:
    weights = {"conv": np.ones((4, 3, 3, 3), np.float32), "bias": np.ones(4, np.float32)}
    there = placed(weights, Placement(channels_last=last))
    assert there["conv"].is_contiguous(memory_format=torch.channels_last) is last
    assert there["bias"].is_contiguous()
