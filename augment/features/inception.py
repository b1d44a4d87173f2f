"""Inception v3 as FID, KID and the Inception Score have it: torch-fidelity's network and resizing.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium", NeurIPS 2017, whose network is TensorFlow's of 2015-12-05; torch-fidelity
(Apache-2.0) has it with the differences that count: average pooling without the padding, a maximum
in the last block, and TensorFlow 1's bilinear resizing of the whole image to 299 px, without
antialiasing. Its own loading unpickles the file; here the file is read as data, and the network
gets a file of tensors that this process has written.

Shape letters: N images, H height, W width, C channels, D dimensions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augment.errors import CheckpointError
from augment.features.asked import Asked
from augment.features.batches import in_batches
from augment.features.files import opened, read_tensors
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import refuse_odd
from augment.storage import Options

NAME = "inception"
DIMENSIONS = 2048
STANDARD = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""sha256 of `weights-inception-2015-12-05-6726825d.pth`, the file that published figures are of."""
RESIZE = (
    "the whole image to 299 x 299 px, bilinear as TensorFlow 1, no antialiasing, (x - 128) / 128"
)


def is_standard(info: ExtractorInfo) -> bool:
    """Whether a Fréchet distance of these features may be called FID, where its n is that of the
    figure that it is compared with."""
    return info.name == NAME and info.weights_sha256 == STANDARD


class Inception:
    """See the module. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: torch-fidelity is not installed, or the policy does not allow the place.
        CheckpointError, StorageError: the file is not that of such a network, or cannot be read.
        """
        module = library("torch_fidelity.feature_extractor_inceptionv3", NAME)
        with opened(asked, options) as (blob, sha256):
            tensors = read_tensors(blob, NAME)
            self._network = _network(module, tensors, blob.name).to(device)
        self.info = ExtractorInfo(NAME, 1, DIMENSIONS, sha256, RESIZE)
        self._device = device

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 2048) float32, as torch-fidelity gives them; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        refuse_odd(images)
        return in_batches(images, DIMENSIONS, self._vectors)

    def probabilities(self, features_ND: np.ndarray) -> np.ndarray:
        """(N, 1008) float32: what the classifier says of features without its bias, which is what
        the Inception Score takes."""
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(features_ND)).to(self._device)
            return np.asarray(x.mm(self._network.fc.weight.T).softmax(dim=1).cpu().numpy())

    def _vectors(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Images of one size are seen together: each size is resized in its own way."""
        import torch

        sizes: dict[tuple[int, ...], list[int]] = {}
        for at, image in enumerate(images):
            sizes.setdefault(image.shape, []).append(at)
        found = np.empty((len(images), DIMENSIONS), np.float32)
        with torch.inference_mode():
            for places in sizes.values():
                stacked = torch.from_numpy(np.stack([images[at] for at in places]))
                x = stacked.permute(0, 3, 1, 2).to(self._device)
                found[places] = self._network(x)[0].cpu().numpy()
        return found


def _network(module: Any, tensors: Mapping[str, np.ndarray], file: str) -> Any:
    """The network with these weights, which the library loads from a file of our own."""
    import torch

    with tempfile.TemporaryDirectory(prefix="augment-inception-") as folder:
        path = Path(folder) / "weights.pth"
        torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)
        try:
            return module.FeatureExtractorInceptionV3(
                NAME, [str(DIMENSIONS)], feature_extractor_weights_path=str(path)
            )
        except RuntimeError as error:
            raise CheckpointError(
                f"extractor {NAME}: {file}: its tensors are not those of the network "
                f"({' '.join(str(error).split())[:300]}); expected torch-fidelity's file "
                "weights-inception-2015-12-05-6726825d.pth, or another of the same names and shapes"
            ) from None
