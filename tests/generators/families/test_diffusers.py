from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from augment.errors import CheckpointError, RequestError, UnsafeCheckpoint
from augment.generators import GeneratorHost, SampleRequest, describe, load_host
from augment.generators.families.diffusers.folder import read_facts
from augment.generators.families.diffusers.host import DiffusersHost, must_repeat
from augment.generators.families.diffusers.parts import DETERMINISTIC, NOISY
from augment.spec.generators import DiffusersGenerator
from augment.storage import Folder
from tests.contracts.generator_contract import (
    GeneratorContract,
    TrainedGeneratorContract,
    one_by_one,
    requests,
)
from tests.generators import pipelines
from tests.storage.s3_server import S3Server

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings(  # how the library's schedulers use numpy
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:__array_wrap__ must:DeprecationWarning",
)

CLASSES = ["red_cat", "dog"]
PROMPTS = {"templates": ["a photo of a {text}", "one {text} here"]}
BUILT = ("stable_diffusion", "stable_diffusion_xl", "dit", "amused", "pixart")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each pipeline."""
    folder = tmp_path_factory.mktemp("pipelines")
    for name in BUILT:
        getattr(pipelines, name)(folder / "words").save_pretrained(folder / name)
    pipelines.controlnet().save_pretrained(folder / "controlnet_stable_diffusion")
    pipelines.controlnet(xl=True).save_pretrained(folder / "controlnet_stable_diffusion_xl")
    return folder


def spec_of(folder: Path, sampling: Mapping[str, Any] | None = None, **given: Any) -> Any:
    """Two steps of a pipeline that takes text, unless said otherwise."""
    asked = {"prompts": PROMPTS, "call": {"num_inference_steps": 2}, **(sampling or {})}
    raw = {"family": "diffusers", "checkpoint": str(folder), "classes": CLASSES, "sampling": asked}
    return DiffusersGenerator.model_validate({**raw, **given})


NET = "controlnet_stable_diffusion"
DIT: dict[str, Any] = {
    "classes": None,
    "class_index": {"first": 0, "last": 9},
    "sampling": {"prompts": None, "call": {"num_inference_steps": 2, "guidance_scale": 1.0}},
}


class TestStableDiffusionContract(TrainedGeneratorContract):
    @pytest.fixture
    def spec(self, saved: Path) -> DiffusersGenerator:
        return spec_of(saved / "stable_diffusion")

    @pytest.fixture
    def broken_class(self) -> str:
        return "dog"

    @pytest.fixture
    def broken_host(self, saved: Path, spec: DiffusersGenerator) -> GeneratorHost:
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(spec.checkpoint)
        token = pipe.tokenizer.convert_tokens_to_ids("g</w>")  # which ends `dog` alone
        with torch.no_grad():
            pipe.text_encoder.get_input_embeddings().weight[token] = np.nan
        return DiffusersHost(pipe, describe("mine", spec), read_facts("mine", spec), spec, {})


class TestDitContract(TrainedGeneratorContract):
    @pytest.fixture
    def spec(self, saved: Path) -> DiffusersGenerator:
        return spec_of(saved / "dit", **DIT)

    @pytest.fixture
    def broken_class(self) -> str:
        return "last"

    @pytest.fixture
    def broken_host(self, saved: Path, spec: DiffusersGenerator) -> GeneratorHost:
        from diffusers import DiTPipeline

        pipe = DiTPipeline.from_pretrained(spec.checkpoint)
        with torch.no_grad():
            for name, value in pipe.transformer.named_parameters():
                if name.endswith("embedding_table.weight"):
                    value[9] = np.nan
        facts, indexes = read_facts("mine", spec), {"first": 0, "last": 9}
        return DiffusersHost(pipe, describe("mine", spec), facts, spec, indexes)


class _TextContract(GeneratorContract):
    name: ClassVar[str]

    @pytest.fixture
    def spec(self, saved: Path) -> DiffusersGenerator:
        return spec_of(saved / self.name)


class TestStableDiffusionXlContract(_TextContract):
    name = "stable_diffusion_xl"


class TestPixArtContract(_TextContract):
    name = "pixart"


class TestAmusedContract(_TextContract):
    name = "amused"


# ---- noise ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", sorted(DETERMINISTIC | NOISY))
def test_rows_do_not_depend_on_their_batch_with_any_scheduler(saved: Path, scheduler: str) -> None:
    sampling = {"scheduler": scheduler, "call": {"num_inference_steps": 5}}
    spec = spec_of(saved / "stable_diffusion", sampling)
    host = load_host("m", spec, describe("m", spec))
    batch = requests(host.info, CLASSES, 2)
    assert np.abs(host.generate(batch).images - one_by_one(host, batch)).max() <= 1e-4


def test_a_scheduler_with_options(saved: Path) -> None:
    plain = spec_of(saved / "stable_diffusion", {"scheduler": "DPMSolverMultistepScheduler"})
    karras = {"class": "DPMSolverMultistepScheduler", "use_karras_sigmas": True}
    other = spec_of(saved / "stable_diffusion", {"scheduler": karras})
    one, two = describe("m", plain), describe("m", other)
    assert one.identity == two.identity
    assert one.sampling_digest != two.sampling_digest
    batch = requests(one, CLASSES, 1)
    images = [load_host("m", s, i).generate(batch).images for s, i in ((plain, one), (other, two))]
    assert np.abs(images[0] - images[1]).max() > 1e-3


def test_a_pipeline_that_hides_its_generator_is_found_out(saved: Path) -> None:
    from diffusers import DDPMScheduler, DiTPipeline

    spec = spec_of(saved / "dit", **DIT)
    pipe = DiTPipeline.from_pretrained(spec.checkpoint)
    facts, indexes = read_facts("m", spec), {"first": 0, "last": 9}
    info = describe("m", spec)
    must_repeat(DiffusersHost(pipe, info, facts, spec, indexes), spec)
    pipe.scheduler = DDPMScheduler()
    before = torch.random.get_rng_state()
    with pytest.raises(CheckpointError) as caught:
        must_repeat(DiffusersHost(pipe, info, facts, spec, indexes), spec)
    assert str(caught.value) == (
        "generators.m: its images change with the global state of random numbers; choose a "
        "deterministic scheduler"
    )
    assert torch.equal(before, torch.random.get_rng_state())


# ---- what the pipeline is told -------------------------------------------------------


def test_the_pipeline_gets_the_prompt_and_the_noise(saved: Path) -> None:
    """The same image as by hand."""
    from diffusers import StableDiffusionPipeline

    from augment.seeds import normals

    sampling = {
        "prompts": {**PROMPTS, "negative_prompt": "a dog"},
        "call": {"num_inference_steps": 3, "guidance_scale": 4.0, "height": 24, "width": 16},
    }
    spec = spec_of(saved / "stable_diffusion", sampling)
    host = load_host("m", spec, describe("m", spec))
    request = SampleRequest("ab" * 16, "red_cat", 1)
    made = host.generate([request])
    pipe = StableDiffusionPipeline.from_pretrained(spec.checkpoint)
    z = normals([request.sample_id], "z", 4 * 12 * 8).astype(np.float32).reshape(1, 4, 12, 8)
    expected = pipe(
        "one red cat here", negative_prompt="a dog", latents=torch.from_numpy(z),
        num_inference_steps=3, guidance_scale=4.0, height=24, width=16, output_type="np",
    ).images[0]  # fmt: skip
    assert np.abs(made.images[0].transpose(1, 2, 0) - (expected * 2 - 1)).max() < 1e-5
    assert made.notes == (
        {
            "prompt": "one red cat here",
            "negative_prompt": "a dog",
            "template": 1,
            "variables": {},
            "safety_checker": "absent",
        },
    )


def test_what_the_safety_checker_refuses_fails_alone(saved: Path) -> None:
    """It stands as a component; which rows it flags is its business."""
    from diffusers import StableDiffusionPipeline

    spec = spec_of(saved / "stable_diffusion")

    class Flags:
        """A pipeline that flags its last row."""

        def __init__(self, pipe: Any) -> None:
            self._pipe = pipe

        def __getattr__(self, name: str) -> Any:
            return getattr(self._pipe, name)

        def to(self, *_: Any) -> Flags:
            return self

        def __call__(self, **given: Any) -> Any:
            made = self._pipe(**given)
            made.nsfw_content_detected = [False] * (len(made.images) - 1) + [True]
            return made

    pipe = Flags(StableDiffusionPipeline.from_pretrained(spec.checkpoint))
    host = DiffusersHost(pipe, describe("m", spec), read_facts("m", spec), spec, {})
    made = host.generate(requests(host.info, CLASSES, 1))
    assert made.failed == (None, "safety")
    assert made.images[1].any() == False  # noqa: E712
    assert made.images[0].any()


def test_bf16_is_near(saved: Path) -> None:
    full = spec_of(saved / "stable_diffusion")
    half = spec_of(saved / "stable_diffusion", {"precision": "bf16"})
    info = describe("m", full)
    batch = requests(info, CLASSES, 1)
    one = load_host("m", full, info).generate(batch).images
    two = load_host("m", half, describe("m", half)).generate(batch).images
    assert 0.0 < np.abs(one - two).mean() < 0.1


def test_an_adapter_changes_pixels_and_identity(saved: Path, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    spec = spec_of(saved / "stable_diffusion")
    pipe = StableDiffusionPipeline.from_pretrained(spec.checkpoint)
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    pipe.unet.add_adapter(config)
    layers = get_peft_model_state_dict(pipe.unet)
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers)
    path = str(tmp_path / "pytorch_lora_weights.safetensors")
    plain = describe("m", spec)
    batch = requests(plain, CLASSES, 1)
    images = [load_host("m", spec, plain).generate(batch).images]
    identities = {plain.identity}
    for scale in (0.5, 1.0):
        asked = spec_of(
            saved / "stable_diffusion", adapters=[{"type": "lora", "path": path, "scale": scale}]
        )
        info = describe("m", asked)
        identities.add(info.identity)
        images.append(load_host("m", asked, info).generate(batch).images)
    assert len(identities) == 3
    assert np.abs(images[0] - images[1]).max() > 1e-3
    assert np.abs(images[1] - images[2]).max() > 1e-3


def single(saved: Path, tmp_path: Path) -> dict[str, str]:
    """A single file and a folder of settings without weights."""
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import save_file

    pipe = StableDiffusionPipeline.from_pretrained(saved / "stable_diffusion")
    path = tmp_path / "model.safetensors"
    save_file(pipelines.single_file(pipe), path)
    settings = tmp_path / "settings"
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(saved / "stable_diffusion", settings, ignore=ignored)
    return {"checkpoint": str(path), "config": str(settings)}


def test_a_single_file_makes_what_its_folder_makes(saved: Path, tmp_path: Path) -> None:
    whole = spec_of(saved / "stable_diffusion")
    one = spec_of(saved, **single(saved, tmp_path))
    info, other = describe("m", whole), describe("m", one)
    assert info.identity != other.identity
    batch = requests(info, CLASSES, 2)
    expected = load_host("m", whole, info).generate(batch).images
    assert np.abs(load_host("m", one, other).generate(batch).images - expected).max() < 1e-5


def test_a_single_file_of_another_hash(saved: Path, tmp_path: Path) -> None:
    spec = spec_of(saved, **single(saved, tmp_path), sha256="ab" * 32)
    text = rf"^generators\.m: sha256 is [0-9a-f]{{64}}, the job says {'ab' * 32}; fetch it again or"
    with pytest.raises(CheckpointError, match=text):
        describe("m", spec)


# ---- from images ---------------------------------------------------------------------

FROM_IMAGES = [
    (name, kind)
    for name, kinds in {
        "stable_diffusion": ("img2img", "inpaint", "controlnet"),
        "stable_diffusion_xl": ("img2img", "inpaint", "controlnet"),
        "amused": ("img2img", "inpaint"),
    }.items()
    for kind in kinds
]


def image_spec(saved: Path, name: str, kind: str) -> DiffusersGenerator:
    call: dict[str, Any] = {"num_inference_steps": 4}
    if kind != "controlnet":
        call["strength"] = 0.5
    beside = {"controlnet": str(saved / f"controlnet_{name}")}
    given = beside if kind == "controlnet" else {}
    spec: DiffusersGenerator = spec_of(saved / name, {"call": call}, pipeline=kind, **given)
    return spec


def image_requests(kind: str, n: int, side: int = 16) -> list[SampleRequest]:
    made = []
    for index in range(n):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        mask = np.zeros((side, side), np.uint8)
        mask[: side // 2] = 255
        images: dict[str, Any] = {
            "img2img": {"source": image},
            "inpaint": {"source": image, "mask": mask},
            "controlnet": {"control": image},
        }[kind]
        made.append(SampleRequest(f"{index:032x}", CLASSES[index % 2], index, **images))
    return made


@pytest.mark.parametrize(("name", "kind"), FROM_IMAGES)
def test_made_from_an_image(saved: Path, name: str, kind: str) -> None:
    spec = image_spec(saved, name, kind)
    info = describe("m", spec)
    assert info.takes_image
    host = load_host("m", spec, info)
    batch = image_requests(kind, 3)
    made = host.generate(batch)
    assert made.images.shape == (3, 3, 16, 16)
    assert made.failed == (None,) * 3
    assert np.array_equal(made.images, load_host("m", spec, info).generate(batch).images)
    assert np.abs(made.images - one_by_one(host, batch)).max() <= 1e-4
    assert np.abs(made.images - host.generate(batch[::-1]).images[::-1]).max() <= 1e-4


@pytest.mark.parametrize(("name", "kind"), FROM_IMAGES)
def test_the_image_and_the_sample_matter(saved: Path, name: str, kind: str) -> None:
    import dataclasses

    spec = image_spec(saved, name, kind)
    host = load_host("m", spec, describe("m", spec))
    one, other = image_requests(kind, 3)[::2]
    what = "control" if kind == "controlnet" else "source"
    swapped = dataclasses.replace(one, **{what: getattr(other, what)})
    renamed = dataclasses.replace(one, sample_id="f" * 32)
    images = host.generate([one, swapped, renamed]).images
    assert np.abs(images[0] - images[1]).max() > 1e-3
    assert np.abs(images[0] - images[2]).max() > 1e-3


def test_images_of_two_sizes_do_not_share_a_batch(saved: Path) -> None:
    spec = image_spec(saved, "stable_diffusion", "img2img")
    host = load_host("m", spec, describe("m", spec))
    small, large = image_requests("img2img", 1, 16)[0], image_requests("img2img", 1, 24)[0]
    assert host.batch_key(small) != host.batch_key(large)
    assert host.generate([large]).images.shape == (1, 3, 24, 24)


def test_sides_are_rounded_to_what_the_pipeline_makes(saved: Path) -> None:
    """The mask with them, each of its values one that it had."""
    spec = image_spec(saved, "stable_diffusion", "inpaint")
    host = load_host("m", spec, describe("m", spec))
    odd = image_requests("inpaint", 1, 17)
    made = host.generate(odd)
    assert made.images.shape == (1, 3, 16, 16)
    assert made.notes[0]["rounded"] == [16, 16]
    assert host.batch_key(odd[0]) == host.batch_key(image_requests("inpaint", 1, 16)[0])
    assert "rounded" not in host.generate(image_requests("inpaint", 1, 16)).notes[0]


def test_the_one_image_of_a_job_steers_a_controlnet(saved: Path) -> None:
    import dataclasses

    spec = image_spec(saved, "stable_diffusion", "controlnet")
    host = load_host("m", spec, describe("m", spec))
    (steered,) = image_requests("controlnet", 1)
    given = dataclasses.replace(steered, source=steered.control, control=None)
    assert np.array_equal(host.generate([given]).images, host.generate([steered]).images)


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        ("img2img", {"source": None}, "got no source image; pipeline img2img takes source"),
        (
            "img2img", {"mask": np.zeros((16, 16), np.uint8)},
            "got a mask image; pipeline img2img takes source",
        ),
        ("inpaint", {"mask": None}, "got no mask image; pipeline inpaint takes source and mask"),
        (
            "inpaint", {"mask": np.zeros((8, 16), np.uint8)},
            "got a mask of (8, 16); expected (16, 16), its source's size",
        ),
        ("controlnet", {"control": None}, "got no control image; pipeline controlnet takes "
            "control"),
        (
            "img2img", {"source": np.zeros((4097, 1, 3), np.uint8)},
            "got an image of 4097 x 1; expected sides of at most 4096",
        ),
    ],
)  # fmt: skip
def test_images_that_are_refused(saved: Path, kind: str, change: dict[str, Any], text: str) -> None:
    import dataclasses

    spec = image_spec(saved, "stable_diffusion", kind)
    host = load_host("m", spec, describe("m", spec))
    request = dataclasses.replace(image_requests(kind, 1)[0], **change)
    with pytest.raises(RequestError) as caught:
        host.generate([request])
    assert str(caught.value) == f"generators.m: {text}"


# ---- refusals ------------------------------------------------------------------------


def refused(spec: DiffusersGenerator) -> str:
    with pytest.raises(CheckpointError) as caught:
        describe("m", spec)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        (
            "stable_diffusion", {"classes": None},
            "classes: missing; a pipeline that takes text makes whatever it is told, so expected "
            "the list of classes that the job may ask it for",
        ),
        (
            "stable_diffusion", {"label": "x"},
            "label: has no effect, the pipeline takes text; expected `classes` and "
            "`sampling.prompts`",
        ),
        (
            "dit", {**DIT, "classes": ["a"]},
            "classes: has no effect, the pipeline takes class indexes; expected `class_index`",
        ),
        (
            "dit", {**DIT, "sampling": {}},
            "sampling.call.guidance_scale: the pipeline guides away from class 1000, but the "
            "network has 10; expected guidance_scale: 1",
        ),
        (
            "dit", {**DIT, "class_index": {"a": 10}},
            "class_index.a: got 10; expected 0 to 9, the checkpoint's indexes",
        ),
        (
            "dit", {**DIT, "pipeline": "img2img"},
            "pipeline: a DiTPipeline cannot img2img; expected one of text2img",
        ),
        (
            "stable_diffusion", {"pipeline": "controlnet"},
            "controlnet: missing; expected the folder of a ControlNetModel with pipeline: "
            "controlnet alone",
        ),
        (
            "stable_diffusion", {"config": "elsewhere"},
            "config: has no effect; expected a local folder of settings with a single "
            ".safetensors file, and none with a folder",
        ),
        (
            "stable_diffusion", {"sha256": "0" * 64},
            "sha256: has no effect; it is of a single file",
        ),
        (
            "amused", {"sampling": {"scheduler": "DDIMScheduler"}},
            "sampling.scheduler: got DDIMScheduler; Amused runs with its own only",
        ),
        (
            "stable_diffusion",
            {"sampling": {"scheduler": "PNDMScheduler", "call": {"num_inference_steps": 3}}},
            "sampling.call.num_inference_steps: got 3; expected more than 3 with PNDMScheduler",
        ),
        (
            "stable_diffusion", {"sampling": {"call": {"height": 33}}},
            "sampling.call.height: got 33; expected a multiple of 2, at most 4096",
        ),
        (
            "stable_diffusion", {"pipeline": "inpaint", "sampling": {"call": {"width": 32}}},
            "sampling.call.width: has no effect, images are as large as the one that each is made "
            "from; remove it",
        ),
        (
            "stable_diffusion", {"sampling": {"call": {"output_type": "pil"}}},
            "sampling.call.output_type: set by augment itself; remove it",
        ),
        (
            "stable_diffusion", {"sampling": {"call": {"callback_on_step_end": 1}}},
            "sampling.call.callback_on_step_end: set by augment itself; remove it",
        ),
        (
            "stable_diffusion",
            {"sampling": {"prompts": {"negative_prompt": "x"}, "call": {"guidance_scale": 1.0}}},
            "sampling.prompts.negative_prompt: got a text, which has no effect with "
            "guidance_scale 1.0; expected a guidance_scale above 1, or no such key",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit(saved: Path, name: str, given: dict[str, Any], text: str) -> None:
    raw = {"family": "diffusers", "checkpoint": str(saved / name), "classes": CLASSES, **given}
    assert refused(DiffusersGenerator.model_validate(raw)) == f"generators.m.{text}"


@pytest.mark.parametrize(
    ("name", "sampling", "text"),
    [
        (
            "stable_diffusion", {"call": {"steps": 3}},
            "call.steps: an unknown key; expected one of clip_skip, cross_attention_kwargs, eta, ",
        ),
        (
            "stable_diffusion", {"scheduler": "DPMSolverSDEScheduler"},
            "scheduler: got DPMSolverSDEScheduler; expected one of DDIMScheduler, DDPMScheduler, ",
        ),
        (
            "stable_diffusion", {"scheduler": {"class": "DDIMScheduler", "karras": True}},
            "scheduler.karras: an unknown key; expected one of beta_end, beta_schedule, ",
        ),
        (
            "dit", {"scheduler": "DDPMScheduler", "call": {"guidance_scale": 1}},
            "scheduler: got DDPMScheduler; expected one of DDIMScheduler, DEISMultistepScheduler, ",
        ),
        (
            "dit",
            {
                "scheduler": {
                    "class": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++",
                },
                "call": {"guidance_scale": 1},
            },
            "scheduler: got DPMSolverMultistepScheduler with an sde- algorithm; expected one of ",
        ),
    ],
)  # fmt: skip
def test_names_that_are_not_known(
    saved: Path, name: str, sampling: dict[str, Any], text: str
) -> None:
    given = {**DIT, "sampling": sampling} if name == "dit" else {"sampling": sampling}
    raw = {"family": "diffusers", "checkpoint": str(saved / name), "classes": CLASSES, **given}
    found = refused(DiffusersGenerator.model_validate(raw))
    assert found.startswith(f"generators.m.sampling.{text}")


def altered(saved: Path, tmp_path: Path, **index: Any) -> Path:
    """A copy of the Stable Diffusion folder with another model_index.json."""
    folder = tmp_path / "copy"
    shutil.copytree(saved / "stable_diffusion", folder)
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **index}))
    return folder


def test_a_pipeline_that_is_not_hosted(saved: Path, tmp_path: Path) -> None:
    folder = altered(saved, tmp_path, _class_name="KandinskyPipeline")
    assert refused(spec_of(folder)) == (
        "generators.m: the folder is of a KandinskyPipeline, which is not hosted; expected one of "
        "StableDiffusionPipeline, StableDiffusionXLPipeline, DiTPipeline, PixArtAlphaPipeline, "
        "AmusedPipeline or their image variants"
    )


def test_a_component_that_is_not_hosted(saved: Path, tmp_path: Path) -> None:
    folder = altered(saved, tmp_path, scheduler=["subprocess", "Popen"])
    text = refused(spec_of(folder))
    assert text.startswith(
        "copy: model_index.json: component 'scheduler' is [subprocess, Popen]; expected "
        "[diffusers, DDIMScheduler] or "
    )


def test_code_in_the_folder(saved: Path, tmp_path: Path) -> None:
    folder = altered(saved, tmp_path)
    (folder / "unet" / "my_unet.py").write_text("raise SystemExit")
    with pytest.raises(UnsafeCheckpoint, match=r"unet/my_unet\.py: a program; expected weights"):
        describe("m", spec_of(folder))


def test_a_folder_in_a_store_that_has_no_cache() -> None:
    assert refused(spec_of(Path("x"), checkpoint="memory://b/model")) == (
        "generators.m: memory://b/model is not local; expected a local folder (diffusers opens no "
        "other); copy it first"
    )


def test_a_folder_in_an_object_store(saved: Path, s3: S3Server) -> None:
    """It and its ControlNet are brought into the cache of this machine, once."""
    folder = Folder(s3.bucket(), s3.options())
    for part in ("stable_diffusion", "controlnet_stable_diffusion"):
        for path in sorted((saved / part).rglob("*")):
            if path.is_file():
                folder.replace(str(path.relative_to(saved)), path.read_bytes())
    s3.seen.clear()
    more: dict[str, Any] = {"pipeline": "controlnet"}
    here = spec_of(saved / "stable_diffusion", **more, controlnet=f"{saved}/{NET}")
    there = spec_of(
        Path(),
        checkpoint=f"{folder.uri}/stable_diffusion",
        controlnet=f"{folder.uri}/{NET}",
        **more,
    )
    info = describe("m", there, s3.options())
    assert info == describe("m", here)
    load_host("m", there, info, options=s3.options())
    assert s3.count("GET", "unet/diffusion_pytorch_model.safetensors") == 1
    assert s3.count("GET", f"{NET}/diffusion_pytorch_model.safetensors") == 1


def test_an_adapter_that_is_no_safetensors(saved: Path, tmp_path: Path) -> None:
    adapters = [{"type": "lora", "path": str(tmp_path / "lora.bin")}]
    assert refused(spec_of(saved / "stable_diffusion", adapters=adapters)) == (
        f"generators.m.adapters.0.path: got {tmp_path}/lora.bin; expected a local .safetensors file"
    )


def test_a_folder_that_changed_since_the_plan(saved: Path, tmp_path: Path) -> None:
    folder = altered(saved, tmp_path)
    spec = spec_of(folder)
    info = describe("m", spec)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "beta_end": 0.02}))
    with pytest.raises(CheckpointError, match="it has changed since the job was planned: identity"):
        load_host("m", spec, info)
