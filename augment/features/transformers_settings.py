"""What a folder of transformers says of itself: how images are prepared for its network, and how
the network is built.

A closed table of keys is read, each with a bound; the library gets a configuration that is made of
these alone. Whatever else stands in the files, a quantizer, a kernel, a chat template, reaches
nobody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.checkpoints.blob import open_blob
from augment.checkpoints.folders import FolderScan
from augment.checkpoints.strict_json import read_object
from augment.errors import CheckpointError
from augment.features.asked import MOST_SIDE, Asked, Colour
from augment.features.resizing import BICUBIC, CROPPED, cropped, resized

SETTINGS = "preprocessor_config.json"
CONFIG = "config.json"
_WHOLE = {
    "hidden_size": 1 << 14, "intermediate_size": 1 << 16, "projection_dim": 1 << 14,
    "num_hidden_layers": 256, "num_attention_heads": 256, "mlp_ratio": 16, "patch_size": 256,
    "image_size": MOST_SIDE, "num_register_tokens": 64,
}  # fmt: skip
"""Key -> the largest whole number that it may have."""
_REAL = ("layer_norm_eps", "layerscale_value")
_SWITCHES = ("qkv_bias", "use_swiglu_ffn", "use_mask_token")
_ACTIVATIONS = ("gelu", "quick_gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")
_BICUBIC = 3
"""Pillow's number of it."""
_IMAGENET: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OF_CLIP: tuple[Colour, Colour] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


def read_settings(asked: Asked, scan: FolderScan, name: str) -> dict[str, Any]:
    """A file of settings as JSON; {} where the folder has none.

    Raises:
        UnsafeCheckpoint: it is no JSON object, or too large.
    """
    file = scan.needed.get(name)
    if file is None:
        return {}
    return read_object(open_blob(file.path, f"extractor {asked.name}: {name}"))


def architecture(asked: Asked, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration of a vision network is made of. said: its `config.json`, of CLIP that
    of both towers or of one.

    Raises:
        CheckpointError: a value is none that such a network has.
    """
    place = f"extractor {asked.name}: {CONFIG}"
    inner = said.get("vision_config")
    own: dict[str, Any] = {**inner} if isinstance(inner, dict) else dict(said)
    if isinstance(inner, dict) and "projection_dim" in said:
        own["projection_dim"] = said["projection_dim"]  # of both towers; its own says less
    if own.get("num_channels", 3) != 3:
        raise _wrong(place, "num_channels", own["num_channels"], "3")
    found = {key: own[key] for key in (*_WHOLE, *_REAL, *_SWITCHES, "hidden_act") if key in own}
    for key, value in found.items():
        if (expected := _expected(key, value)) is not None:
            raise _wrong(place, key, value, expected)
    return found


def _expected(key: str, value: object) -> str | None:
    """What a value of `config.json` should have been; None where it is that."""
    if key in _WHOLE:
        fits = type(value) is int and 0 <= value <= _WHOLE[key]
        return None if fits else f"a whole number up to {_WHOLE[key]}"
    if key in _SWITCHES:
        return None if isinstance(value, bool) else "true or false"
    if key in _REAL:
        fits = type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e6  # type: ignore[arg-type]
        return None if fits else "a finite number"
    return None if value in _ACTIVATIONS else f"one of {', '.join(_ACTIVATIONS)}"


def _wrong(place: str, key: str, came: object, expected: str) -> CheckpointError:
    return CheckpointError(
        f"{place}: {key}: got {came!r:.80}; expected {expected}: save the model again with the "
        "program that made it"
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


def preparation(asked: Asked, scan: FolderScan) -> Preparation:
    """How the folder's own settings prepare an image; those of the published models where it has
    none.

    Raises:
        CheckpointError: they ask for something else than a resize, a middle and a normalization.
    """
    shorter, mean_std = (256, _IMAGENET) if asked.kind == "dinov2" else (224, _OF_CLIP)
    said = read_settings(asked, scan, SETTINGS)
    place = f"extractor {asked.name}: {SETTINGS}"
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
