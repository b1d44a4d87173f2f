"""Folders of diffusers and transformers: one network becomes our own folder, a pipeline is
copied without what it does not need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from augment.errors import CheckpointError
from augment.generators import describe, load_host
from augment.generators.importing import ImportRequest, import_checkpoint, inspect
from augment.spec.generators import GeneratorSpec
from tests.contracts.generator_contract import requests
from tests.generators import pipelines, test_autoregressive, test_diffusion


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    """A class-conditional network with its scheduler, as diffusers saves them; four indexes."""
    from diffusers import DDPMScheduler

    folder = tmp_path / "pipeline"
    test_diffusion.foreign(folder / "unet", DDPMScheduler())
    (folder / "unet" / "scheduler").rename(folder / "scheduler")
    index = {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"],
             "scheduler": ["diffusers", "DDPMScheduler"]}  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("names", [["a", "b", "c", "d"], ["a", "b", "c"]])
def test_a_pipeline_of_one_network(tmp_path: Path, unet: Path, names: list[str]) -> None:
    """One name fewer than indexes: the last one is no class, which guidance needs."""
    out = tmp_path / "out"
    said = import_checkpoint(ImportRequest(str(unet), str(out), classes=names))
    assert (said["family"], said["classes"], said["named"]) == ("diffusion", 4, True)
    sampling = {"steps": 2} | ({"guidance_scale": 2.0} if len(names) == 3 else {})
    spec: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(
        {"family": "diffusion", "checkpoint": str(out), "sampling": sampling}
    )
    info = describe("g", spec)
    assert info.classes == tuple(names)
    made = load_host("g", spec, info).generate(requests(info, names, 1))
    assert made.failed == (None,) * len(names)


def test_names_that_are_too_few(tmp_path: Path, unet: Path) -> None:
    text = r"--classes: got 2 names; expected 4 \(or 3, where the last is no class\), one for each"
    with pytest.raises(CheckpointError, match=text):
        import_checkpoint(ImportRequest(str(unet), str(tmp_path / "out"), classes=["a", "b"]))


def test_a_network_alone_lies_beside_its_scheduler(unet: Path) -> None:
    alone = unet / "unet"
    (unet / "scheduler" / "scheduler_config.json").rename(alone / "scheduler_config.json")
    said = inspect(str(alone))
    assert (said["kind"], said["family"], said["classes"]) == ("model", "diffusion", 4)
    (alone / "scheduler_config.json").unlink()
    assert "no scheduler_config.json; expected one beside" in inspect(str(alone))["refused"]


def test_a_whole_pipeline_is_copied_without_the_rest(tmp_path: Path) -> None:
    folder, out = tmp_path / "sd", tmp_path / "out"
    pipelines.stable_diffusion(tmp_path / "tokenizer").save_pretrained(folder)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04never read")
    (folder / "README.md").write_text("a card")
    (folder / "v1-5.ckpt").write_bytes(b"\x80\x04never read")
    said = import_checkpoint(ImportRequest(str(folder), str(out)))
    assert (said["family"], said["pipeline"]) == ("diffusers", "StableDiffusionPipeline")
    assert {"unet/diffusion_pytorch_model.bin", "v1-5.ckpt"} <= set(said["skipped"])
    assert not list(out.rglob("*.bin"))
    spec: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(
        {"family": "diffusers", "checkpoint": str(out), "classes": ["cat"],
         "sampling": {"call": {"num_inference_steps": 2}}}
    )  # fmt: skip
    assert describe("g", spec).classes == ("cat",)
    assert inspect(str(folder))["pipeline"] == "StableDiffusionPipeline"


def test_an_imagegpt_of_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "imagegpt"
    read = test_autoregressive.saved_imagegpt(folder)
    assert "expected the colours of its tokens in preproc" in inspect(str(folder))["refused"]
    colours = json.dumps(read.config["preprocessor_config"])
    (folder / "preprocessor_config.json").write_text(colours)
    said = inspect(str(folder))
    assert (said["family"], said["classes"]) == ("autoregressive", 0)
