from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, Placement, describe, load_host
from augment.generators.families.stylegan.stylegan2 import (
    Generator,
    StyleGan2Init,
    convert,
    layers,
    parameter_shapes,
)
from augment.generators.foreign import Foreign
from augment.generators.one_pass import OnePassHost
from augment.seeds import normals
from augment.spec.generators import StyleGan2Generator, StyleGan2Sampling
from tests.contracts.generator_contract import TrainedGeneratorContract, requests
from tests.generators.checkpoints import TAPS, Arrays, randoms, write

CLASSES = ["no", "12:30", "0"]
GOLDEN = Path(__file__).parents[2] / "golden" / "stylegan2.json"


def init(classes: int = 3, **changes: Any) -> StyleGan2Init:
    """A tiny generator of 8x8 images."""
    mapping = {
        "z_dim": 5, "c_dim": classes, "w_dim": 6, "num_layers": 2, "lr_multiplier": 4.0,
        "embed_features": 4 if classes else 0, "layer_features": 7, "w_avg": True,
    }  # fmt: skip
    mapping |= changes.pop("mapping", {})
    base = {
        "mapping": mapping, "widths": [6, 4], "img_channels": 3, "architecture": "skip",
        "use_noise": True, "taps": 4, "conv_clamp": None, "activation": "lrelu",
    }  # fmt: skip
    return StyleGan2Init.model_validate({**base, **changes})


def arrays(shape: StyleGan2Init, seed: int = 0) -> Arrays:
    values = randoms(parameter_shapes(shape), seed)
    for key in values:
        if key.endswith("resample_filter"):
            values[key] = TAPS
        if key.endswith("torgb.weight"):
            values[key] *= 0.2  # most pixels inside [-1, 1]
    return values


def checkpoint(folder: Path, shape: StyleGan2Init, **job: Any) -> StyleGan2Generator:
    """A folder of random weights and the spec that names it."""
    named = {"classes": CLASSES[: shape.mapping.c_dim]} if shape.mapping.c_dim else {}
    made = write(folder, "stylegan2", shape, arrays(shape), **named)
    label = {} if named else {"label": "cat"}
    return StyleGan2Generator.model_validate(
        {"family": "stylegan2", "checkpoint": made, **label, **job}
    )


def network(shape: StyleGan2Init, **sampling: Any) -> Generator:
    parameters = {key: torch.from_numpy(value) for key, value in arrays(shape).items()}
    return Generator(shape, parameters, StyleGan2Sampling(**sampling))


class TestStyleGan2Contract(TrainedGeneratorContract):
    shape = init()
    sampling: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> StyleGan2Generator:
        return checkpoint(tmp_path, self.shape, sampling=self.sampling)

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: StyleGan2Generator, broken_class: str) -> GeneratorHost:
        values = arrays(self.shape)
        values["mapping.embed.weight"][:, CLASSES.index(broken_class)] = np.nan
        parameters = {key: torch.from_numpy(value) for key, value in values.items()}
        broken = Generator(self.shape, parameters, spec.sampling)
        return OnePassHost(broken, describe("mine", spec), {c: i for i, c in enumerate(CLASSES)})


class TestStyleGan2OptionsContract(TestStyleGan2Contract):
    """Grey, residual, clamped; truncated, with noise of its own for each sample."""

    shape = init(img_channels=1, architecture="resnet", conv_clamp=1.5)
    sampling: ClassVar[dict[str, Any]] = {
        "noise_mode": "random",
        "truncation_psi": 0.7,
        "truncation_cutoff": 2,
    }


# ---- the network and its sampling ----------------------------------------------------


def golden_images() -> dict[str, list[float]]:
    """Every 5th value of one image of each architecture."""
    found = {}
    for architecture in ("skip", "resnet", "orig"):
        made = network(init(architecture=architecture, conv_clamp=0.8))
        z = torch.from_numpy(normals(["golden"], "z", 5).astype(np.float32))
        image = made(torch.tensor([2]), {"z": z})
        found[architecture] = [round(float(v), 4) for v in image.flatten()[::5]]
    return found


def test_pixels_are_those_that_agreed_with_the_official_program() -> None:
    expected = json.loads(GOLDEN.read_text())
    for architecture, values in golden_images().items():
        assert np.allclose(values, expected[architecture], rtol=0, atol=2e-4), architecture


