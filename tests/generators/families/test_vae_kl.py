"""vae, kind autoencoder_kl: variations of a source image, against diffusers' own network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, Placement, SampleRequest, describe, load_host
from augment.generators.families.vae.host import convert
from augment.generators.families.vae.kl import KlHost, KlInit, parameter_shapes
from augment.generators.foreign import Conversion, Foreign
from augment.seeds import stream
from augment.spec.generators import VaeGenerator
from tests.contracts.generator_contract import (
    SOURCE_SIZE,
    ImageGeneratorContract,
    TrainedImageGeneratorContract,
)

TINY: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.42.1",
    "act_fn": "silu",
    "block_out_channels": [4, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 2,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": 16,
    "scaling_factor": 0.5,
    "force_upcast": False,
}


def class_of_diffusers() -> Any:
    """It is imported late: every process of the tests imports this module to see what is in it."""
    from diffusers import AutoencoderKL

    return AutoencoderKL


def network(config: Mapping[str, Any] = TINY) -> Any:
    """diffusers' own, with random weights that are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = class_of_diffusers().from_config(dict(config))
    return made.eval()


def foreign(config: Mapping[str, Any] = TINY, drop: str = "") -> Foreign:
    tensors = {k: v.numpy() for k, v in network(config).state_dict().items() if k != drop}
    return Foreign("vae", "diffusers", tensors, config)


def converted(config: Mapping[str, Any] = TINY) -> Conversion:
    found = convert(foreign(config))
    assert found is not None
    return found


def write(folder: Path, made: Conversion | None = None, **more: Any) -> VaeGenerator:
    made = made or converted()
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
    raw = {"family": "vae", "checkpoint": str(folder), **more}
    return VaeGenerator.model_validate(raw)


class TestKlContract(TrainedImageGeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> VaeGenerator:
        return write(tmp_path / "c", preprocess={"load_size": 16, "crop_size": 16})

    @pytest.fixture
    def broken_source(self) -> np.ndarray:
        return np.full((*SOURCE_SIZE, 3), 255, np.uint8)

    @pytest.fixture
    def broken_host(self, spec: VaeGenerator) -> GeneratorHost:
        def varied(x_BCHW: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            white = x_BCHW.amin(dim=(1, 2, 3), keepdim=True) > 0.999
            return torch.where(white, torch.nan, x_BCHW * 0.5)

        init = KlInit.model_validate(converted().init)
        return KlHost(varied, init, describe("mine", spec), spec, Placement())


class TestRounded(ImageGeneratorContract):
    """Without `preprocess` a source keeps its size, but for the multiple."""

    @pytest.fixture
    def spec(self, tmp_path: Path) -> VaeGenerator:
        return write(tmp_path)

    @pytest.fixture
    def image_size(self) -> tuple[int, int]:
        return SOURCE_SIZE


def sources(n: int, height: int = 8, width: int = 12) -> list[SampleRequest]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, height, width, 3)).astype(np.uint8)
    return [SampleRequest(f"{i:032x}", "any", i, image) for i, image in enumerate(images)]


@pytest.mark.parametrize(
    ("more", "variation"), [({}, 0.25), ({"sampling": {"variation": 1.5}}, 1.5)]
)
@pytest.mark.parametrize("std", [None, [0.5, 3.0]])
def test_an_image_is_what_diffusers_makes_of_the_noisy_latent(
    tmp_path: Path, more: dict[str, Any], variation: float, std: list[float] | None
) -> None:
    config = {**TINY, "latents_std": std}
    spec = write(tmp_path, converted(config), **more)
    host = load_host("g", spec, describe("g", spec))
    batch, vae = sources(3), network(config)
    units = torch.tensor(std or [1.0, 1.0]).reshape(2, 1, 1) / 0.5
    for request, image in zip(batch, host.generate(batch).images, strict=True):
        assert request.source is not None
        x = torch.from_numpy(request.source.transpose(2, 0, 1) / 127.5 - 1.0).float()[None]
        noise = stream(request.sample_id, "latent").standard_normal((2, 4, 6))
        with torch.no_grad():
            z = vae.encode(x).latent_dist.mean + torch.from_numpy(noise).float() * variation * units
            expected = vae.decode(z).sample[0].clamp(-1, 1).numpy()
        assert np.abs(image - expected).max() < 1e-5


