from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, Placement, describe, load_host
from augment.generators.families.biggan import BigGanInit, Generator, convert, parameter_shapes
from augment.generators.foreign import Foreign
from augment.generators.one_pass import OnePassHost
from augment.seeds import stream
from augment.spec.generators import BigGanGenerator, BigGanSampling
from tests.contracts.generator_contract import TrainedGeneratorContract, requests
from tests.generators.checkpoints import Arrays, randoms, write

CLASSES = ["no", "12:30", "0"]
GOLDEN = Path(__file__).parents[2] / "golden" / "biggan.json"
BASE: dict[str, Any] = {
    "z_dim": 5, "class_embed_dim": 3, "num_classes": 3, "channel_width": 4,
    "layers": [[False, 4, 4], [True, 4, 2], [False, 2, 1]],
    "attention_layer_position": 2, "eps": 1e-4, "n_stats": 5,
}  # fmt: skip


def init(**changes: Any) -> BigGanInit:
    """A tiny generator of 8x8 images."""
    return BigGanInit.model_validate({**BASE, **changes})


def arrays(shape: BigGanInit, seed: int = 0) -> Arrays:
    values = randoms(parameter_shapes(shape), seed)
    for key in values:
        if key.endswith("running_vars"):
            values[key] = np.abs(values[key]) + 0.3
        elif values[key].ndim > 1 and key.endswith(".weight"):
            norm = np.linalg.norm(values[key].reshape(len(values[key]), -1), 2)
            values[key] /= norm  # as spectral normalisation leaves them
    values["generator.conv_to_rgb.weight"] *= 0.5  # most pixels away from -1 and 1
    return values


def checkpoint(folder: Path, shape: BigGanInit, **job: Any) -> BigGanGenerator:
    """A folder of random weights and the spec that names it."""
    made = write(folder, "biggan", shape, arrays(shape), classes=CLASSES)
    return BigGanGenerator.model_validate({"family": "biggan", "checkpoint": made, **job})


def network(shape: BigGanInit, **sampling: Any) -> Generator:
    parameters = {key: torch.from_numpy(value) for key, value in arrays(shape).items()}
    return Generator(shape, parameters, BigGanSampling(**sampling))


class TestBigGanContract(TrainedGeneratorContract):
    sampling: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> BigGanGenerator:
        return checkpoint(tmp_path, init(), sampling=self.sampling)

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: BigGanGenerator, broken_class: str) -> GeneratorHost:
        values = arrays(init())
        values["embeddings.weight"][:, CLASSES.index(broken_class)] = np.nan
        parameters = {key: torch.from_numpy(value) for key, value in values.items()}
        broken = Generator(init(), parameters, spec.sampling)
        return OnePassHost(broken, describe("mine", spec), {c: i for i, c in enumerate(CLASSES)})


class TestTruncatedBigGanContract(TestBigGanContract):
    sampling: ClassVar[dict[str, Any]] = {"truncation": 0.4}


# ---- the network and its sampling ----------------------------------------------------


def golden_images() -> dict[str, list[float]]:
    """Every 5th value of one image at truncations on and between the stored statistics."""
    found = {}
    for truncation in (1.0, 0.5, 0.4):
        made = network(init(), truncation=truncation)
        z = torch.from_numpy(made.draw(["golden"])["z"])
        image = made(torch.tensor([2]), {"z": z})
        found[str(truncation)] = [round(float(v), 4) for v in image.flatten()[::5]]
    return found


def test_pixels_are_those_that_agreed_with_the_official_program() -> None:
    expected = json.loads(GOLDEN.read_text())
    for truncation, values in golden_images().items():
        assert np.allclose(values, expected[truncation], rtol=0, atol=2e-4), truncation


