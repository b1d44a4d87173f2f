"""DINOv2 and CLIP from a local folder of transformers: the networks beside which Inception alone
should not stand.

DINOv2: the class token after the last norm (Oquab et al., "DINOv2", TMLR 2024; as in Stein et al.,
"Exposing flaws of generative model evaluation metrics", NeurIPS 2023). CLIP: the projected image
embedding (Radford et al., ICML 2021; as in Jayasumana et al., "Rethinking FID", CVPR 2024). Images
are prepared as the folder's own `preprocessor_config.json` says, by Pillow, equal bit for bit to
transformers' Pillow backend.

The folder is judged file by file, copied aside and loaded by classes that are chosen here, with a
configuration that holds what is known alone; nothing in it is run, and no hub is asked.

Shape letters: N images, D dimensions, S side in px.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.checkpoints.folders import FolderScan
from augment.checkpoints.safetensors_file import read_safetensors
from augment.errors import AugmentError, CheckpointError
from augment.features.asked import Asked
from augment.features.batches import in_batches
from augment.features.files import put_aside
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.transformers_settings import (
    CONFIG,
    SETTINGS,
    architecture,
    preparation,
    read_settings,
)
from augment.seeds import digest
from augment.storage import Options

if TYPE_CHECKING:
    import torch

_CLASSES = {
    "dinov2": {"dinov2": "Dinov2Model", "dinov2_with_registers": "Dinov2WithRegistersModel"},
    "clip": {
        "clip": "CLIPVisionModelWithProjection",
        "clip_vision_model": "CLIPVisionModelWithProjection",
    },
}
"""Extractor -> `model_type` of a config.json -> the class that is loaded."""
_BESIDE = 1 << 24
"""Numbers of positions and the like that a network computes, and its weights do not hold."""


class FolderNetwork:
    """DINOv2 or CLIP, see the module. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: transformers is not installed, or the policy does not allow the place.
        CheckpointError: the folder is of another network, holds what is refused, or is damaged.
        StorageError: it cannot be read.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"  # a second lock beside local_files_only; read on import
        transformers = library("transformers", asked.name)
        with put_aside(asked, options) as (folder, scan):
            self._prepared = preparation(asked, scan)
            self._network = _network(transformers, asked, folder, scan).to(device)
            sha256 = _hashes(scan)
        self._device = device
        self._clip = asked.kind == "clip"
        dimensions = self._vectors([np.zeros((8, 8, 3), np.uint8)]).shape[1]
        self.info = ExtractorInfo(asked.name, 1, dimensions, sha256, str(self._prepared))

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        return in_batches(images, self.info.dimensions, self._vectors)

    def _vectors(self, images: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            found = self._network(pixel_values=torch.from_numpy(self._prepared(images)).to(
                self._device
            ))  # fmt: skip
            vectors: torch.Tensor = found.image_embeds if self._clip else found.pooler_output
            return vectors.float().cpu().numpy()


def _hashes(scan: FolderScan) -> str:
    """Over names and hashes of all files that decide the numbers."""
    found = {}
    for inside, file in scan.needed.items():
        if file.path.suffix == ".safetensors" or inside in (CONFIG, SETTINGS):
            with open(file.path, "rb") as opened:
                found[inside] = hashlib.file_digest(opened, "sha256").hexdigest()
    return digest(found)


# ---- loading -----------------------------------------------------------------------------


def _network(transformers: Any, asked: Asked, folder: Path, scan: FolderScan) -> Any:
    place = f"extractor {asked.name}: {folder.name}"
    said = read_settings(asked, scan, CONFIG)
    named, classes = said.get("model_type"), _CLASSES[asked.kind]
    if not isinstance(named, str) or named not in classes:
        raise CheckpointError(
            f"{place}: {CONFIG}: model_type: got {named!r:.80}; expected one of "
            f"{', '.join(classes)}: give the folder that save_pretrained of such a model wrote"
        )
    made = getattr(transformers, classes[named])
    weights = [file.path for file in scan.needed.values() if file.path.suffix == ".safetensors"]
    try:
        config = made.config_class(**architecture(asked, said))
        _refuse_larger(place, made, config, weights)
        with _quiet(transformers):
            network, loaded = made.from_pretrained(
                str(folder), config=config, local_files_only=True, use_safetensors=True,
                output_loading_info=True,
            )  # fmt: skip
    except AugmentError:
        raise
    except Exception as error:  # whatever a library says of somebody's files
        text = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{place}: transformers cannot use it ({type(error).__name__}: {text}); expected a "
            "model as its own save_pretrained writes it: save it again, or fetch it again"
        ) from error
    for key in ("missing_keys", "mismatched_keys", "error_msgs"):
        if odd := sorted(map(str, loaded.get(key) or ())):
            raise CheckpointError(
                f"{place}: its weights are not those of its {CONFIG} ({len(odd)} "
                f"{key.replace('_', ' ')}, the first {odd[0]:.100}); fetch both again"
            )
    return network.float().eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """The library warns of CLIP's text tower, which is left out, and draws a progress bar."""
    log = transformers.logging
    before, drawn = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if drawn:
            log.enable_progress_bar()


def _refuse_larger(place: str, made: Any, config: Any, weights: Sequence[Path]) -> None:
    """A network of its settings is as large as its weights: settings alone may ask for a million
    times the file."""
    import torch

    with torch.device("meta"):
        network = made(config)
    asked = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
    held = sum(read_safetensors(path).elements for path in weights)
    if asked > held + held // 4 + _BESIDE:
        raise CheckpointError(
            f"{place}: its {CONFIG} is of a network of {asked} numbers, and its weights hold "
            f"{held}; expected those of one network; fetch both again"
        )
