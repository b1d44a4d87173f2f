from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, Placement, describe, load_host
from augment.generators.families.stylegan.stylegan3 import Generator, convert
from augment.generators.families.stylegan.stylegan3_layers import (
    StyleGan3Init,
    layers,
    parameter_shapes,
)
from augment.generators.foreign import Foreign
from augment.generators.one_pass import OnePassHost
from augment.seeds import normals
from augment.spec.generators import StyleGan3Generator, StyleGan3Sampling
from tests.contracts.generator_contract import TrainedGeneratorContract, requests
from tests.generators.checkpoints import Arrays, randoms, write

CLASSES = ["no", "12:30", "0"]
GOLDEN = Path(__file__).parents[2] / "golden" / "stylegan3.json"


def init(classes: int = 3, **changes: Any) -> StyleGan3Init:
    """A tiny generator of 16x16 images."""
    mapping = {
        "z_dim": 5, "c_dim": classes, "w_dim": 6, "num_layers": 2, "lr_multiplier": 4.0,
        "embed_features": 6 if classes else 0, "layer_features": 6, "w_avg": True,
    }  # fmt: skip
    base = {
        "mapping": mapping, "img_resolution": 16, "img_channels": 3, "widths": [6, 5, 4, 4],
        "num_critical": 2, "first_cutoff": 2.0, "first_stopband": 2.0**2.1,
        "last_stopband_rel": 2.0**0.3, "margin_size": 10, "filter_size": 6,
        "lrelu_upsampling": 2, "conv_kernel": 3, "use_radial_filters": False,
        "conv_clamp": 256.0, "output_scale": 0.25,
    }  # fmt: skip
    return StyleGan3Init.model_validate({**base, **changes})


ROTATION = {"conv_kernel": 1, "use_radial_filters": True}


def arrays(shape: StyleGan3Init, seed: int = 0) -> Arrays:
    values = randoms(parameter_shapes(shape), seed)
    for key, value in values.items():
        if key.endswith("_filter"):  # a smooth bump whose taps sum to 1
            bump = np.hanning(len(value) + 2)[1:-1]
            bump = bump if value.ndim == 1 else np.outer(bump, bump)
            values[key] = (bump / bump.sum()).astype(np.float32)
        if key.endswith("magnitude_ema"):
            values[key] = np.asarray(np.abs(value) + 0.5, np.float32)
    values["synthesis.input.freqs"] *= 3
    values["synthesis.input.transform"] = np.eye(3, dtype=np.float32)
    return values


def checkpoint(folder: Path, shape: StyleGan3Init, **job: Any) -> StyleGan3Generator:
    """A folder of random weights and the spec that names it."""
    named = {"classes": CLASSES} if shape.mapping.c_dim else {}
    made = write(folder, "stylegan3", shape, arrays(shape), **named)
    label = {} if named else {"label": "cat"}
    return StyleGan3Generator.model_validate(
        {"family": "stylegan3", "checkpoint": made, **label, **job}
    )


def network(shape: StyleGan3Init, **sampling: Any) -> Generator:
    parameters = {key: torch.from_numpy(value) for key, value in arrays(shape).items()}
    return Generator(shape, parameters, StyleGan3Sampling(**sampling))


class TestStyleGan3Contract(TrainedGeneratorContract):
    shape = init()

    @pytest.fixture
    def spec(self, tmp_path: Path) -> StyleGan3Generator:
        return checkpoint(tmp_path, self.shape, sampling={"truncation_psi": 0.8})

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: StyleGan3Generator, broken_class: str) -> GeneratorHost:
        values = arrays(self.shape)
        values["mapping.embed.weight"][:, CLASSES.index(broken_class)] = np.nan
        parameters = {key: torch.from_numpy(value) for key, value in values.items()}
        broken = Generator(self.shape, parameters, spec.sampling)
        return OnePassHost(broken, describe("mine", spec), {c: i for i, c in enumerate(CLASSES)})


class TestStyleGan3RotationContract(TestStyleGan3Contract):
    shape = init(img_channels=1, **ROTATION)


# ---- the architecture ----------------------------------------------------------------


def test_layers_are_named_by_their_sizes_as_officially() -> None:
    """StyleGAN3-T for 256x256, as the official program names them."""
    widths = [512] * 9 + [362, 256, 181, 128, 128]
    shape = init(img_resolution=256, widths=widths)
    names = [layer.name.removeprefix("synthesis.") for layer in layers(shape)]
    assert names == [
        "L0_36_512", "L1_36_512", "L2_36_512", "L3_52_512", "L4_52_512", "L5_84_512",
        "L6_84_512", "L7_148_512", "L8_148_512", "L9_148_362", "L10_276_256", "L11_276_181",
        "L12_276_128", "L13_256_128", "L14_256_3",
    ]  # fmt: skip
    assert shape.num_ws == 16


