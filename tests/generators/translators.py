"""Tiny image translators with random weights, and what the tests of both families share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.generators import GeneratorHost, describe, load_host
from augment.generators.families.translation import resnet_i2i, unet_i2i
from augment.generators.families.translation.host import (
    Family,
    Network,
    TranslatorHost,
    TranslatorInit,
    all_shapes,
)
from augment.generators.families.translation.resnet_i2i import ResnetInit
from augment.generators.families.translation.unet_i2i import UnetInit
from augment.generators.foreign import Conversion, Foreign
from augment.generators.hosting import placed
from augment.generators.protocol import Placement
from augment.spec.generator_base import Translator
from augment.spec.generators import ResnetI2iGenerator, UnetI2iGenerator
from tests.contracts.generator_contract import SOURCE_SIZE, TrainedImageGeneratorContract

Arrays = dict[str, np.ndarray]


def resnet(**changes: Any) -> ResnetInit:
    """3 blocks, 2 channels wide, instance norm."""
    base = {"input_nc": 3, "output_nc": 3, "ngf": 2, "norm": "instance", "dropout": False}
    return ResnetInit(**{**base, "n_blocks": 3, **changes})


def unet(**changes: Any) -> UnetInit:
    """6 halvings, the least that has a level with dropout; 2 channels wide, instance norm."""
    base = {"input_nc": 3, "output_nc": 3, "ngf": 2, "norm": "instance", "dropout": False}
    return UnetInit(**{**base, "num_downs": 6, **changes})


def arrays(init: TranslatorInit, seed: int = 0) -> Arrays:
    """Random tensors of a checkpoint; variances and blurs are what such tensors can be."""
    rng = np.random.default_rng(seed)
    found = {}
    for key, shape in all_shapes(init).items():
        if key.endswith("running_var"):
            found[key] = rng.uniform(0.5, 2.0, shape).astype(np.float32)
        elif key.endswith("filt"):
            found[key] = _blur(shape)
        else:
            found[key] = rng.normal(0.0, 0.3, shape).astype(np.float32)
    return found


def _blur(shape: tuple[int, ...]) -> np.ndarray:
    """The filters that CUT stores: of a halving 3 x 3, of a doubling 4 x 4 and four times."""
    taps = np.array([1, 2, 1] if shape[-1] == 3 else [1, 3, 3, 1], dtype=np.float32)
    plane = np.outer(taps, taps) / taps.sum() ** 2 * (1 if shape[-1] == 3 else 4)
    return np.broadcast_to(plane, shape).astype(np.float32)


def family_of(init: TranslatorInit) -> tuple[Family[Any], type[Translator], Any]:
    """The family, its spec class and its module."""
    if isinstance(init, ResnetInit):
        return resnet_i2i.FAMILY, ResnetI2iGenerator, resnet_i2i
    return unet_i2i.FAMILY, UnetI2iGenerator, unet_i2i


def foreign(init: TranslatorInit, seed: int = 0, **more: Any) -> Foreign:
    """The state dict that an official program would have saved."""
    return Foreign("latest_net_G.pth", "state_dict", arrays(init, seed), **more)


def written(folder: Path, conversion: Conversion, **config: Any) -> str:
    """The checkpoint folder of a conversion."""
    weights = save({k: np.ascontiguousarray(v) for k, v in conversion.tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    base = {
        "format": "augment-generator/1",
        "family": conversion.family,
        "init": conversion.init,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps({**base, **config}))
    return str(folder)


def spec_of(folder: Path, init: TranslatorInit, seed: int = 0, **options: Any) -> Translator:
    """The spec of a checkpoint of random weights."""
    family, spec_class, _ = family_of(init)
    conversion = Conversion(family.name, init.model_dump(), arrays(init, seed))
    checkpoint = written(folder, conversion)
    options = {"preprocess": preprocess(init), **options}
    return spec_class.model_validate({"family": family.name, "checkpoint": checkpoint, **options})


def preprocess(init: TranslatorInit) -> dict[str, int]:
    """The least sizes that suit a tiny network."""
    side = 64 if isinstance(init, UnetInit) else 16
    return {"load_size": side, "crop_size": side}


def host_of(spec: Translator, placement: Placement | None = None) -> GeneratorHost:
    return load_host("mine", spec, describe("mine", spec), placement=placement)


@dataclass(frozen=True)
class BurnsAtWhite:
    """A network that makes NaN of a source that is white all over."""

    network: Network

    def __call__(self, x_BCHW: torch.Tensor, keep: Mapping[str, torch.Tensor]) -> torch.Tensor:
        y_BCHW = self.network(x_BCHW, keep)
        y_BCHW[x_BCHW.mean(dim=(1, 2, 3)) > 0.99] = torch.nan
        return y_BCHW


class TranslatorContract(TrainedImageGeneratorContract):
    """init: of a checkpoint of random weights. options: of the spec."""

    init: ClassVar[TranslatorInit]
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Translator:
        return spec_of(tmp_path / "checkpoint", self.init, **self.options)

    @pytest.fixture
    def broken_source(self) -> np.ndarray:
        return np.full((*SOURCE_SIZE, 3), 255, dtype=np.uint8)

    @pytest.fixture
    def broken_host(self, spec: Translator) -> GeneratorHost:
        family, _, _ = family_of(self.init)
        per_sample = spec.sampling.norm_mode == "per_sample"
        network = family.network(self.init, placed(arrays(self.init), Placement()), per_sample)
        return TranslatorHost(BurnsAtWhite(network), self.init, describe("mine", spec), spec)