def test_rows_depend_on_class_and_z_alone() -> None:
    made = network(init())
    z = torch.from_numpy(normals(["a", "b"], "z", 5).astype(np.float32))
    first = made(torch.tensor([0, 1]), {"z": z})
    second = made(torch.tensor([1, 2]), {"z": z.flip(0)})
    assert torch.allclose(first[1], second[0], atol=1e-6)
    assert not torch.allclose(first[0], second[1], atol=1e-2)


@pytest.mark.parametrize("cutoff", [None, 1, 3])
def test_truncation_pulls_the_first_w_to_the_average(cutoff: int | None) -> None:
    made = network(init())
    z, classes = torch.ones(1, 5), torch.tensor([1])
    whole = made.ws(z, classes)
    cut = made.ws(z, classes, 0.25, cutoff)
    average = made.parameters["mapping.w_avg"]
    count = whole.shape[1] if cutoff is None else cutoff
    assert whole.shape == (1, made.init.num_ws, 6) == (1, 4, 6)
    assert torch.allclose(cut[:, :count], average + 0.25 * (whole - average)[:, :count], atol=1e-6)
    assert torch.equal(cut[:, count:], whole[:, count:])


@pytest.mark.parametrize("mode", ["const", "random", "none"])
def test_noise_is_the_checkpoints_the_samples_or_none(tmp_path: Path, mode: str) -> None:
    shape = init(classes=0)
    spec = checkpoint(tmp_path, shape, sampling={"noise_mode": mode})
    info = describe("d", spec)
    batch = requests(info, ["cat"], 2)
    ids = [r.sample_id for r in batch]
    noise: Mapping[str, torch.Tensor] = {}
    if mode == "const":
        noise = network(shape).constant_noise()
    if mode == "random":
        drawn = {x.name: normals(ids, f"noise/{x.name}", x.side**2) for x in layers(shape)}
        noise = {
            x.name: torch.from_numpy(drawn[x.name].astype(np.float32)).view(2, 1, x.side, x.side)
            for x in layers(shape)
        }
    z = torch.from_numpy(normals(ids, "z", 5).astype(np.float32))
    made = network(shape)
    expected = made.synthesis(made.ws(z, torch.zeros(2, dtype=torch.int64)), noise).clamp(-1, 1)
    images = load_host("d", spec, info).generate(batch).images
    assert np.abs(images - expected.numpy()).max() < 1e-5


def test_noise_modes_differ(tmp_path: Path) -> None:
    images = []
    for mode in ("const", "random", "none"):
        spec = checkpoint(tmp_path / mode, init(), sampling={"noise_mode": mode})
        host = load_host("d", spec, describe("d", spec))
        images.append(host.generate(requests(host.info, ["no"], 1)).images.tobytes())
    assert len(set(images)) == 3


@pytest.mark.parametrize(("precision", "atol"), [("bf16", 0.1), ("fp16", 0.02)])
def test_half_precision_is_near_and_not_the_same(
    tmp_path: Path, precision: str, atol: float
) -> None:
    spec = checkpoint(tmp_path, init())
    half = spec.model_copy(update={"sampling": StyleGan2Sampling(precision=precision)})
    hosts = [load_host("d", s, describe("d", s)) for s in (spec, half)]
    batch = requests(hosts[0].info, CLASSES, 2)
    full, near = (host.generate(batch).images for host in hosts)
    assert 1e-6 < np.abs(full - near).max() < atol


def test_half_precision_does_not_overflow(tmp_path: Path) -> None:
    shape = init(conv_clamp=256.0)
    values = arrays(shape)
    for key in values:
        if key.endswith(("affine.weight", "conv1.weight")):
            values[key] *= 1e3
    made = write(tmp_path, "stylegan2", shape, values, classes=CLASSES)
    sampling = {"precision": "fp16"}
    spec = StyleGan2Generator.model_validate(
        {"family": "stylegan2", "checkpoint": made, "sampling": sampling}
    )
    host = load_host("d", spec, describe("d", spec))
    assert host.generate(requests(host.info, CLASSES, 1)).failed == (None,) * 3


def test_where_it_runs_changes_nothing(tmp_path: Path) -> None:
    spec = checkpoint(tmp_path, init())
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    last, first = (
        load_host("d", spec, info, placement=Placement(channels_last=layout)).generate(batch)
        for layout in (True, False)
    )
    assert np.abs(last.images - first.images).max() < 1e-5


# ---- jobs that are refused -----------------------------------------------------------


