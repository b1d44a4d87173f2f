"""vae, kind pythae: the default decoder of pythae's models, converted, loaded, sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from augment.errors import CheckpointError
from augment.generators import describe, load_host
from augment.generators.families.vae.host import convert
from augment.generators.families.vae.pythae import NORMAL_PRIOR, PythaeInit, parameter_shapes
from augment.generators.foreign import Conversion, Foreign
from augment.seeds import stream
from augment.spec.generators import VaeGenerator
from tests.contracts.generator_contract import GeneratorContract, requests

LATENT, DIM = 5, [3, 4, 6]
Arrays = dict[str, np.ndarray]

CONFIG: dict[str, Any] = {
    "name": "VAEConfig",
    "input_dim": DIM,
    "latent_dim": LATENT,
    "uses_default_encoder": True,
    "uses_default_decoder": True,
    "reconstruction_loss": "mse",
}


def state_dict() -> Arrays:
    """What pythae writes: encoder and decoder."""
    shapes = {
        "encoder.layers.0.0.weight": (512, 72),
        "encoder.layers.0.0.bias": (512,),
        "encoder.embedding.weight": (LATENT, 512),
        "encoder.embedding.bias": (LATENT,),
        "encoder.log_var.weight": (LATENT, 512),
        "encoder.log_var.bias": (LATENT,),
        "decoder.layers.0.0.weight": (512, LATENT),
        "decoder.layers.0.0.bias": (512,),
        "decoder.layers.1.0.weight": (72, 512),
        "decoder.layers.1.0.bias": (72,),
    }
    rng = np.random.default_rng(0)
    return {key: rng.normal(0.0, 0.2, shape).astype(np.float32) for key, shape in shapes.items()}


def converted(config: Mapping[str, Any] = CONFIG, tensors: Arrays | None = None) -> Conversion:
    given = state_dict() if tensors is None else tensors
    found = convert(Foreign("folder", "pythae", given, config))
    assert found is not None
    return found


def write(folder: Path, made: Conversion, **more: Any) -> VaeGenerator:
    folder.mkdir(parents=True, exist_ok=True)
    weights = save(dict(made.tensors))
    (folder / "weights.safetensors").write_bytes(weights)
    config = {
        "format": "augment-generator/1",
        "family": made.family,
        "init": dict(made.init),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps(config))
    raw = {"family": "vae", "checkpoint": str(folder), "label": "shoe", **more}
    return VaeGenerator.model_validate(raw)


class TestPythaeContract(GeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> VaeGenerator:
        return write(tmp_path, converted())


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_pixels_are_those_of_numpy(tmp_path: Path, temperature: float) -> None:
    spec = write(tmp_path, converted(), sampling={"temperature": temperature})
    info = describe("g", spec)
    assert (info.classes, info.channels, info.height, info.width) == (("shoe",), *DIM)
    p = {key: value.astype(np.float64) for key, value in state_dict().items()}
    batch = requests(info, ["shoe"], 3)
    for request, image in zip(
        batch, load_host("g", spec, info).generate(batch).images, strict=True
    ):
        x = stream(request.sample_id, "z").standard_normal(LATENT) * temperature
        x = p["decoder.layers.0.0.weight"] @ x + p["decoder.layers.0.0.bias"]
        x = p["decoder.layers.1.0.weight"] @ np.maximum(x, 0.0) + p["decoder.layers.1.0.bias"]
        expected = (2.0 / (1.0 + np.exp(-x)) - 1.0).reshape(DIM)
        assert np.abs(image - expected).max() < 1e-5


def test_precision_is_a_part_of_the_sampling(tmp_path: Path) -> None:
    full = write(tmp_path, converted())
    half = write(tmp_path, converted(), sampling={"precision": "bf16"})
    infos = describe("g", full), describe("g", half)
    assert infos[0].identity == infos[1].identity
    assert infos[0].sampling_digest != infos[1].sampling_digest
    batch = requests(infos[0], ["shoe"], 3)
    exact = load_host("g", full, infos[0]).generate(batch).images
    rough = load_host("g", half, infos[1]).generate(batch).images
    assert 0.0 < np.abs(exact - rough).max() < 0.05


# ---- conversion ----------------------------------------------------------------------


def test_the_decoder_is_kept_and_the_rest_is_named() -> None:
    found = converted()
    assert found.init == {"kind": "pythae", "latent": LATENT, "input_dim": DIM}
    assert set(found.tensors) == set(parameter_shapes(PythaeInit.model_validate(found.init)))
    assert found.quirks == ("left out: 6 tensors that are not of the decoder",)
    assert found.num_classes == 0


@pytest.mark.parametrize("name", NORMAL_PRIOR)
def test_models_with_normal_latents(name: str) -> None:
    assert converted({**CONFIG, "name": name}).family == "vae"


def test_what_is_none_of_pythaes() -> None:
    assert convert(Foreign("f", "state_dict", state_dict(), {})) is None
    assert convert(Foreign("f", "diffusers", {}, {"_class_name": "UNet2DModel"})) is None


def without(key: str) -> Arrays:
    return {k: v for k, v in state_dict().items() if k != key}


@pytest.mark.parametrize(
    ("config", "tensors", "text"),
    [
        (
            {"uses_default_decoder": False},
            None,
            "folder: got a pythae model with a network of its own, which is code (decoder.pkl); "
            "expected one with pythae's default networks. Export it as ONNX, or host it as family "
            "custom",
        ),
        ({"uses_default_encoder": False}, None, "folder: got a pythae model with a network of its"),
        (
            {"name": "VAMPConfig"},
            None,
            "folder: got the pythae model 'VAMPConfig'; expected one whose latents are standard "
            "normal: Adversarial_AE_Config, ",
        ),
        ({"name": ["VAEConfig"]}, None, "folder: got the pythae model ['VAEConfig']; expected"),
        (
            {"input_dim": [784]},
            None,
            "folder: model_config.json: input_dim: got [784]; expected channels, height and width, "
            "and a latent size from 1 to 65536",
        ),
        ({"latent_dim": 0}, None, "folder: model_config.json: latent_dim: got 0; expected"),
        (
            {},
            without("decoder.layers.1.0.bias"),
            "folder: its decoder is not pythae's default one (missing: decoder.layers.1.0.bias); "
            "expected a model with uses_default_decoder",
        ),
        ({"latent_dim": 6}, None, "folder: its decoder is not pythae's default one (wrong shape: "),
    ],
)
def test_what_of_pythaes_is_refused(
    config: dict[str, Any], tensors: Arrays | None, text: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        converted({**CONFIG, **config}, tensors)
    assert str(caught.value).startswith(text)


# ---- what the job must say -----------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"label": None}, "generators.g: the checkpoint is unconditional; say which class its"),
        (
            {"sampling": {"variation": 0.5}},
            "generators.g.sampling.variation: has no effect, the checkpoint makes images from "
            "noise alone; expected no such key, or an AutoencoderKL as checkpoint",
        ),
        ({"preprocess": {"resize": "none"}}, "generators.g.preprocess: has no effect, the check"),
    ],
)
def test_options_without_effect(tmp_path: Path, more: dict[str, Any], text: str) -> None:
    spec = write(tmp_path, converted(), **more)
    with pytest.raises(CheckpointError) as caught:
        describe("g", spec)
    assert str(caught.value).startswith(text)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    made = converted()
    other = Conversion("vae", {**made.init, "kind": "pytha"}, made.tensors)
    with pytest.raises(CheckpointError, match=r"generator.json: init\..*'pytha'"):
        describe("g", write(tmp_path, other))
