from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.errors import CheckpointError, RequestError
from augment.generators import Placement, SampleRequest, describe, load_host
from augment.generators.families.diffusion.convert import convert
from augment.generators.families.diffusion.host import DiffusionHost, DiffusionInit, Labels
from augment.generators.families.diffusion.solvers import ScheduleInit, walk
from augment.generators.families.diffusion.unet2d import Unet, UnetInit, parameter_shapes
from augment.generators.foreign import Foreign
from augment.generators.protocol import GeneratorInfo
from augment.seeds import normals
from augment.spec.generators import DiffusionGenerator, DiffusionSampling
from tests.contracts.generator_contract import TrainedGeneratorContract, requests

torch.set_num_threads(1)

CLASSES = ["no", "12:30", "0"]
UNET: dict[str, Any] = {
    "sample_size": [8, 8],
    "in_channels": 3,
    "block_out_channels": [8, 16],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
    "num_class_embeds": 4,
}
Arrays = dict[str, np.ndarray]


def init_of(schedule: Mapping[str, Any] | None = None, **unet: Any) -> DiffusionInit:
    raw = {"unet": {**UNET, **unet}, "schedule": dict(schedule or {})}
    return DiffusionInit.model_validate_json(json.dumps(raw))


def arrays(init: UnetInit, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(init)
    return {key: rng.normal(0.0, 0.2, shape).astype(np.float32) for key, shape in shapes.items()}


def write(
    folder: Path,
    init: DiffusionInit | None = None,
    classes: list[str] | None = CLASSES,
    *,
    spec: Mapping[str, Any] | None = None,
    **sampling: Any,
) -> DiffusionGenerator:
    """A checkpoint folder and a spec that names it; four steps unless said otherwise."""
    init = init or init_of()
    weights = save(arrays(init.unet))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    config = {
        "format": "augment-generator/1",
        "family": "diffusion",
        "init": init.model_dump(),
        "classes": classes,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps(config))
    raw = {"family": "diffusion", "checkpoint": str(folder), "sampling": {"steps": 4, **sampling}}
    return DiffusionGenerator.model_validate({**raw, **(spec or {})})


class TestDiffusionContract(TrainedGeneratorContract):
    sampling: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> DiffusionGenerator:
        return write(tmp_path / "checkpoint", **self.sampling)

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: DiffusionGenerator, broken_class: str) -> DiffusionHost:
        init = init_of()
        values = arrays(init.unet)
        values["class_embedding.weight"][CLASSES.index(broken_class)] = np.nan
        labels = Labels({c: i for i, c in enumerate(CLASSES)})
        way = walk(init.schedule, "ddim", 3)
        network = Unet(init.unet, {k: torch.from_numpy(v) for k, v in values.items()})
        return DiffusionHost(network, describe("mine", spec), labels, way, DiffusionSampling())


class TestGuidedNoisyDdimContract(TestDiffusionContract):
    sampling: ClassVar[Mapping[str, Any]] = {"guidance_scale": 3.0, "eta": 1.0}


class TestDpmSolverContract(TestDiffusionContract):
    sampling: ClassVar[Mapping[str, Any]] = {"scheduler": "dpmpp_2m", "guidance_scale": 2.0}


class TestEulerContract(TestDiffusionContract):
    sampling: ClassVar[Mapping[str, Any]] = {"scheduler": "euler"}


# ---- against diffusers ---------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1.0},
        {"attention_head_dim": None, "norm_eps": 1e-6, "num_class_embeds": None},
        {"add_attention": False, "layers_per_block": 2, "in_channels": 1},
        {"sample_size": [8, 16], "norm_num_groups": 2},
    ],
)
def test_the_network_is_that_of_diffusers(changed: dict[str, Any]) -> None:
    from diffusers import UNet2DModel

    config = {**UNET, **changed}
    torch.manual_seed(0)
    theirs = UNet2DModel(**config, out_channels=config["in_channels"]).eval()
    init = init_of(**changed).unet
    state = theirs.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == parameter_shapes(init)
    x, t = torch.randn(2, *init.shape), torch.tensor([3.0, 700.0])
    c = torch.tensor([0, 3]) if init.num_class_embeds else None
    with torch.inference_mode():
        assert (theirs(x, t, c).sample - Unet(init, state)(x, t, c)).abs().max() <= 1e-5


SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
}
CASES = [
    (solver, spacing, kind, n)
    for solver in SCHEDULERS
    for spacing in ("leading", "linspace", "trailing")
    for kind in ("epsilon", "v_prediction", "sample")
    for n in (1, 7)
    if not (solver == "euler" and kind == "sample")  # which theirs cannot
]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs
@pytest.mark.parametrize(("solver", "spacing", "kind", "n"), CASES)
def test_the_loop_is_that_of_diffusers(solver: Any, spacing: str, kind: str, n: int) -> None:
    """One host with one network, against their scheduler driven with the same noise."""
    import diffusers

    given = {
        "timestep_spacing": spacing,
        "prediction_type": kind,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "steps_offset": 1,
    }
    init = init_of(given)
    eta = 0.5 if solver == "ddim" else 0.0
    host = hosted(init, scheduler=solver, steps=n, eta=eta)
    batch = requests(host.info, CLASSES, 1)
    network = Unet(init.unet, {k: torch.from_numpy(v) for k, v in arrays(init.unet).items()})
    scheduler = getattr(diffusers, SCHEDULERS[solver])(**given)
    scheduler.set_timesteps(n)
    ids, size = [r.sample_id for r in batch], 3 * 8 * 8
    c = torch.arange(3)

    def noise(name: str) -> torch.Tensor:
        return torch.from_numpy(normals(ids, name, size).astype(np.float32).reshape(3, 3, 8, 8))

    with torch.inference_mode():
        x = noise("z") * scheduler.init_noise_sigma
        for k, t in enumerate(scheduler.timesteps):
            said = network(scheduler.scale_model_input(x, t), t.float().repeat(3), c)
            own = {"eta": eta, "variance_noise": noise(f"step/{k}")} if eta else {}
            x = scheduler.step(said, t, x, **own).prev_sample
    expected = x.clamp(-1.0, 1.0).numpy()
    # their Euler holds x times the noise ratio in float32, which costs digits
    assert np.abs(host.generate(batch).images - expected).max() <= (
        1e-4 if solver == "euler" else 2e-5
    )


def test_a_cosine_schedule_and_given_betas() -> None:
    from diffusers import DDIMScheduler

    cosine = ScheduleInit(beta_schedule="squaredcos_cap_v2")
    theirs = DDIMScheduler(beta_schedule="squaredcos_cap_v2")
    assert np.allclose(cosine.alphas_bar(), theirs.alphas_cumprod.numpy(), rtol=1e-4)
    given = ScheduleInit(num_train_timesteps=3, trained_betas=[0.1, 0.2, 0.5])
    assert np.allclose(given.alphas_bar(), [0.9, 0.72, 0.36])


# ---- sampling ------------------------------------------------------------------------


def hosted(init: DiffusionInit, labels: Labels | None = None, **sampling: Any) -> DiffusionHost:
    """A host without a folder."""
    asked = DiffusionSampling(**sampling)
    network = Unet(init.unet, {k: torch.from_numpy(v) for k, v in arrays(init.unet).items()})
    way = walk(init.schedule, asked.scheduler, asked.steps, asked.eta)
    c, h, w = init.unet.shape
    info = GeneratorInfo(
        "d", "diffusion", "1" * 64, "2" * 64, "", tuple(CLASSES), h, w, c, None, ""
    )
    labels = labels or Labels({c: i for i, c in enumerate(CLASSES)})
    return DiffusionHost(network, info, labels, way, asked)


def test_guidance_moves_away_from_the_null_class(tmp_path: Path) -> None:
    """At one step with clipping off the image is linear in the guided prediction."""
    schedule = {"prediction_type": "sample", "clip_sample": False}
    init = init_of(schedule)
    labels = Labels({c: i for i, c in enumerate(CLASSES)}, null=3)
    plain = Labels({**labels.indexes, "nothing": 3})
    asked = {"steps": 1}
    batch = requests(hosted(init, **asked).info, CLASSES[:1], 2)
    as_null = [SampleRequest(r.sample_id, "nothing", r.index) for r in batch]
    of_class = hosted(init, plain, **asked).generate(batch).images
    of_null = hosted(init, plain, **asked).generate(as_null).images
    guided = hosted(init, labels, guidance_scale=1.5, **asked).generate(batch).images
    inside = (np.abs(of_class) < 1) & (np.abs(of_null) < 1) & (np.abs(guided) < 1)
    assert inside.mean() > 0.1
    expected = of_null + 1.5 * (of_class - of_null)
    assert np.abs(guided - expected)[inside].max() < 1e-5


