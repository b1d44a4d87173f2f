"""Folders of diffusers and transformers: one network becomes our own folder, a pipeline is
copied without what it does not need."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file

from augment.cli import main
from augment.errors import CheckpointError
from augment.generators import describe, load_host
from augment.generators.importing import Choice, ImportRequest
from augment.spec.generators import GeneratorSpec
from tests.contracts.generator_contract import requests
from tests.generators import pipelines
from tests.generators.families import test_autoregressive, test_diffusion
from tests.generators.importing.here import import_checkpoint, inspect


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


# ---- where the parts of one network lie --------------------------------------------------


def imported(source: Path, out: Path) -> bytes:
    import_checkpoint(ImportRequest(str(source), str(out), classes=["a", "b", "c", "d"]))
    return (out / "weights.safetensors").read_bytes()


def test_a_network_imports_alike_wherever_its_parts_lie(tmp_path: Path, unet: Path) -> None:
    """In folders with a list or without, at the root as google/ddpm-cifar10-32 has it, or beside
    its scheduler."""
    expected = imported(unet, tmp_path / "listed")
    root = tmp_path / "root"
    root.mkdir()
    for path in (*(unet / "unet").iterdir(), *(unet / "scheduler").iterdir()):
        shutil.copy(path, root / path.name)
    assert imported(root, tmp_path / "beside") == expected
    shutil.copy(unet / "model_index.json", root / "model_index.json")
    said = inspect(str(root))
    assert (said["kind"], said["family"]) == ("diffusers", "diffusion")
    assert imported(root, tmp_path / "at_root") == expected
    weights = root / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))  # as older folders have it
    weights.unlink()
    assert imported(root, tmp_path / "pickled") == expected
    (unet / "model_index.json").unlink()
    said = inspect(str(unet))
    assert (said["kind"], said["family"]) == ("parts", "diffusion")
    assert said["bytes"] == sum(p.stat().st_size for p in unet.rglob("*") if p.is_file())
    assert imported(unet, tmp_path / "unlisted") == expected


def test_settings_without_weights_say_so(unet: Path) -> None:
    (unet / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert inspect(str(unet))["refused"] == (
        f"{unet.name}: settings and no weights; expected diffusion_pytorch_model.safetensors, "
        "model.safetensors or alike beside them: fetch the folder again, whole"
    )


def test_a_network_without_its_schedule_says_where_it_is_looked_for(unet: Path) -> None:
    (unet / "scheduler" / "scheduler_config.json").unlink()
    for place in (unet, unet / "unet"):
        assert inspect(str(place))["refused"] == (
            f"{place.name}: no scheduler_config.json; expected one beside the U-Net or in "
            "scheduler/, for it says how the network was trained: name the folder that holds both"
        )


def test_several_networks_and_no_list_are_no_pipeline(tmp_path: Path, unet: Path) -> None:
    (unet / "model_index.json").unlink()
    shutil.copytree(unet / "unet", unet / "vae")
    assert inspect(str(unet))["refused"] == (
        "pipeline: no model_index.json, and several networks (unet, vae); expected a pipeline as "
        "save_pretrained writes it, or name one network's folder"
    )


# ---- pipelines ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["FluxPipeline", "StableDiffusion3Pipeline", "LDMPipeline"])
def test_a_pipeline_that_no_job_can_name_is_refused_before_it_is_copied(
    tmp_path: Path, name: str
) -> None:
    """In the words in which a plan would refuse it."""
    folder, out = tmp_path / "model", tmp_path / "out"
    pipelines.dit(tmp_path).save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": name}))
    text = (
        f"the folder is of a {name}, which is not hosted; expected one of StableDiffusionPipeline, "
        "StableDiffusionXLPipeline, DiTPipeline, PixArtAlphaPipeline, AmusedPipeline or their "
        "image variants"
    )
    assert inspect(str(folder))["refused"] == f"model: {text}"
    assert main(["generators", "inspect", str(folder)]) == 2
    with pytest.raises(CheckpointError) as told:
        import_checkpoint(ImportRequest(str(folder), str(out)))
    assert str(told.value) == f"model: {text}"
    assert not out.exists()
    spec: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(
        {"family": "diffusers", "checkpoint": str(folder), "classes": ["a"]}
    )
    with pytest.raises(CheckpointError, match=text):
        describe("m", spec)


def test_a_component_that_no_job_can_use_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    pipelines.dit(tmp_path).save_pretrained(folder)
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {}}))
    assert "the key 'quantization_config'" in inspect(str(folder))["refused"]
    assert main(["generators", "import", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_the_words_for_a_job_name_what_a_pipeline_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words in (("pixart", "classes: [...]"), ("dit", "class_index: {name: index, ...}")):
        folder, out = tmp_path / name, tmp_path / f"{name}-out"
        getattr(pipelines, name)(tmp_path).save_pretrained(folder)
        assert main(["generators", "import", str(folder), "--out", str(out)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == (
            f"in a job:     generators: {{name: {{family: diffusers, checkpoint: {out}, {words}}}}}"
        )
    assert main(["generators", "inspect", str(folder), "--prefix", "x"]) == 2
    assert "--prefix: has no effect, a pipeline is taken as it is" in capsys.readouterr().out


@pytest.mark.parametrize("shard_bytes", ["10GB", "100KB"])
def test_a_variant_is_imported_under_the_plain_names(tmp_path: Path, shard_bytes: str) -> None:
    """As a job's library looks for them, whole or in shards."""
    folder, out = tmp_path / "model", tmp_path / "out"
    pipe = pipelines.dit(tmp_path)
    pipe.save_pretrained(folder)
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    for part in ("transformer", "vae"):
        getattr(pipe, part).save_pretrained(
            folder / part, variant="fp16", max_shard_size=shard_bytes
        )
    import_checkpoint(ImportRequest(str(folder), str(out), choice=Choice(variant="fp16")))
    assert not [path for path in out.rglob("*") if "fp16" in path.name]
    words = {"family": "diffusers", "checkpoint": str(out), "class_index": {"a": 0},
             "sampling": {"call": {"num_inference_steps": 2, "guidance_scale": 1.0}}}  # fmt: skip
    spec: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(words)
    assert load_host("m", spec, describe("m", spec)).info.classes == ("a",)
