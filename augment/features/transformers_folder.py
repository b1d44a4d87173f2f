"""DINOv2 and CLIP from a local folder of transformers: the networks beside which Inception alone
should not stand.

DINOv2: the class token after the last norm (Oquab et al., "DINOv2", TMLR 2024; as in Stein et al.,
"Exposing flaws of generative model evaluation metrics", NeurIPS 2023). CLIP: the projected image
embedding (Radford et al., ICML 2021; as in Jayasumana et al., "Rethinking FID", CVPR 2024). Images
are prepared as the folder's own `preprocessor_config.json` says, by Pillow, equal bit for bit to
transformers' Pillow backend.

The folder is judged file by file, copied aside and loaded by classes that are chosen here; nothing
in it is run, and no hub is asked. Shape letters: N images, D dimensions, S side in px.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.checkpoints.folders import FolderScan
from augment.checkpoints.safetensors_file import read_safetensors
from augment.errors import AugmentError, CheckpointError
from augment.features.asked import MOST_SIDE, Asked, Colour
from augment.features.batches import in_batches
from augment.features.files import put_aside
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, CROPPED, cropped, resized
from augment.seeds import digest
from augment.storage import Options

if TYPE_CHECKING:
    import torch

_SETTINGS = "preprocessor_config.json"
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
_BICUBIC = 3
"""Pillow's number of it."""
_IMAGENET: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OF_CLIP: tuple[Colour, Colour] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