def test_pixels_are_pinned(tmp_path: Path) -> None:
    """They agreed with diffusers when this was written; a change needs a new version."""
    spec = write(tmp_path, guidance_scale=2.0, eta=0.5)
    info = describe("d", spec)
    batch = [SampleRequest("00" * 16, "0", 0), SampleRequest("ab" * 16, "no", 1)]
    images = load_host("d", spec, info).generate(batch).images
    found = images[:, 1, 3, :4].round(4).tolist()
    assert np.allclose(found, GOLDEN, atol=1e-3)


GOLDEN = [[-0.1597, 0.7737, -0.3083, -0.1784], [0.3339, 0.0982, -0.0783, 0.0458]]


def test_torch_random_numbers_are_left_alone(tmp_path: Path) -> None:
    spec = write(tmp_path, eta=1.0)
    host = load_host("d", spec, describe("d", spec))
    before = torch.random.get_rng_state()
    host.generate(requests(host.info, CLASSES, 2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_bf16_is_near_and_changes_the_sampling_alone(tmp_path: Path) -> None:
    spec = write(tmp_path)
    half = write(tmp_path, precision="bf16")
    one, two = describe("d", spec), describe("d", half)
    assert one.identity == two.identity
    assert one.sampling_digest != two.sampling_digest
    batch = requests(one, CLASSES, 2)
    full = load_host("d", spec, one).generate(batch).images
    near = load_host("d", half, two).generate(batch).images
    assert 0.0 < np.abs(full - near).mean() < 0.1


def test_layout_does_not_matter(tmp_path: Path) -> None:
    spec = write(tmp_path)
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    last = load_host("d", spec, info).generate(batch).images
    first = load_host("d", spec, info, placement=Placement(channels_last=False))
    assert np.abs(last - first.generate(batch).images).max() <= 1e-4


# ---- from a source image -------------------------------------------------------------


def sources(info: Any, label: str, n: int, channels: int = 3) -> list[SampleRequest]:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (info.height, info.width, 3), dtype=np.uint8)
    return [SampleRequest(f"{i:032x}", label, i, source=image) for i in range(n)]


def test_strength_starts_from_the_source(tmp_path: Path) -> None:
    near = write(tmp_path, steps=50, strength=0.02)
    far = write(tmp_path, steps=50, strength=1.0)
    info = describe("d", near)
    assert info.takes_image
    assert info.classes == tuple(CLASSES)
    assert not info.makes("other")
    batch = sources(info, "0", 3)
    assert batch[0].source is not None
    source = batch[0].source.transpose(2, 0, 1) / 127.5 - 1.0
    little = load_host("d", near, info).generate(batch).images
    much = load_host("d", far, describe("d", far)).generate(batch).images
    assert np.abs(little - source).mean() < 0.05
    assert np.abs(much - source).mean() > 0.2
    assert len({image.tobytes() for image in little}) == 3


def test_one_source_alone_or_among_others(tmp_path: Path) -> None:
    spec = write(tmp_path, strength=0.5, scheduler="euler")
    host = load_host("d", spec, describe("d", spec))
    batch = sources(host.info, "0", 3)
    together = host.generate(batch).images
    alone = np.concatenate([host.generate([r]).images for r in batch])
    assert np.abs(together - alone).max() <= 1e-4


def test_an_unconditional_network_keeps_any_label_of_its_source(tmp_path: Path) -> None:
    init = init_of(num_class_embeds=None, in_channels=1)
    spec = write(tmp_path, init, None, strength=0.5)
    info = describe("d", spec)
    assert (info.classes, info.makes("anything")) == ((), True)
    images = load_host("d", spec, info).generate(sources(info, "anything", 2)).images
    assert images.shape == (2, 1, 8, 8)


def test_a_grey_network_sees_luma(tmp_path: Path) -> None:
    from PIL import Image

    from augment.generators.families.diffusion.host import _prepared

    rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(rgb).convert("L"), dtype=np.float32) / 127.5 - 1.0
    assert np.abs(_prepared(rgb, 1)[0] - grey).max() < 1.01 / 127.5