@pytest.mark.parametrize(
    "changes",
    [{}, ROTATION, {"widths": [4] * 9, "img_resolution": 32}, {"lrelu_upsampling": 1}],
    ids=["T", "R", "larger", "no upsampling around the nonlinearity"],
)
def test_images_have_the_side_that_the_init_says(changes: dict[str, Any]) -> None:
    shape = init(**changes)
    image = network(shape)(torch.tensor([0]), {"z": torch.ones(1, 5)})
    assert image.shape == (1, 3, shape.img_resolution, shape.img_resolution)


# ---- the network and its sampling ----------------------------------------------------


def golden_images() -> dict[str, list[float]]:
    """Every 17th value of one image of T and of R."""
    found = {}
    for kind, changes in (("T", {}), ("R", ROTATION)):
        made = network(init(**changes))
        image = made(torch.tensor([2]), {"z": torch.from_numpy(made.draw(["golden"])["z"])})
        found[kind] = [round(float(v), 4) for v in image.flatten()[::17]]
    return found


def test_pixels_are_those_that_agreed_with_the_official_program() -> None:
    expected = json.loads(GOLDEN.read_text())
    for kind, values in golden_images().items():
        assert np.allclose(values, expected[kind], rtol=0, atol=2e-4), kind


def test_moving_the_waves_moves_the_image() -> None:
    """What the network is for: the plane moved by whole pixels, the image follows."""
    shape = init(classes=0, img_resolution=32, widths=[8] * 6, **ROTATION)
    made = network(shape)
    ws = made.ws(torch.ones(1, 5), torch.tensor([0]))
    ws[:, 0] = 0.0
    values = dict(made.parameters)
    values["synthesis.input.affine.bias"] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    still = dataclasses.replace(made, parameters=values).synthesis(ws)
    values["synthesis.input.affine.bias"] = torch.tensor([1.0, 0.0, 4 / 32, 0.0])
    moved = dataclasses.replace(made, parameters=values).synthesis(ws)
    one, two = moved[0, :, 6:-6, 6:-6], still[0, :, 6:-6, 2:-10]
    other = still[0, :, 6:-6, 6:-6]
    assert (one - two).abs().mean() < 0.1 * (one - other).abs().mean()


def test_class_index_truncation_and_z_reach_the_image(tmp_path: Path) -> None:
    sampling = {"truncation_psi": 0.5, "truncation_cutoff": 3}
    folder = write(tmp_path, "stylegan3", init(), arrays(init()))
    spec = StyleGan3Generator.model_validate(
        {
            "family": "stylegan3",
            "checkpoint": folder,
            "class_index": {"b": 2, "a": 0},
            "sampling": sampling,
        }
    )
    host = load_host("d", spec, describe("d", spec))
    batch = requests(host.info, ["b"], 2)
    z = normals([r.sample_id for r in batch], "z", 5).astype(np.float32)
    made = network(init())
    ws = made.ws(torch.from_numpy(z), torch.tensor([2, 2]))
    ws = torch.cat([torch.lerp(made.parameters["mapping.w_avg"], ws[:, :3], 0.5), ws[:, 3:]], 1)
    expected = made.synthesis(ws).clamp(-1, 1).numpy()
    assert np.abs(host.generate(batch).images - expected).max() < 1e-5


@pytest.mark.parametrize(("precision", "atol"), [("bf16", 0.1), ("fp16", 0.02)])
def test_half_precision_is_near_and_not_the_same(
    tmp_path: Path, precision: str, atol: float
) -> None:
    spec = checkpoint(tmp_path, init())
    half = spec.model_copy(update={"sampling": StyleGan3Sampling(precision=precision)})
    hosts = [load_host("d", s, describe("d", s)) for s in (spec, half)]
    batch = requests(hosts[0].info, CLASSES, 2)
    full, near = (host.generate(batch).images for host in hosts)
    assert 1e-6 < np.abs(full - near).max() < atol


def test_where_it_runs_changes_nothing(tmp_path: Path) -> None:
    spec = checkpoint(tmp_path, init())
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    last, first = (
        load_host("d", spec, info, placement=Placement(channels_last=layout)).generate(batch)
        for layout in (True, False)
    )
    assert np.abs(last.images - first.images).max() < 1e-5


# ---- checkpoints that are refused ----------------------------------------------------


