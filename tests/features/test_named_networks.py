"""Classifiers of torchvision and timm with a file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from augment.errors import CheckpointError, RequestError
from augment.features import build, read_asked
from augment.features.resizing import resized
from tests.features.networks import of_module, photos, random_tensors


def torchvision_file(path: Path, model: str, classes: int = 5) -> Any:
    """The network with the weights of the file."""
    import torchvision

    network = torchvision.models.get_model(model, weights=None, num_classes=classes).eval()
    network.load_state_dict(random_tensors(of_module(network)), strict=False)
    torch.save(network.state_dict(), path)
    return network


def normal(images: list[np.ndarray], side: int) -> torch.Tensor:
    x = torch.from_numpy(resized(images, side)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small"])
def test_what_goes_into_torchvisions_last_layer(model: str, tmp_path: Path) -> None:
    network = torchvision_file(tmp_path / "w.pth", model)
    found = build(read_asked(f"torchvision:{model}={tmp_path}/w.pth,size=64"))
    features = found(photos())
    last = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.inference_mode():
        expected = network(normal(photos(), 64)).numpy()
        said = last(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-5)
    assert found.info.dimensions == last.in_features
    assert (found.info.name, found.info.version) == (f"torchvision:{model}", 1)
    assert "64 x 64 px" in found.info.resize


@pytest.mark.parametrize("whole", [True, False])
def test_timms_features_with_and_without_a_classifier_in_the_file(
    whole: bool, tmp_path: Path
) -> None:
    import timm

    network = timm.create_model("resnet18", pretrained=False, num_classes=7 if whole else 0).eval()
    network.load_state_dict(random_tensors(of_module(network)), strict=False)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    text = f"timm:resnet18={tmp_path}/w.safetensors,size=64,mean=0.5/0.5/0.5,std=0.5/0.5/0.5"
    found = build(read_asked(text))
    with torch.inference_mode():
        x = torch.from_numpy(resized(photos(), 64)).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        expected = network.forward_head(network.forward_features(x), pre_logits=True).numpy()
    np.testing.assert_allclose(found(photos()), expected, rtol=1e-4, atol=1e-5)


def test_timms_own_preparation_where_none_is_asked_for(tmp_path: Path) -> None:
    import timm

    network = timm.create_model("mobilenetv3_small_050", pretrained=False)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    info = build(read_asked(f"timm:mobilenetv3_small_050={tmp_path}/w.safetensors")).info
    config = network.pretrained_cfg
    assert f"to {config['input_size'][-1]} x" in info.resize
    assert f"mean {list(config['mean'])}" in info.resize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torchvision:resnet19", r"got 'resnet19'; expected .* torchvision has, .*resnet18"),
        ("torchvision:fcn_resnet50", "got 'fcn_resnet50'; expected a network"),
        ("timm:resnet_18", r"got 'resnet_18'; expected .* timm has, for example .*resnet"),
    ],
)  # fmt: skip
def test_a_network_that_nobody_has_is_an_error(tmp_path: Path, text: str, expected: str) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(RequestError, match=expected):
        build(read_asked(f"{text}={tmp_path}/w.pth"))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("torchvision:resnet18", r"w\.pth: has no matrix fc\.weight, the network's last layer"),
        ("torchvision:squeezenet1_1", "its last layer is no linear one"),
        ("timm:resnet18", r"w\.pth: its tensors are not those of the network"),
    ],
)
def test_tensors_of_another_network_are_refused(tmp_path: Path, model: str, text: str) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=text):
        build(read_asked(f"{model}={tmp_path}/w.pth"))


def test_a_tensor_too_few_is_refused(tmp_path: Path) -> None:
    network = torchvision_file(tmp_path / "w.pth", "resnet18")
    tensors = dict(network.state_dict())
    tensors.pop("bn1.bias")
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"Missing key\(s\) in state_dict: \"bn1\.bias\""):
        build(read_asked(f"torchvision:resnet18={tmp_path}/w.pth"))


def test_a_size_that_the_network_does_not_take_is_named(tmp_path: Path) -> None:
    import timm

    network = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    text = f"timm:vit_tiny_patch16_224={tmp_path}/w.safetensors,size=100"
    with pytest.raises(CheckpointError, match=r"takes no images of 100 px .*say it as size=N"):
        build(read_asked(text))