@dataclass(frozen=True)
class Preparation:
    """How an image becomes the network's input. shorter: px of its shorter side; None: the whole
    image becomes the square. side: px of the square. mean, std: of values in [0, 1]."""

    shorter: int | None
    side: int
    mean: Colour
    std: Colour

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 3, S, S) float32."""
        if self.shorter is None:
            batch = resized(images, self.side)
        else:
            batch = cropped(images, self.shorter, self.side)
        # the steps and precisions of transformers' Pillow backend: product, then difference
        scaled = (batch.astype(np.float64) * (1 / 255)).astype(np.float32)
        normal = (scaled - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))

    def __str__(self) -> str:
        text = BICUBIC if self.shorter is None else CROPPED
        size = text.format(side=self.side, shorter=self.shorter)
        return f"{size}, x / 255, mean {list(self.mean)}, std {list(self.std)}"


class FolderNetwork:
    """DINOv2 or CLIP, see the module. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: transformers is not installed, or the policy does not allow the place.
        CheckpointError: the folder is of another network, holds what is refused, or is damaged.
        StorageError: it cannot be read.
        """
        transformers = library("transformers", asked.name, "diffusers")
        os.environ["HF_HUB_OFFLINE"] = "1"  # a second lock beside local_files_only
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


# ---- what the folder says ----------------------------------------------------------------


def preparation(asked: Asked, scan: FolderScan) -> Preparation:
    """How the folder's own settings prepare an image; those of the published models where it has
    none.

    Raises:
        CheckpointError: they ask for something else than a resize, a middle and a normalization.
    """
    shorter, mean_std = (256, _IMAGENET) if asked.kind == "dinov2" else (224, _OF_CLIP)
    file = scan.needed.get(_SETTINGS)
    said: Mapping[str, Any] = {} if file is None else json.loads(file.path.read_bytes())
    place = f"extractor {asked.name}: {_SETTINGS}"
    for key, wanted in (("do_resize", True), ("do_normalize", True), ("do_rescale", True),
                        ("resample", _BICUBIC), ("rescale_factor", 1 / 255)):  # fmt: skip
        if said.get(key, wanted) != wanted:
            raise CheckpointError(
                f"{place}: {key}: got {said[key]!r:.40}; expected {wanted}: images are prepared as "
                "the published models have it, take the folder of one"
            )
    size = said.get("size", {"shortest_edge": shorter})
    crop = said.get("crop_size", 224) if said.get("do_center_crop", True) else None
    mean = _colour(place, "image_mean", said.get("image_mean", mean_std[0]))
    std = _colour(place, "image_std", said.get("image_std", mean_std[1]))
    if isinstance(size, Mapping) and "height" in size:
        side = _side(place, "size", size)
        if crop not in (None, side) and _side(place, "crop_size", crop) != side:
            raise CheckpointError(f"{place}: crop_size: got {crop!r:.40}; expected that of size")
        return Preparation(None, side, mean, std)
    shorter = _side(place, "size", size)
    side = shorter if crop is None else _side(place, "crop_size", crop)
    if side > shorter or crop is None:
        raise CheckpointError(
            f"{place}: crop_size: got {crop!r:.40}; expected a square of at most {shorter} px, the "
            "shorter side"
        )
    return Preparation(shorter, side, mean, std)


def _side(place: str, key: str, said: object) -> int:
    """px of a square, or of the shorter side, in either of the forms that there are."""
    values = list(said.values()) if isinstance(said, Mapping) else [said]
    side = values[0] if values and all(value == values[0] for value in values) else None
    if isinstance(side, bool) or not isinstance(side, int) or not 0 < side <= MOST_SIDE:
        raise CheckpointError(
            f"{place}: {key}: got {said!r:.80}; expected one number of px, at most {MOST_SIDE}"
        )
    return side


def _colour(place: str, key: str, said: object) -> Colour:
    numbers = (
        [v for v in said if isinstance(v, float | int)] if isinstance(said, list | tuple) else []
    )
    if (
        len(numbers) != 3
        or not np.isfinite(numbers).all()
        or (key == "image_std" and min(numbers) <= 0)
    ):
        raise CheckpointError(f"{place}: {key}: got {said!r:.80}; expected three finite numbers")
    red, green, blue = map(float, numbers)
    return red, green, blue


def _hashes(scan: FolderScan) -> str:
    """Over names and hashes of all files that decide the numbers."""
    found = {}
    for inside, file in scan.needed.items():
        if file.path.suffix == ".safetensors" or inside in ("config.json", _SETTINGS):
            with open(file.path, "rb") as opened:
                found[inside] = hashlib.file_digest(opened, "sha256").hexdigest()
    return digest(found)


# ---- loading -----------------------------------------------------------------------------


def _network(transformers: Any, asked: Asked, folder: Path, scan: FolderScan) -> Any:
    place = f"extractor {asked.name}: {folder.name}"
    config = scan.needed.get("config.json")
    settings = {} if config is None else json.loads(config.path.read_bytes())
    named = settings.get("model_type")
    classes = _CLASSES[asked.kind]
    if named not in classes:
        raise CheckpointError(
            f"{place}: config.json: model_type: got {named!r:.80}; expected one of "
            f"{', '.join(classes)}: give the folder that save_pretrained of such a model wrote"
        )
    made = getattr(transformers, classes[named])
    weights = [file.path for file in scan.needed.values() if file.path.suffix == ".safetensors"]
    given: dict[str, Any] = {"local_files_only": True}
    if named == "clip" and "projection_dim" in settings:
        given["projection_dim"] = settings["projection_dim"]  # of both towers; its own says less
    try:
        _refuse_larger(place, made, folder, given, weights)
        with _quiet(transformers):
            network, said = made.from_pretrained(
                str(folder), use_safetensors=True, output_loading_info=True, **given
            )
    except AugmentError:
        raise
    except Exception as error:  # whatever a library says of somebody's files
        text = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{place}: transformers cannot use it ({type(error).__name__}: {text}); expected a "
            "model as its own save_pretrained writes it: save it again, or fetch it again"
        ) from error
    for key in ("missing_keys", "mismatched_keys", "error_msgs"):
        if odd := sorted(map(str, said.get(key) or ())):
            raise CheckpointError(
                f"{place}: its weights are not those of its config.json ({len(odd)} "
                f"{key.replace('_', ' ')}, the first {odd[0]:.100}); fetch both again"
            )
    return network.float().eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """The library warns of CLIP's text tower, which is left out, and draws a progress bar."""
    before, drawn = (
        transformers.logging.get_verbosity(),
        transformers.logging.is_progress_bar_enabled(),
    )
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
        if drawn:
            transformers.logging.enable_progress_bar()


def _refuse_larger(
    place: str, made: Any, folder: Path, given: Mapping[str, Any], weights: Sequence[Path]
) -> None:
    """A network of its settings is as large as its weights: settings alone may ask for a million
    times the file."""
    torch = importlib.import_module("torch")
    with torch.device("meta"):
        network = made(made.config_class.from_pretrained(str(folder), **given))
    asked = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
    held = sum(read_safetensors(path).elements for path in weights)
    if asked > held + held // 4 + _BESIDE:
        raise CheckpointError(
            f"{place}: its config.json is of a network of {asked} numbers, and its weights hold "
            f"{held}; expected those of one network; fetch both again"
        )