def refused(spec: StyleGan2Generator, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("faces", spec)
    assert str(caught.value) == f"generators.faces{text}"


def test_truncation_needs_an_average(tmp_path: Path) -> None:
    shape = init(mapping={"w_avg": False})
    refused(
        checkpoint(tmp_path, shape, sampling={"truncation_psi": 0.5}),
        ".sampling.truncation_psi: got 0.5, but the checkpoint keeps no average w to go towards; "
        "expected 1.0",
    )


def test_a_cutoff_that_cuts_nothing(tmp_path: Path) -> None:
    sampling = {"truncation_psi": 0.5, "truncation_cutoff": 4}
    refused(
        checkpoint(tmp_path, init(), sampling=sampling),
        ".sampling.truncation_cutoff: got 4, which is all of the network's 4 w; expected 1 to 3, "
        "or nothing for all",
    )
    with pytest.raises(ValidationError, match=r"has no effect where truncation_psi is 1\.0"):
        StyleGan2Sampling(truncation_cutoff=2)


def test_noise_of_a_network_without(tmp_path: Path) -> None:
    refused(
        checkpoint(tmp_path, init(use_noise=False), sampling={"noise_mode": "none"}),
        ".sampling.noise_mode: got 'none', which has no effect: the checkpoint's layers add no "
        "noise; expected nothing or 'const'",
    )


def test_classes_come_from_the_job_where_the_checkpoint_names_none(tmp_path: Path) -> None:
    folder = write(tmp_path, "stylegan2", init(), arrays(init()))
    spec = StyleGan2Generator(family="stylegan2", checkpoint=folder, class_index={"b": 2, "a": 0})
    assert describe("faces", spec).classes == ("b", "a")
    host = load_host("faces", spec, describe("faces", spec))
    z = torch.from_numpy(normals(["x"], "z", 5).astype(np.float32))
    request = dataclasses.replace(requests(host.info, ["b"], 1)[0], sample_id="x")
    expected = network(init())(torch.tensor([2]), {"z": z}).clamp(-1, 1).numpy()
    assert np.abs(host.generate([request]).images - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"widths": [6, 4097]}, "init.widths.1: Input should be less than or equal to 4096"),
        ({"widths": [1] * 11}, "init.widths: List should have at most 10 items"),
        ({"img_channels": 4}, "init.img_channels: Input should be 1 or 3"),
        ({"activation": "sigmoid"}, "init.activation: Input should be 'linear', 'lrelu' or 'relu'"),
        (
            {"mapping": {**init().mapping.model_dump(), "embed_features": 0}},
            "init.mapping: Value error, c_dim and embed_features: expected both 0 or neither",
        ),
    ],
)
def test_architectures_outside_the_limits(
    tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    spec = checkpoint(tmp_path, init())
    config = json.loads((tmp_path / "generator.json").read_text())
    config["init"] |= change
    (tmp_path / "generator.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        describe("faces", spec)
    assert str(caught.value).startswith(f"generators.faces: generator.json: {text}")


# ---- conversion ----------------------------------------------------------------------

SHAPES = {
    "skip": init(),
    "grey resnet": init(architecture="resnet", img_channels=1, widths=[3, 4, 5]),
    "orig, unconditional, no noise": init(classes=0, architecture="orig", use_noise=False),
    "no average, one layer": init(
        mapping={"w_avg": False, "num_layers": 1, "layer_features": 6}, widths=[4]
    ),
}


def official(shape: StyleGan2Init, kind: str = "safetensors", **config: Any) -> Foreign:
    """As the official programs save it: every convolution has a filter."""
    tensors = arrays(shape)
    for layer in layers(shape):
        tensors[f"{layer.name}.resample_filter"] = TAPS
    return Foreign("net.pkl", kind, tensors, config)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_an_architecture_is_seen_in_the_tensors(shape: StyleGan2Init) -> None:
    arguments = {"mapping_kwargs": {"lr_multiplier": 4.0}, "synthesis_kwargs": {"conv_clamp": None}}
    found = convert(official(shape, init=arguments))
    assert found is not None
    assert found.init == shape.model_dump()
    assert found.num_classes == shape.mapping.c_dim
    assert found.quirks == ()
    assert all(np.array_equal(found.tensors[k], v) for k, v in arrays(shape).items())


def test_what_tensors_do_not_show_is_a_quirk() -> None:
    found = convert(official(init(), "state_dict"))
    assert found is not None
    assert found.init["mapping"]["lr_multiplier"] == 0.01
    assert found.quirks == (
        "nothing beside the tensors says how it was built: taken to be lr_multiplier 0.01, "
        "activation lrelu",
        "nothing says conv_clamp: taken to be none, as in stylegan2-ada-pytorch; StyleGAN2 of the "
        "stylegan3 repository clamps at 256",
    )


def pickled(**attributes: Any) -> dict[str, Any]:
    """What stands beside the tensors of a pickle. attributes: of every convolution."""
    convs = {layer.name: {"conv_clamp": 256, "activation": "lrelu", **attributes}
             for layer in layers(init())}  # fmt: skip
    return {
        "class_name": "Generator",
        "init_args": [],
        "init_kwargs": {"z_dim": 5, "synthesis_kwargs": {"conv_clamp": None}},
        "modules": {
            **convs,
            "": {"z_dim": 5},
            "mapping.fc0": {"activation": "lrelu", "bias_gain": 0.5},
            "mapping.fc1": {"activation": "lrelu", "bias_gain": 0.5},
            "synthesis.b8": {"use_fp16": True},
        },
    }


def test_attributes_of_a_pickle_beat_its_arguments() -> None:
    found = convert(official(init(), "nvidia", **pickled()))
    assert found is not None
    assert found.init["conv_clamp"] == 256.0
    assert found.init["mapping"]["lr_multiplier"] == 0.5
    assert found.quirks == (
        "its last blocks ran in half precision on GPUs; here everything runs in float32 unless "
        "sampling.precision says otherwise",
    )
    assert found.license_note is not None
    assert "not commercially" in found.license_note


def test_arguments_beside_the_generators_own() -> None:
    """As StyleGAN2 of the stylegan3 repository has them."""
    found = convert(official(init(), init={"conv_clamp": 3, "num_fp16_res": 4}))
    assert found is not None
    assert found.init["conv_clamp"] == 3.0
    assert len(found.quirks) == 1


def not_converted(foreign: Foreign, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(foreign)
    assert str(caught.value) == f"net.pkl: {text}"


def test_other_checkpoints_are_left_to_others() -> None:
    assert convert(Foreign("x", "state_dict", {"synthesis.input.freqs": np.zeros((3, 2))})) is None


def test_layers_that_differ() -> None:
    config = pickled()
    config["modules"]["synthesis.b8.conv0"]["conv_clamp"] = None
    not_converted(
        official(init(), "nvidia", **config),
        "conv_clamp is None in synthesis.b8.conv0 and 256 in synthesis.b4.conv1; expected one "
        "value for all layers",
    )


def test_an_activation_that_is_not_hosted() -> None:
    not_converted(
        official(init(), "nvidia", **pickled(activation="swish")),
        "cannot be hosted: activation: Input should be 'linear', 'lrelu' or 'relu', got 'swish'",
    )


def test_another_activation_of_the_mapping() -> None:
    not_converted(
        official(init(), init={"mapping_kwargs": {"activation": "relu"}}),
        "the mapping network's activation is 'relu'; expected 'lrelu'",
    )


def test_missing_and_misshapen_tensors() -> None:
    foreign = official(init())
    tensors = dict(foreign.tensors)
    del tensors["synthesis.b8.torgb.bias"]
    tensors["extra"] = TAPS
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        "its tensors are not those of the architecture that it shows (missing: "
        "synthesis.b8.torgb.bias; unknown: extra); expected the whole generator as its own "
        "program saved it",
    )
    tensors["mapping.fc0.weight"] = TAPS[0]
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        "tensor 'mapping.fc0.weight' has shape [4]; expected 2 axes",
    )
    del tensors["mapping.fc0.weight"]
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        "tensor 'mapping.fc0.weight' is missing; expected one with 2 axes",
    )


def test_tensors_that_are_no_real_numbers() -> None:
    foreign = official(init())
    tensors = {**foreign.tensors, "mapping.w_avg": np.zeros(6, dtype=np.int64)}
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        "tensor 'mapping.w_avg' has dtype int64; expected real numbers",
    )


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"init": []}, "config.init is []; expected an object"),
        ({"init": {"mapping_kwargs": 3}}, "mapping_kwargs is 3; expected an object"),
        (
            {"init": {"conv_clamp": "x"}},
            "cannot be hosted: conv_clamp: Input should be a valid number, got 'x'",
        ),
    ],
)
def test_configurations_that_are_none(config: dict[str, Any], text: str) -> None:
    not_converted(official(init(), **config), text)