def test_z_is_the_samples_own_normal_numbers_within_two() -> None:
    ids = [f"sample {i}" for i in range(200)]
    z = network(init(), truncation=0.5).draw(ids)["z"]
    assert np.abs(z).max() <= 1.0
    assert 0.4 < z.std() < 0.48  # 0.88 of a normal cut at 2, halved
    drawn = stream(ids[7], "z").standard_normal(10)
    expected = drawn[np.abs(drawn) <= 2.0][:5] * 0.5
    assert np.array_equal(z[7], expected.astype(np.float32))
    assert np.array_equal(network(init(), truncation=0.5).draw(ids[7:8])["z"][0], z[7])


@pytest.mark.parametrize(
    ("truncation", "rows"),
    [(1.0, {4: 1.0}), (0.5, {2: 1.0}), (0.4, {1: 0.6, 2: 0.4}), (0.95, {3: 0.8, 4: 0.2})],
)
def test_statistics_between_rows_are_weighted_as_officially(
    truncation: float, rows: dict[int, float]
) -> None:
    """Steps of 0.25: 0.4 is 1.6 steps, and row 1 gets the 0.6."""
    shape = init()
    values = arrays(shape)
    exact = dict(values)
    for key, table in values.items():
        if key.endswith(("running_means", "running_vars")):
            row = sum(share * table[i] for i, share in rows.items())
            exact[key] = np.tile(row, (shape.n_stats, 1)).astype(np.float32)
    z, classes = torch.ones(1, 5), torch.tensor([1])
    made, expected = (
        Generator(
            shape,
            {key: torch.from_numpy(value) for key, value in tensors.items()},
            BigGanSampling(truncation=truncation),
        )(classes, {"z": z})
        for tensors in (values, exact)
    )
    assert torch.allclose(made, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_and_not_the_same(tmp_path: Path, precision: str) -> None:
    spec = checkpoint(tmp_path, init())
    half = spec.model_copy(update={"sampling": BigGanSampling(precision=precision)})
    hosts = [load_host("d", s, describe("d", s)) for s in (spec, half)]
    batch = requests(hosts[0].info, CLASSES, 2)
    full, near = (host.generate(batch).images for host in hosts)
    assert 1e-6 < np.abs(full - near).mean() < 0.1


def test_where_it_runs_changes_nothing(tmp_path: Path) -> None:
    spec = checkpoint(tmp_path, init())
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    last, first = (
        load_host("d", spec, info, placement=Placement(channels_last=layout)).generate(batch)
        for layout in (True, False)
    )
    assert np.abs(last.images - first.images).max() < 1e-5


@pytest.mark.parametrize("truncation", [0.0, 0.019, 1.01])
def test_truncations_without_statistics(truncation: float) -> None:
    with pytest.raises(ValidationError, match="truncation"):
        BigGanSampling(truncation=truncation)


# ---- checkpoints that are refused ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"layers": [[False, 4, 4], [True, 2, 1]]},
            "init: Value error, layers.0: gives 4 widths, the next takes 2",
        ),
        (
            {"layers": [[False, 8, 2], [True, 2, 1]]},
            "init: Value error, layers.0: 8 to 2 widths, expected all or half",
        ),
        ({"layers": [[False, 4, 2]]}, "init: Value error, layers: the last gives 2 widths"),
        ({"layers": [[True, 1, 1]] * 10}, "init: Value error, layers: the side is 4096, expected"),
        ({"layers": [[False, 1, 1]] * 65}, "init.layers: List should have at most 64 items"),
        ({"layers": [["no", 1, 1]]}, "init.layers.0.0: Input should be a valid boolean"),
        ({"channel_width": 3}, "init: Value error, layers.2: 2 widths are not divisible by 4"),
        (
            {"attention_layer_position": 3},
            "init: Value error, attention_layer_position: expected a block of 8 channels",
        ),
        ({"n_stats": 1}, "init.n_stats: Input should be greater than or equal to 2"),
        ({"num_classes": 0}, "init.num_classes: Input should be greater than or equal to 1"),
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

CONFIG = {key: value for key, value in BASE.items() if key not in ("class_embed_dim",)}


