"""The files of a diffusers pipeline: found from the job, and no part of the request's digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from augment.spec import Job, request_document
from augment.spec.generators import DiffusersGenerator, SchedulerChoice

Load = Callable[..., Job]


def pipeline(folder: Path, **sampling: Any) -> dict[str, Any]:
    folder.mkdir()
    (folder / "model.safetensors").touch()
    return {
        "generators.fake": {
            "family": "diffusers",
            "checkpoint": f"{folder.name}/model.safetensors",
            "config": f"{folder.name}/settings",
            "controlnet": f"{folder.name}/edges",
            "pipeline": "controlnet",
            "classes": ["0"],
            "adapters": [{"type": "lora", "path": f"{folder.name}/rain.safetensors"}],
            "sampling": sampling,
        }
    }


def test_relative_paths_hang_on_the_job(job: Load, tmp_path: Path) -> None:
    spec = job(pipeline(tmp_path / "models")).spec.generators["fake"]
    assert isinstance(spec, DiffusersGenerator)
    folder = tmp_path / "models"
    assert spec.checkpoint == str(folder / "model.safetensors")
    assert spec.config == str(folder / "settings")
    assert spec.controlnet == str(folder / "edges")
    assert spec.adapters[0].path == str(folder / "rain.safetensors")


def test_a_single_file_must_be_there(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    edits = pipeline(tmp_path / "models")
    (tmp_path / "models" / "model.safetensors").unlink()
    assert problems(edits) == [
        "job: generators.fake.checkpoint: got 'models/model.safetensors', no such file; expected a "
        f"single-file checkpoint. Looked at {tmp_path}/models/model.safetensors"
    ]


def test_where_files_lie_does_not_decide_rows(job: Load, tmp_path: Path) -> None:
    here, there = (job(pipeline(tmp_path / name)) for name in ("here", "there"))
    identity = {"fake": "a" * 64}
    assert request_document(here, identity) == request_document(there, identity)


def test_options_of_a_scheduler_are_what_yaml_says(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    (tmp_path / "real").mkdir()
    job = load_text(
        "version: 1\nname: x\nseed: 1\n"
        "sources: {r: {format: imagefolder, uri: real, splits: {train: 1.0}}}\n"
        "generators:\n  a:\n    family: diffusers\n    checkpoint: sd\n    classes: ['0']\n"
        "    sampling:\n      call: {guidance_scale: 6.0, clip_skip: 1}\n"
        "      scheduler: {class: DDIMScheduler, clip_sample: false, steps_offset: 1}\n"
        "synthesize: [{generators: [a], fill: {to: 3}}]\noutput: {uri: out}\n"
    )
    spec = job.spec.generators["a"]
    assert isinstance(spec, DiffusersGenerator)
    assert spec.sampling.call == {"guidance_scale": 6.0, "clip_skip": 1}
    assert isinstance(spec.sampling.scheduler, SchedulerChoice)
    assert spec.sampling.scheduler.model_extra == {"clip_sample": False, "steps_offset": 1}
