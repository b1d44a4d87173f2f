from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, describe, load_host
from augment.generators.checkpoint import MAX_CONFIG_BYTES
from augment.generators.families.vae.host import Decoder, Latent, VaeInit, parameter_shapes
from augment.generators.one_pass import OnePassHost
from augment.seeds import stream
from augment.spec.generators import VaeGenerator, VaeSampling
from tests.contracts.generator_contract import TrainedGeneratorContract, requests

INIT = VaeInit(latent=5, embedding=3, hidden=11, base=3, widths=[6, 4], channels=2)
CLASSES = ["no", "12:30", "0"]
Arrays = dict[str, np.ndarray]


def arrays(seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(INIT, len(CLASSES))
    return {key: rng.normal(0.0, 0.5, shape).astype(np.float32) for key, shape in shapes.items()}


def write(folder: Path, weights: bytes, **config: Any) -> VaeGenerator:
    """A checkpoint folder and the spec that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    base = {
        "format": "augment-generator/1",
        "family": "vae",
        "init": INIT.model_dump(),
        "classes": CLASSES,
        "license": "CC0-1.0",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "trained_on": "nothing: random numbers",
    }
    (folder / "generator.json").write_text(json.dumps({**base, **config}))
    return VaeGenerator(family="vae", checkpoint=str(folder))


def network(values: Arrays) -> Decoder:
    return Decoder(INIT, {key: torch.from_numpy(value) for key, value in values.items()})


class TestVaeContract(TrainedGeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> VaeGenerator:
        return write(tmp_path / "checkpoint", save(arrays()))

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: VaeGenerator, broken_class: str) -> GeneratorHost:
        values = arrays()
        values["embedding.weight"][CLASSES.index(broken_class)] = np.nan
        indexes = {c: i for i, c in enumerate(CLASSES)}
        return OnePassHost(Latent(network(values)), describe("mine", spec), indexes)


# ---- the network and its sampling ----------------------------------------------------


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1.0 + np.exp(-x))


def convolved(x_CHW: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """3x3, padded with zeros: a sum over the nine shifts."""
    _, height, width = x_CHW.shape
    padded = np.pad(x_CHW, ((0, 0), (1, 1), (1, 1)))
    shifts = [
        np.einsum("oc,chw->ohw", weight[:, :, i, j], padded[:, i : i + height, j : j + width])
        for i in range(3)
        for j in range(3)
    ]
    return np.asarray(sum(shifts) + bias[:, None, None])


def decoded(p: Arrays, z: np.ndarray, index: int) -> np.ndarray:
    """The decoder once more, in float64 numpy, one image at a time."""
    x = np.concatenate([z, p["embedding.weight"][index]])
    x = silu(p["hidden.weight"] @ x + p["hidden.bias"])
    x = silu(p["stem.weight"] @ x + p["stem.bias"])
    x = x.reshape(INIT.base, INIT.base, INIT.widths[0]).transpose(2, 0, 1)
    x = x.repeat(2, axis=1).repeat(2, axis=2)
    x = silu(convolved(x, p["up.0.weight"], p["up.0.bias"]))
    x = convolved(x, p["out.weight"], p["out.bias"])
    return np.asarray(2.0 / (1.0 + np.exp(-x)) - 1.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_pixels_are_those_of_an_independent_decoder(tmp_path: Path, temperature: float) -> None:
    spec = write(tmp_path, save(arrays()))
    spec = spec.model_copy(update={"sampling": VaeSampling(temperature=temperature)})
    info = describe("d", spec)
    batch = requests(info, info.classes, 3)
    images = load_host("d", spec, info).generate(batch).images
    wide = {key: value.astype(np.float64) for key, value in arrays().items()}
    for request, image in zip(batch, images, strict=True):
        z = stream(request.sample_id, "z").standard_normal(INIT.latent) * temperature
        expected = decoded(wide, z, CLASSES.index(request.label_name))
        assert np.abs(image - expected).max() < 1e-5


def test_the_network_has_the_tensors_that_its_init_says() -> None:
    images = network(arrays())(torch.zeros(2, 5), torch.tensor([0, 2]))
    assert images.shape == (2, 2, INIT.side, INIT.side) == (2, 2, 6, 6)


def test_torch_random_numbers_are_left_alone(tmp_path: Path) -> None:
    spec = write(tmp_path, save(arrays()))
    host = load_host("d", spec, describe("d", spec))
    before = torch.random.get_rng_state()
    host.generate(requests(host.info, CLASSES, 2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_host_itself_survives_pickling(tmp_path: Path) -> None:
    import pickle

    spec = write(tmp_path, save(arrays()))
    host = load_host("d", spec, describe("d", spec))
    batch = requests(host.info, CLASSES, 2)
    again = pickle.loads(pickle.dumps(host))
    assert np.array_equal(host.generate(batch).images, again.generate(batch).images)


def test_identity_holds_what_changes_pixels(tmp_path: Path) -> None:
    base = describe("d", write(tmp_path / "a", save(arrays())))
    other = describe("d", write(tmp_path / "b", save(arrays(seed=1))))
    renamed = describe("d", write(tmp_path / "c", save(arrays()), classes=["yes", "12:30", "0"]))
    moved = describe("d", write(tmp_path / "d", save(arrays()), license="MIT", trained_on=None))
    assert len({base.identity, other.identity, renamed.identity}) == 3
    assert moved.identity == base.identity
    assert (base.license, moved.license) == ("CC0-1.0", "MIT")


def test_sampling_has_its_own_digest_and_the_job_may_name_the_license(tmp_path: Path) -> None:
    spec = write(tmp_path, save(arrays()))
    cooler = spec.model_copy(update={"sampling": VaeSampling(temperature=0.5), "license": "MIT"})
    one, two = describe("d", spec), describe("d", cooler)
    assert one.identity == two.identity
    assert one.sampling_digest != two.sampling_digest
    assert two.license == "MIT"


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_narrow_weights_are_widened(tmp_path: Path, kind: str) -> None:
    from safetensors.torch import save as save_torch

    dtype = getattr(torch, kind)
    narrow = {key: torch.from_numpy(value).to(dtype) for key, value in arrays().items()}
    spec = write(tmp_path / kind, save_torch(narrow))
    wide = {key: value.to(torch.float32).numpy() for key, value in narrow.items()}
    same = write(tmp_path / "wide", save(wide))
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    images = load_host("d", spec, info).generate(batch).images
    expected = load_host("d", same, describe("d", same)).generate(batch).images
    assert np.array_equal(images, expected)


# ---- checkpoints that are refused ----------------------------------------------------


def refused(spec: VaeGenerator, text: str) -> None:
    """By `describe`, so before anything is loaded; the whole text is held."""
    with pytest.raises(CheckpointError) as caught:
        describe("faces", spec)
    assert str(caught.value) == f"generators.faces: {text}"


def changed(change: Callable[[Arrays], object]) -> bytes:
    values = arrays()
    change(values)
    return save(values)


def test_wrong_hash_of_the_job(tmp_path: Path) -> None:
    weights = save(arrays())
    spec = write(tmp_path, weights).model_copy(update={"sha256": "77c0" * 16})
    refused(
        spec,
        f"weights.safetensors: sha256 is {hashlib.sha256(weights).hexdigest()}, the job says "
        f"{'77c0' * 16}; fetch it again or update generators.faces.sha256",
    )


def test_the_right_hash_of_the_job_is_accepted(tmp_path: Path) -> None:
    weights = save(arrays())
    sha256 = hashlib.sha256(weights).hexdigest()
    spec = write(tmp_path, weights).model_copy(update={"sha256": sha256})
    assert describe("faces", spec).checkpoint_sha256 == sha256


def test_wrong_hash_of_the_config(tmp_path: Path) -> None:
    weights = save(arrays())
    refused(
        write(tmp_path, weights, weights_sha256="ab" * 32),
        f"weights.safetensors: sha256 is {hashlib.sha256(weights).hexdigest()}, generator.json "
        f"says {'ab' * 32}; the two do not belong together: fetch both again",
    )


def test_missing_unknown_and_misshapen_tensors(tmp_path: Path) -> None:
    def change(values: Arrays) -> None:
        values["decoder.extra"] = values.pop("out.bias")
        values["hidden.bias"] = values["hidden.bias"][:4]

    refused(
        write(tmp_path, changed(change)),
        "weights.safetensors: its tensors are not those of generator.json's init (missing: "
        "out.bias; unknown: decoder.extra; wrong shape: hidden.bias [4] (expected [11])); "
        "fetch both again",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path: Path, value: float) -> None:
    def change(values: Arrays) -> None:
        values["stem.bias"][2:4] = value

    refused(
        write(tmp_path, changed(change)),
        "weights.safetensors: tensor 'stem.bias' holds 2 NaN or infinite of 54 values; "
        "train it again or take an earlier checkpoint",
    )


@pytest.mark.parametrize("file", ["weights.safetensors", "generator.json"])
def test_missing_file(tmp_path: Path, file: str) -> None:
    spec = write(tmp_path, save(arrays()))
    (tmp_path / file).unlink()
    refused(
        spec,
        f"{file}: no such file in {tmp_path}; expected a folder with generator.json and "
        "weights.safetensors; update generators.faces.checkpoint",
    )


def test_a_pickle_is_not_even_looked_into(tmp_path: Path) -> None:
    import pickle

    refused(
        write(tmp_path, pickle.dumps({"weights": [1.0] * 100})),
        "weights.safetensors: not a safetensors file (its header does not fit in it); expected "
        "at most 16777216 bytes of header; fetch it again",
    )


def test_wrong_dtype(tmp_path: Path) -> None:
    def change(values: Arrays) -> None:
        values["out.bias"] = values["out.bias"].astype(np.float64)

    refused(
        write(tmp_path, changed(change)),
        "weights.safetensors: tensor 'out.bias' has dtype 'F64'; expected one of F32, F16, BF16; "
        "save it again with the safetensors library",
    )


def header(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (b"", "not a safetensors file (its header does not fit in it); expected at most"),
        (header([1]), "header is a list; expected an object"),
        (b"\x04" + bytes(7) + b"{a}}", "header is not JSON ("),
        (
            header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}),
            "tensor 'a' has shape [1099511627776]; expected at most 8 sizes and 2000000000",
        ),
        (
            header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}),
            "tensor 'a' has shape [-1]; expected at most 8 sizes",
        ),
        (
            header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
            "not a whole safetensors file (",
        ),
    ],
)
def test_malformed_weights(tmp_path: Path, weights: bytes, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("faces", write(tmp_path, weights))
    assert str(caught.value).startswith(f"generators.faces: weights.safetensors: {text}")


def test_truncated_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        describe("faces", write(tmp_path, save(arrays())[:-4]))


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"format": "augment-generator/2"},
            "format is 'augment-generator/2', this version reads 'augment-generator/1'; "
            "export the checkpoint again, or use the augment that wrote it",
        ),
        (
            {"family": "gan"},
            "family is 'gan', the job says 'vae'; update generators.faces.family or point "
            "checkpoint elsewhere",
        ),
        ({"classes": ["a", "b", "a"]}, "classes: 'a' stands there 2 times, expected once"),
        ({"code": "x"}, "code: Extra inputs are not permitted, got 'x'"),
        ({"weights_sha256": "abc"}, "weights_sha256: String should match pattern"),
        ({"init": {**INIT.model_dump(), "latent": 0}}, "init.latent: Input should be greater"),
        ({"init": {**INIT.model_dump(), "widths": ["6"]}}, "init.widths.0: Input should be a val"),
        ({"classes": []}, "classes: List should have at least 1 item"),
    ],
)
def test_malformed_config(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("faces", write(tmp_path, save(arrays()), **config))
    assert str(caught.value).startswith(f"generators.faces: generator.json: {text}")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{", "not JSON ("),
        (b"\xff\xfe\x00", "not JSON ("),
        (b"[" * 100_000, "not JSON ("),
        (b"[]", "holds a list, expected an object"),
        (b" " * (MAX_CONFIG_BYTES + 1), "has 4194305 bytes, expected at most 4194304"),
    ],
)
def test_config_that_is_no_config(tmp_path: Path, data: bytes, text: str) -> None:
    spec = write(tmp_path, save(arrays()))
    (tmp_path / "generator.json").write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        describe("faces", spec)
    assert str(caught.value).startswith(f"generators.faces: generator.json: {text}")


def test_a_checkpoint_that_changed_since_the_plan(tmp_path: Path) -> None:
    info = describe("faces", write(tmp_path, save(arrays())))
    spec = write(tmp_path, save(arrays(seed=1)))
    now = describe("faces", spec).identity
    with pytest.raises(CheckpointError) as caught:
        load_host("faces", spec, info)
    assert str(caught.value) == (
        "generators.faces: it has changed since the job was planned: identity is "
        f"{now}, the plan says {info.identity}; put back what was planned, or plan again"
    )


def test_info_is_a_plain_value(tmp_path: Path) -> None:
    info = describe("faces", write(tmp_path, save(arrays())))
    assert dataclasses.asdict(info)["classes"] == ("no", "12:30", "0")
    assert info.digital_source_type.endswith("/trainedAlgorithmicMedia")