def official(**config: Any) -> Foreign:
    """Each weight but those of embeddings and of the last normalisation as three tensors:
    its direction doubled, and the vectors that say 2."""
    tensors: Arrays = {}
    for key, value in arrays(init()).items():
        if not key.endswith(".weight") or key in ("embeddings.weight", "generator.bn.weight"):
            tensors[key] = value
            continue
        flat = value.reshape(len(value), -1)
        u, s, v = np.linalg.svd(flat.astype(np.float64), full_matrices=False)
        tensors[f"{key}_orig"] = (value * (2.0 / s[0])).astype(np.float32)
        tensors[f"{key}_u"] = u[:, 0].astype(np.float32)
        tensors[f"{key}_v"] = v[0].astype(np.float32)
    return Foreign("model.bin", "state_dict", tensors, {**CONFIG, **config})


def test_spectral_norms_are_folded_into_the_weights() -> None:
    found = convert(official())
    assert found is not None
    assert found.init == init().model_dump()
    assert found.num_classes == 3
    assert found.tensors.keys() == parameter_shapes(init()).keys()
    for key, value in found.tensors.items():
        if f"{key}_orig" in official().tensors:
            norm = np.linalg.norm(value.reshape(len(value), -1).astype(np.float64), 2)
            assert norm == pytest.approx(1.0, abs=1e-5), key
            assert np.allclose(value * 2.0, official().tensors[f"{key}_orig"], atol=1e-5), key


def test_a_configuration_in_the_metadata() -> None:
    foreign = official()
    found = convert(dataclasses.replace(foreign, config={"init": foreign.config}))
    assert found is not None
    assert found.init == init().model_dump()


def not_converted(foreign: Foreign, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(foreign)
    assert str(caught.value) == f"model.bin: {text}"


def test_other_checkpoints_are_left_to_others() -> None:
    assert convert(Foreign("x", "state_dict", {"mapping.w_avg": np.zeros(3)})) is None


def test_a_checkpoint_of_the_other_program() -> None:
    keys = ("shared.weight", "blocks.0.0.bn1.gain.weight")
    not_converted(
        Foreign("model.bin", "state_dict", {key: np.zeros((2, 2)) for key in keys}),
        "a BigGAN of ajbrock/BigGAN-PyTorch; expected BigGAN-deep in the Hugging Face form; "
        "take a checkpoint of huggingface/pytorch-pretrained-BigGAN, or export this one as ONNX "
        "(docs/generators.md shows how)",
    )


def test_a_configuration_is_needed() -> None:
    not_converted(
        dataclasses.replace(official(), config={"z_dim": 5, "eps": 1e-4}),
        "no configuration that says channel_width, layers, attention_layer_position, n_stats; "
        "expected the config.json beside it; import the folder that holds both",
    )


def test_a_configuration_of_another_network() -> None:
    with pytest.raises(CheckpointError, match="its tensors are not those of the architecture"):
        convert(official(z_dim=6))
    not_converted(
        official(layers="all"),
        "cannot be hosted: layers: Input should be a valid list, got 'all'",
    )


@pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 4)])
def test_a_normalised_weight_that_is_no_matrix(shape: tuple[int, ...]) -> None:
    foreign = official()
    key = "generator.gen_z.weight_orig"
    tensors = {**foreign.tensors, key: np.zeros(shape, np.float32)}
    text = f"{key} has shape {list(shape)}; expected a matrix or more"
    not_converted(dataclasses.replace(foreign, tensors=tensors), text)


def test_norms_that_are_none() -> None:
    foreign = official()
    stem = "generator.gen_z"
    tensors = {**foreign.tensors, f"{stem}.weight_u": np.zeros(256, np.float32)}
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        f"{stem}: its spectral norm is 0.0; expected more than 0",
    )
    tensors[f"{stem}.weight_u"] = np.zeros(3, np.float32)
    not_converted(
        dataclasses.replace(foreign, tensors=tensors),
        f"{stem}: weight_u and weight_v have 3 and 8 values; expected 256 and 8",
    )