@pytest.mark.parametrize(
    ("strength", "shape", "text"),
    [
        (None, (8, 8, 3), "got a source image; expected none without sampling.strength"),
        (0.5, None, "got no source image; expected one of (8, 8, 3), the network's size"),
        (0.5, (8, 9, 3), "got a source of (8, 9, 3); expected one of (8, 8, 3)"),
    ],
)
def test_sources_that_are_refused(
    tmp_path: Path, strength: float | None, shape: tuple[int, ...] | None, text: str
) -> None:
    spec = write(tmp_path, strength=strength)
    host = load_host("d", spec, describe("d", spec))
    source = None if shape is None else np.zeros(shape, np.uint8)
    with pytest.raises(RequestError) as caught:
        host.generate([SampleRequest("0" * 32, "0", 0, source=source)])
    assert str(caught.value).startswith(f"generators.d: {text}")


# ---- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unet", "classes", "spec", "sampling", "text"),
    [
        (
            {}, CLASSES, {}, {"eta": 0.5, "scheduler": "euler"},
            "sampling.eta: has no effect with scheduler 'euler'; expected 0, or scheduler: ddim",
        ),
        (
            {}, CLASSES, {}, {"steps": 1000, "scheduler": "dpmpp_2m"},
            "sampling.steps: got 1000; expected at most 999, for the network was trained on "
            "1000 time steps",
        ),
        (
            {}, CLASSES, {}, {"strength": 0.1},
            "sampling.strength: got 0.1, which leaves no step of 4; expected at least 0.25, or "
            "more steps",
        ),
        (
            {"num_class_embeds": None}, None, {"label": "0"}, {"guidance_scale": 2.0},
            "sampling.guidance_scale: has no effect, the checkpoint is unconditional; expected 1.0",
        ),
        (
            {"num_class_embeds": 3}, CLASSES, {}, {"guidance_scale": 2.0},
            "sampling.guidance_scale: the checkpoint has no null class (3 names for 3 indexes); "
            "expected 1.0",
        ),
        (
            {}, None, {"class_index": {"a": 0, "b": 3}}, {"guidance_scale": 2.0},
            "sampling.guidance_scale: needs a null class, and which index that is can only be "
            "known when all others are named; expected generators.d.class_index to name 0 to 2",
        ),
    ],
)  # fmt: skip
def test_sampling_that_does_not_fit(
    tmp_path: Path,
    unet: dict[str, Any],
    classes: list[str] | None,
    spec: dict[str, Any],
    sampling: dict[str, Any],
    text: str,
) -> None:
    asked = write(tmp_path, init_of(**unet), classes, spec=spec, **sampling)
    with pytest.raises(CheckpointError) as caught:
        describe("d", asked)
    assert str(caught.value) == f"generators.d.{text}"


def test_too_many_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("d", write(tmp_path, classes=["a", "b"]))
    assert str(caught.value) == (
        "generators.d: generator.json: classes: 2 names, expected 4, or 3 with a null class as "
        "the last of the network's; import it again"
    )