def test_a_size_that_had_to_be_rounded_is_in_the_notes(tmp_path: Path) -> None:
    spec = write(tmp_path)
    made = load_host("g", spec, describe("g", spec)).generate(sources(2, 9, 12))
    assert made.images.shape == (2, 3, 8, 12)
    assert made.notes == ({"rounded": [8, 12]},) * 2


def test_loading_and_sampling_leave_torch_random_numbers_alone(tmp_path: Path) -> None:
    spec = write(tmp_path)
    before = torch.random.get_rng_state()
    load_host("g", spec, describe("g", spec)).generate(sources(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_layout_of_convolutions_changes_no_pixel_beyond_the_tolerance(tmp_path: Path) -> None:
    spec = write(tmp_path)
    info, batch = describe("g", spec), sources(2)
    last, first = (
        load_host("g", spec, info, placement=Placement(channels_last=c)).generate(batch).images
        for c in (True, False)
    )
    assert np.abs(last - first).max() <= 1e-5


def test_digests(tmp_path: Path) -> None:
    base = describe("g", write(tmp_path / "a"))
    same = describe("g", write(tmp_path / "b", sampling={"variation": 0.25}))
    assert (base.identity, base.sampling_digest) == (same.identity, same.sampling_digest)
    others = [
        {"sampling": {"variation": 0.5}},
        {"sampling": {"precision": "bf16"}},
        {"preprocess": {"load_size": 16, "crop_size": 16}},
    ]
    infos = [describe("g", write(tmp_path / "b", **more)) for more in others]
    assert {info.identity for info in infos} == {base.identity}
    assert len({base.sampling_digest, *(info.sampling_digest for info in infos)}) == 4
    assert base.takes_image
    assert base.varies


def test_facts_need_neither_torch_nor_diffusers(tmp_path: Path) -> None:
    import subprocess
    import sys

    write(tmp_path)
    program = (
        "import sys\n"
        "from augment.generators import describe\n"
        "from augment.spec.generators import VaeGenerator\n"
        "print(describe('g', VaeGenerator(family='vae', checkpoint=sys.argv[1])).height)\n"
        "print(sorted({'torch', 'diffusers'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["256", "[]"]


# ---- architecture and conversion -----------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"block_out_channels": [4], "down_block_types": ["DownEncoderBlock2D"],
         "up_block_types": ["UpDecoderBlock2D"]},
        {"block_out_channels": [4, 4, 8, 8], "down_block_types": ["DownEncoderBlock2D"] * 4,
         "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2},
        {"mid_block_add_attention": False, "latent_channels": 3},
        {"use_quant_conv": False, "use_post_quant_conv": False, "in_channels": 1,
         "out_channels": 1},
    ],
)  # fmt: skip
def test_the_tensors_are_those_of_diffusers(change: dict[str, Any]) -> None:
    config = {**TINY, **change}
    theirs = {k: tuple(v.shape) for k, v in network(config).state_dict().items()}
    assert parameter_shapes(KlInit.model_validate(converted(config).init)) == theirs


def test_defaults_are_those_of_diffusers() -> None:
    import inspect

    parameters = inspect.signature(class_of_diffusers().__init__).parameters
    for key, field in KlInit.model_fields.items():
        if not field.is_required():
            assert field.default == parameters[key].default, key


def test_old_names_of_the_attention_are_read() -> None:
    given = foreign()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = dict(given.tensors)
    for name, before in old.items():
        for part in ("encoder", "decoder"):
            stem = f"{part}.mid_block.attentions.0"
            weight = tensors.pop(f"{stem}.{name}.weight")
            tensors[f"{stem}.{before}.weight"] = weight[:, :, None, None]
            tensors[f"{stem}.{before}.bias"] = tensors.pop(f"{stem}.{name}.bias")
    found = convert(Foreign("vae", "diffusers", tensors, TINY))
    assert found is not None
    assert found.quirks == ("renamed: 16 attention tensors of an older diffusers",)
    today = converted()
    assert today.quirks == ()
    assert found.tensors.keys() == today.tensors.keys()
    assert all(np.array_equal(found.tensors[k], v) for k, v in today.tensors.items())


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]},
            "vae: config.json: down_block_types: got ['DownEncoderBlock2D', "
            "'AttnDownEncoderBlock2D']; expected DownEncoderBlock2D only",
        ),
        *(
            ({"up_block_types": kinds}, "vae: config.json: up_block_types: got ")
            for kinds in (None, [], 3, "UpDecoderBlock2D", [["UpDecoderBlock2D"]], [{}])
        ),
        ({"act_fn": "gelu"}, "vae: config.json: act_fn: got 'gelu'; expected silu"),
        ({"norm_num_groups": 3}, "vae: config.json: config: Value error, every width is a multipl"),
        ({"latents_std": [1.0]}, "vae: config.json: config: Value error, latents_std has one val"),
        ({"block_out_channels": [1 << 20]}, "vae: config.json: block_out_channels.0: Input should"),
        ({"in_channels": 4}, "vae: config.json: in_channels: Input should be 1 or 3, got 4"),
        (
            {"layers_per_block": 2},
            "vae: its tensors are not those of its config.json (missing: ",
        ),
    ],
)
def test_what_of_diffusers_is_refused(config: dict[str, Any], text: str) -> None:
    given = foreign()
    with pytest.raises(CheckpointError) as caught:
        convert(Foreign("vae", "diffusers", given.tensors, {**TINY, **config}))
    assert str(caught.value).startswith(text)