def test_truncation_that_has_no_effect_or_no_average(tmp_path: Path) -> None:
    sampling = {"truncation_psi": 0.5, "truncation_cutoff": 6}
    with pytest.raises(CheckpointError) as caught:
        describe("faces", checkpoint(tmp_path, init(), sampling=sampling))
    assert str(caught.value) == (
        "generators.faces.sampling.truncation_cutoff: got 6, which is all of the network's 6 w; "
        "expected 1 to 5, or nothing for all"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"img_resolution": 24},
            "init: Value error, img_resolution: got 24, expected a power of 2",
        ),
        (
            {"num_critical": 4},
            "init: Value error, num_critical: got 4, expected fewer than layers",
        ),
        (
            {"first_cutoff": 8.0},
            "init: Value error, first_cutoff: got 8.0, expected less than half the first "
            "sampling rate, 16",
        ),
        ({"widths": [4] * 65}, "init.widths: List should have at most 64 items"),
        ({"filter_size": 33}, "init.filter_size: Input should be less than or equal to 32"),
        ({"lrelu_upsampling": 3}, "init.lrelu_upsampling: Input should be 1, 2, 4 or 8"),
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

ARGUMENTS = {"mapping_kwargs": {"lr_multiplier": 4.0}, "num_fp16_res": 0}


def official(shape: StyleGan3Init, kind: str = "safetensors", **config: Any) -> Foreign:
    return Foreign("net.pkl", kind, arrays(shape), config)


@pytest.mark.parametrize(
    "shape",
    [init(), init(classes=0, img_channels=1, **ROTATION), init(widths=[3, 3], num_critical=1)],
    ids=["T", "grey R", "two layers"],
)
def test_an_architecture_is_seen_in_tensors_and_arguments(shape: StyleGan3Init) -> None:
    arguments = {**ARGUMENTS, "num_critical": shape.num_critical}
    found = convert(official(shape, init=arguments))
    assert found is not None
    assert found.init == shape.model_dump()
    assert found.num_classes == shape.mapping.c_dim
    assert found.quirks == ()
    assert all(np.array_equal(found.tensors[k], v) for k, v in arrays(shape).items())


def test_what_tensors_do_not_show_is_a_quirk() -> None:
    found = convert(official(init()))
    assert found is not None
    assert found.quirks == (
        "its last layers ran in half precision on GPUs; here everything runs in float32 unless "
        "sampling.precision says otherwise",
        "nothing beside the tensors says how it was built: taken to be lr_multiplier 0.01, "
        "num_critical 2, first_cutoff 2, first_stopband 4.287, last_stopband_rel 1.231, "
        "margin_size 10, filter_size 6, lrelu_upsampling 2, output_scale 0.25, conv_clamp 256",
    )


def pickled() -> dict[str, Any]:
    """What stands beside the tensors of a pickle."""
    modules: dict[str, dict[str, Any]] = {
        "synthesis": {"output_scale": 0.5, "num_critical": 2, "margin_size": 10},
        "synthesis.input": {"bandwidth": 2.0, "sampling_rate": 16.0},
        "mapping.fc0": {"bias_gain": 4.0},
        "mapping.fc1": {"bias_gain": 4.0},
    }
    for layer in layers(init()):
        modules[layer.name] = {
            "conv_clamp": None,
            "use_fp16": False,
            "up_factor": layer.up,
            "down_factor": layer.down,
            "padding": [*layer.pad, *layer.pad],
        }
    return {"init_kwargs": {"output_scale": 1.0}, "modules": modules}


def test_attributes_of_a_pickle_beat_its_arguments() -> None:
    found = convert(official(init(), "nvidia", **pickled()))
    assert found is not None
    assert found.init == init(output_scale=0.5, conv_clamp=None).model_dump()
    assert found.quirks == ()
    assert found.license_note is not None


def not_converted(foreign: Foreign, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(foreign)
    assert str(caught.value) == f"net.pkl: {text}"


def test_a_pickle_that_ran_otherwise() -> None:
    config = pickled()
    config["modules"]["synthesis.input"]["bandwidth"] = 3.0
    not_converted(
        official(init(), "nvidia", **config),
        "bandwidth of synthesis.input is 3.0; expected 2.0, which follows from its constructor's "
        "arguments",
    )


def test_other_checkpoints_are_left_to_others() -> None:
    assert convert(Foreign("x", "state_dict", {"synthesis.b4.const": np.zeros((3, 4, 4))})) is None


def test_layers_that_are_none_or_do_not_follow() -> None:
    foreign = official(init(), init=ARGUMENTS)
    only = {k: v for k, v in foreign.tensors.items() if not k.startswith("synthesis.L")}
    not_converted(
        dataclasses.replace(foreign, tensors=only),
        "no layers synthesis.L*; expected those of StyleGAN3",
    )
    with pytest.raises(CheckpointError, match=r"missing: synthesis\.L0_32_6\.affine\.bias"):
        convert(official(init(), init={**ARGUMENTS, "margin_size": 8}))
