"""Classifiers with first weights that a seed decides, and weights files that are read as data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.errors import CheckpointError, RequestError
from augment.study.networks import check_network, network

RESNET = "torchvision:resnet18"


def tensors(net: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("name", ["small", RESNET])
def test_first_weights_are_those_of_the_seed_and_torchs_generator_stays(name: str) -> None:
    state = torch.get_rng_state()
    first, again, other = (tensors(network(name, 3, 32, seed)) for seed in ("a", "a", "b"))
    assert torch.equal(torch.get_rng_state(), state)
    assert all((first[key] == again[key]).all() for key in first)
    assert any((first[key] != other[key]).any() for key in first)


@pytest.mark.parametrize(("side", "layers"), [(16, 2), (32, 3), (64, 3), (224, 5)])
def test_the_small_network_takes_any_size(side: int, layers: int) -> None:
    net = network("small", 4, side, "a")
    assert sum(isinstance(one, torch.nn.Conv2d) for one in net.modules()) == layers
    assert net(torch.zeros(2, 3, side, side)).shape == (2, 4)


def test_weights_are_taken_but_for_the_last_layer() -> None:
    given = tensors(network(RESNET, 10, 32, "trained"))
    net = tensors(network(RESNET, 3, 32, "a", given))
    fresh = tensors(network(RESNET, 3, 32, "a"))
    assert net["fc.weight"].shape == (3, 512)
    assert (net["fc.weight"] == fresh["fc.weight"]).all()
    assert all((net[key] == given[key]).all() for key in given if not key.startswith("fc."))


def test_weights_of_another_network_are_refused() -> None:
    given = tensors(network(RESNET, 10, 32, "trained"))
    del given["layer1.0.conv1.weight"]
    with pytest.raises(CheckpointError, match="1 tensors of torchvision:resnet18 are not there"):
        network(RESNET, 3, 32, "a", given)
    given["layer1.0.conv1.weight"] = np.zeros((1, 1), np.float32)
    with pytest.raises(CheckpointError, match=r"another shape, for example layer1\.0\.conv1"):
        network(RESNET, 3, 32, "a", given)


def test_a_name_that_torchvision_does_not_have_is_told_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"got 'torchvision:resnet17'.*resnet18"):
        check_network("torchvision:resnet17")