def test_a_missing_tensor_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"\(missing: quant_conv.bias\); fetch both again"):
        convert(foreign(drop="quant_conv.bias"))


@pytest.mark.parametrize("name", ["AutoencoderTiny", "VQModel", None])
def test_other_autoencoders_are_none_of_ours(name: str | None) -> None:
    assert convert(Foreign("vae", "diffusers", {}, {"_class_name": name})) is None


# ---- what the job must say -----------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"sampling": {"temperature": 1.0}},
            "generators.g.sampling.temperature: has no effect, the checkpoint is an AutoencoderKL; "
            "expected variation, the noise that is added to an image's latent",
        ),
        (
            {"label": "cat"},
            "generators.g.label: has no effect, the checkpoint is an AutoencoderKL, which takes an "
            "image and so any class; expected no such key",
        ),
        ({"class_index": {"cat": 0}}, "generators.g.class_index: has no effect, the checkpoint"),
        (
            {"preprocess": {"load_size": 17, "crop_size": 17}},
            "generators.g.preprocess.crop_size: got 17; expected a multiple of 2, which is all "
            "that the network takes",
        ),
    ],
)
def test_options_without_effect(tmp_path: Path, more: dict[str, Any], text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("g", write(tmp_path, **more))
    assert str(caught.value) == text or str(caught.value).startswith(text)


def test_half_precision_where_the_checkpoint_overflows(tmp_path: Path) -> None:
    careful = converted({**TINY, "force_upcast": True})
    spec = write(tmp_path, careful, sampling={"precision": "fp16"})
    with pytest.raises(CheckpointError) as caught:
        describe("g", spec)
    assert str(caught.value) == (
        "generators.g.sampling.precision: got fp16, in which the checkpoint overflows, as it says "
        "itself (force_upcast); expected fp32 or bf16"
    )
    assert describe("g", write(tmp_path, careful, sampling={"precision": "bf16"})).takes_image


def test_a_job_is_told_of_contradicting_sizes(tmp_path: Path) -> None:
    from augment.errors import SpecError
    from augment.spec import load_spec

    write(tmp_path / "vae")
    (tmp_path / "data/train/a").mkdir(parents=True)
    job = {
        "version": 1, "name": "j", "seed": 1,
        "sources": {"r": {"format": "imagefolder", "uri": str(tmp_path / "data"),
                          "splits": {"train": "train"}}},
        "generators": {"v": {"family": "vae", "checkpoint": str(tmp_path / "vae"),
                             "preprocess": {"load_size": 8, "crop_size": 16}}},
        "synthesize": [{"generators": ["v"], "fill": {"to": 2}}],
        "output": {"uri": str(tmp_path / "out")},
    }  # fmt: skip
    with pytest.raises(SpecError, match="crop_size 16 with load_size 8"):
        load_spec(job)