@pytest.mark.parametrize("index", [3, 4])
def test_an_index_that_no_class_has_is_refused_before_the_network(
    tmp_path: Path, index: int
) -> None:
    """On a GPU it would end the process. 3 is the null class of four rows, three named."""
    spec = write(tmp_path, spec={"class_index": {"a": index}})
    text = rf"^generators\.d\.class_index\.a: got {index}; expected 0 to 2"
    with pytest.raises(CheckpointError, match=text):
        describe("d", spec)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"block_out_channels": [8, 18]}, "18 is not a multiple of norm_num_groups (4)"),
        ({"sample_size": [8, 9]}, "sample_size: [8, 9] cannot be halved 1 times"),
        ({"up_block_types": ["UpBlock2D"]}, "2 block_out_channels, 2 down_block_types and 1 up_"),
        ({"block_out_channels": [8, 10**9]}, "unet.block_out_channels.1: Input should be less"),
    ],
)
def test_architectures_that_cannot_be(tmp_path: Path, changed: dict[str, Any], text: str) -> None:
    spec = write(tmp_path)
    config = json.loads((tmp_path / "generator.json").read_text())
    config["init"]["unet"] |= changed
    (tmp_path / "generator.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        describe("d", spec)
    assert text in str(caught.value)


# ---- importing -----------------------------------------------------------------------


def foreign(folder: Path, scheduler: Any, **unet: Any) -> Foreign:
    """What an importer reads of folders that diffusers saved."""
    from diffusers import UNet2DModel
    from safetensors.numpy import load_file

    torch.manual_seed(0)
    UNet2DModel(**{**UNET, "sample_size": 8, **unet}).save_pretrained(folder)
    scheduler.save_pretrained(folder / "scheduler")
    return Foreign(
        place="folder",
        kind="diffusers",
        tensors=load_file(folder / "diffusion_pytorch_model.safetensors"),
        config={
            "unet": json.loads((folder / "config.json").read_text()),
            "scheduler": json.loads((folder / "scheduler/scheduler_config.json").read_text()),
        },
    )


def test_a_saved_folder_is_converted_whole(tmp_path: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(prediction_type="v_prediction")
    conversion = convert(foreign(tmp_path, scheduler))
    assert conversion is not None
    init = DiffusionInit.model_validate(conversion.init)
    assert init.unet == UnetInit(**UNET)
    assert init.schedule.timestep_spacing == "linspace"
    assert init.schedule.prediction_type == "v_prediction"
    assert {k: v.shape for k, v in conversion.tensors.items()} == parameter_shapes(init.unet)
    assert (conversion.family, conversion.num_classes) == ("diffusion", 4)
    assert conversion.quirks == ()


def test_attention_under_its_early_names(tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    read = foreign(tmp_path, DDPMScheduler())
    early = {"to_q": "query", "to_k": "key", "to_v": "value"}

    def old(key: str) -> str:
        for new, name in early.items():
            key = key.replace(f".{new}.", f".{name}.")
        return key.replace(".to_out.0.", ".proj_attn.")

    tensors = {old(k): v for k, v in read.tensors.items()}
    assert tensors.keys() != read.tensors.keys()
    conversion = convert(Foreign("folder", "diffusers", tensors, read.config))
    assert conversion is not None
    assert conversion.tensors.keys() == read.tensors.keys()
    assert conversion.quirks == ("attention tensors of an early diffusers renamed",)


@pytest.mark.parametrize("size", [None, 1.5, "x", {}, [8, None], [8, 8, 8]])
def test_a_size_that_is_none(tmp_path: Path, size: Any) -> None:
    from diffusers import DDPMScheduler

    read = foreign(tmp_path, DDPMScheduler())
    config = {**read.config, "unet": {**read.config["unet"], "sample_size": size}}
    with pytest.raises(CheckpointError) as told:
        convert(Foreign("folder", "diffusers", read.tensors, config))
    assert str(told.value).startswith(
        "folder: not a U-Net that this family hosts (unet.sample_size"
    )


def test_what_is_not_of_this_family() -> None:
    assert convert(Foreign("x", "safetensors", {}, {})) is None
    other = {"unet": {"_class_name": "UNet2DConditionModel"}}
    assert convert(Foreign("x", "diffusers", {}, other)) is None


@pytest.mark.parametrize(
    ("unet", "scheduler", "text"),
    [
        (
            {"resnet_time_scale_shift": "scale_shift"}, {},
            "folder: unet config: resnet_time_scale_shift is 'scale_shift'; this family hosts "
            "'default' only",
        ),
        (
            {}, {"thresholding": True},
            "folder: scheduler config: thresholding is True; this family hosts False only",
        ),
        (
            {"out_channels": 6}, {},
            "folder: unet config: 3 channels in and 6 out; expected equally many (learned "
            "variances are not hosted)",
        ),
        (
            {"down_block_types": ["DownBlock2D", "SkipDownBlock2D"]}, {},
            "folder: not a U-Net that this family hosts (unet.down_block_types.1: Input should "
            "be 'DownBlock2D' or 'AttnDownBlock2D')",
        ),
    ],
)  # fmt: skip
def test_options_that_are_not_hosted(
    unet: dict[str, Any], scheduler: dict[str, Any], text: str
) -> None:
    config = {
        "unet": {"_class_name": "UNet2DModel", **UNET, "sample_size": 8, **unet},
        "scheduler": scheduler,
    }
    with pytest.raises(CheckpointError) as caught:
        convert(Foreign("folder", "diffusers", {}, config))
    assert str(caught.value) == text


def test_a_folder_without_scheduler() -> None:
    with pytest.raises(CheckpointError, match=r"^folder: no scheduler_config\.json; expected one"):
        convert(Foreign("folder", "diffusers", {}, {"unet": {"_class_name": "UNet2DModel"}}))
