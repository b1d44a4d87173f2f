"""EfficientNet-Lite0: the right weights in the right places, and no other file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from augment.errors import CheckpointError
from augment.features.efficientnet import (
    EfficientNetLite0,
    read_weights,
    timm_name,
    weights_file,
)


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0()


def test_it_knows_what_it_was_trained_on(network: EfficientNetLite0) -> None:
    """ImageNet's classes 281 to 285 are cats, 967 is an espresso: each tensor is in its place."""
    found = network.probabilities(network([data.chelsea(), data.coffee()]))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert 281 <= int(found[0].argmax()) <= 285
    assert int(found[1].argmax()) == 967
    assert found.max(axis=1).min() > 0.5


def test_every_tensor_has_one_place_of_its_own(network: EfficientNetLite0) -> None:
    arrays = read_weights(weights_file())
    assert len(arrays) == 296
    assert timm_name("_blocks.0._project_conv.weight") == "blocks.0.0.conv_pw.weight"
    assert timm_name("_blocks.15._bn2.running_var") == "blocks.6.0.bn3.running_var"
    assert timm_name("_conv_head.weight") == "conv_head.weight"


@pytest.mark.parametrize("content", [b"", b"another file"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.pth: got a file with sha256 .*; expected"):
        EfficientNetLite0(path)
