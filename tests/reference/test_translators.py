"""Our image translators against outputs of the official programs, through the import path."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from augment.generators.families.translation import resnet_i2i, unet_i2i
from augment.generators.families.translation.host import Family, one_network
from augment.generators.foreign import Foreign
from augment.generators.hosting import Device, placed
from augment.generators.loading import opened
from augment.generators.protocol import Placement
from augment.spec.generator_base import Translator
from augment.spec.generators import ResnetI2iGenerator, UnetI2iGenerator
from tests.generators.translators import written

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        "AUGMENT_REFERENCE_DIR" not in os.environ, reason="AUGMENT_REFERENCE_DIR is not set"
    ),
]

RESNET = (resnet_i2i.FAMILY, ResnetI2iGenerator, resnet_i2i.convert)
UNET = (unet_i2i.FAMILY, UnetI2iGenerator, unet_i2i.convert)
FIXTURES: dict[str, tuple[Any, type[Translator], Any]] = {
    "cyclegan_resnet_6blocks_in": RESNET,
    "cyclegan_resnet_9blocks_in": RESNET,
    "cut_resnet_6blocks_antialias": RESNET,
    "pix2pix_resnet_6blocks_bn_dropout": RESNET,
    "cyclegan_unet_128_in": UNET,
    "pix2pix_unet_128_bn": UNET,
    "pix2pix_unet_256_bn": UNET,
}
OUTPUTS = {"y_eval": False, "y_trainmode_bs1_nodropout": True}
"""Tensor -> whether batch norms take each sample's own statistics."""


def official(name: str) -> tuple[Foreign, dict[str, np.ndarray]]:
    folder = Path(os.environ["AUGMENT_REFERENCE_DIR"])
    weights = folder / f"{name}.weights.safetensors"
    with safe_open(weights, "np") as file:
        config = json.loads(file.metadata()["config"])["init"]
    foreign = Foreign(name, "safetensors", load_file(weights), config)
    return foreign, load_file(folder / f"{name}.io.safetensors")


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_are_the_official_ones(tmp_path: Path, name: str, channels_last: bool) -> None:
    family, spec_class, convert = FIXTURES[name]
    foreign, io = official(name)
    conversion = convert(foreign)
    spec = spec_class(family=family.name, checkpoint=written(tmp_path, conversion))
    for output in OUTPUTS.keys() & io.keys():
        found = made(family, spec, io["x"], OUTPUTS[output], channels_last)
        error = float(np.abs(found - io[output]).max())
        print(f"{name} {output}: {error:.2e}")
        # channels last adds in another order, which a small running variance makes larger
        assert error <= (3e-4 if channels_last else 1e-4)


def made(
    family: Family[Any], spec: Translator, x: np.ndarray, per_sample: bool, channels_last: bool
) -> np.ndarray:
    init, arrays = one_network(family, opened("mine", spec, family.name, None), spec)
    placement = Placement(channels_last=channels_last)
    network = family.network(init, placed(arrays, placement), per_sample)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    device = Device()
    with device.sampling():
        return device.fetch(network(device.send(x).contiguous(memory_format=layout), {}))


@pytest.mark.parametrize("name", FIXTURES)
def test_the_architecture_is_inferred_as_it_was_built(name: str) -> None:
    foreign, _ = official(name)
    conversion = FIXTURES[name][2](foreign)
    for key in ("input_nc", "output_nc", "ngf", "norm"):
        assert conversion.init[key] == foreign.config[key]
    if FIXTURES[name] is RESNET:
        assert conversion.init["n_blocks"] == int(name.split("resnet_")[1][0])
        assert conversion.init["dropout"] == foreign.config.get("use_dropout", False)
        for part in ("down", "up"):
            assert conversion.init[f"antialias_{part}"] == name.startswith("cut")
    else:
        assert 2 ** conversion.init["num_downs"] == int(name.split("_")[2])
        assert conversion.init["dropout"] == foreign.config["use_dropout"]
