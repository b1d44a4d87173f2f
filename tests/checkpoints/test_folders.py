from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from safetensors.numpy import save

from augment.checkpoints.folders import scan_folder
from augment.errors import CheckpointError, UnsafeCheckpoint
from tests.checkpoints.assembly import dumps, saved, system

WEIGHTS = save({"a": np.ones(2, np.float32)})
PIPELINE = {
    "_class_name": "DDPMPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNet2DModel"],
    "scheduler": ["diffusers", "DDPMScheduler"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
NAME = "diffusion_pytorch_model"


def put(folder: Path, files: dict[str, Any]) -> Path:
    for inside, content in files.items():
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def diffusers(folder: Path) -> Path:
    """A pipeline with the files of `BASE`."""
    base = {
        "model_index.json": PIPELINE,
        "scheduler/scheduler_config.json": {"lambda_min_clipped": float("-inf")},
        "unet/config.json": {"_class_name": "UNet2DModel"},
        f"unet/{NAME}.safetensors": WEIGHTS,
    }
    return put(folder, base)


BASE = {
    "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
    f"unet/{NAME}.safetensors",
}  # fmt: skip


def refused(folder: Path, text: str, **options: Any) -> None:
    with pytest.raises(UnsafeCheckpoint, match=text):
        scan_folder(folder, **options)


def test_a_public_pipeline_and_what_is_skipped_of_it(tmp_path: Path) -> None:
    folder = diffusers(tmp_path / "m")
    put(
        folder,
        {
            "README.md": b"",
            ".gitattributes": b"",
            "picture.png": b"",
            "v1.safetensors": WEIGHTS,
            "v1.ckpt": dumps(system(tmp_path / "canary")),
            f"unet/{NAME}.bin": dumps(system(tmp_path / "canary")),
            f"unet/{NAME}.fp16.safetensors": WEIGHTS,
            "unet/model.onnx": b"",
            "unet/flax_model.msgpack": b"",
            "vae/config.json": {},
            "vae/model.safetensors": WEIGHTS,
        },
    )
    scan = scan_folder(folder)
    assert scan.kind == "diffusers"
    assert set(scan.needed) == BASE
    assert scan.needed["unet/config.json"].path == folder / "unet/config.json"
    assert scan.skipped == {
        ".gitattributes": "hidden",
        "README.md": "not of a component",
        "picture.png": "not of a component",
        "v1.safetensors": "not of a component",
        "v1.ckpt": "not of a component",
        f"unet/{NAME}.bin": "a pickle beside safetensors",
        f"unet/{NAME}.fp16.safetensors": "another variant",
        "unet/model.onnx": "not used",
        "unet/flax_model.msgpack": "not used",
        "vae/config.json": "not of a component",
        "vae/model.safetensors": "not of a component",
    }
    assert scan.classes == {
        "": ("diffusers", "DDPMPipeline"),
        "unet": ("diffusers", "UNet2DModel"),
        "scheduler": ("diffusers", "DDPMScheduler"),
    }
    assert not (tmp_path / "canary").exists()


def test_a_variant_is_taken_where_it_is(tmp_path: Path) -> None:
    folder = put(diffusers(tmp_path), {f"unet/{NAME}.fp16.safetensors": WEIGHTS})
    scan = scan_folder(folder, variant="fp16")
    assert f"unet/{NAME}.fp16.safetensors" in scan.needed
    assert scan.skipped[f"unet/{NAME}.safetensors"] == "another variant"
    other = scan_folder(folder, variant="bf16")
    assert (set(other.needed), other.notes) == (BASE, ("unet: no bf16 weights",))
    (folder / f"unet/{NAME}.safetensors").unlink()
    refused(
        folder,
        "weights of fp16 only; expected plain ones; make a folder of them: augment "
        "generators import --variant fp16",
    )


def test_one_model_and_its_class(tmp_path: Path) -> None:
    put(tmp_path, {"config.json": {"architectures": ["ImageGPT"]}, "model.safetensors": WEIGHTS})
    put(tmp_path, {"tokenizer.json": {"model": {"auto_map": 7}}, "special.json": [1]})
    scan = scan_folder(tmp_path)
    assert (scan.kind, scan.classes) == ("model", {"": ("", "ImageGPT")})
    assert set(scan.needed) == {
        "config.json", "model.safetensors", "special.json", "tokenizer.json",
    }  # fmt: skip


def named(tensor: str) -> bytes:
    return save({tensor: np.ones(2, np.float32)})


def test_shards_lie_beside_their_list(tmp_path: Path) -> None:
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    index = "model.safetensors.index.json"
    put(tmp_path, {"config.json": {}, first: named("a"), second: named("b")})
    refused(tmp_path, f"{first}: a shard without the list of all")
    put(tmp_path, {index: {"weight_map": {"a": first, "b": second}}})
    assert set(scan_folder(tmp_path).needed) == {"config.json", index, first, second}
    put(tmp_path, {"model.safetensors": WEIGHTS})
    scan = scan_folder(tmp_path)
    assert set(scan.needed) == {"config.json", index, first, second}
    assert scan.skipped == {"model.safetensors": "not in the list of shards"}
    for shard in ("../x.safetensors", "/etc/x.safetensors", "x.bin", 5):
        put(tmp_path, {index: {"weight_map": {"a": first, "b": shard}}})
        refused(tmp_path, rf"{index}: the shard .*; expected a \.safetensors file beside it")
    put(tmp_path, {index: {"weight_map": {"a": first, "b": "model-3.safetensors"}}})
    refused(tmp_path, "the shard 'model-3.safetensors' is missing")
    put(tmp_path, {index: {"weight_map": [1]}})
    refused(tmp_path, "no weight_map")
    for wrong in ({"a": second, "b": first}, {"a": first, "b": second, "c": first}, {"a": first}):
        put(tmp_path, {index: {"weight_map": wrong}})
        if len(wrong) == 1:  # the second shard is none of the model's
            assert second in scan_folder(tmp_path).skipped
        else:
            refused(tmp_path, f"{index}: the tensor '.' stands in .* or in its list alone")


def test_shards_of_a_variant(tmp_path: Path) -> None:
    shard = "model.fp16-00001-of-00001.safetensors"
    index = "model.safetensors.index.fp16.json"
    files = {"config.json": {}, "model.safetensors": WEIGHTS, shard: WEIGHTS}
    put(tmp_path, {**files, index: {"weight_map": {"a": shard}}})
    assert set(scan_folder(tmp_path, variant="fp16").needed) == {"config.json", index, shard}
    assert scan_folder(tmp_path).skipped == {index: "another variant", shard: "another variant"}


def test_of_a_component_only_known_names_are_taken(tmp_path: Path) -> None:
    """What a library might look for besides, hidden or not, it does not get to see."""
    others = (
        "chat_template.jinja", "generation_config.json", "other.safetensors", ".metadata",
        "ema.safetensors", "quantization_config.json", "processor_config.json", "notes.txt",
        "diffusion_pytorch_model.flashpack", "model.gguf", ".h.safetensors",
    )  # fmt: skip
    folder = put(diffusers(tmp_path), {f"unet/{name}": WEIGHTS for name in others})
    (folder / "unet" / ".hidden").mkdir()
    put(folder, {"unet/.hidden/model.safetensors": WEIGHTS, "unet/sub/config.json": {}})
    scan = scan_folder(folder)
    assert set(scan.needed) == BASE
    why = dict.fromkeys((f"unet/{name}" for name in others), "not used")
    hidden = {name: "hidden" for name in why if "/." in name}
    assert scan.skipped == why | hidden | {
        "unet/.hidden": "hidden", "unet/sub/config.json": "not of a component",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"]
)
@pytest.mark.parametrize("kind", ["diffusers", "model"])
def test_an_adapter_in_the_place_of_a_component(tmp_path: Path, name: str, kind: str) -> None:
    folder = diffusers(tmp_path) / ("unet" if kind == "model" else "")
    put(folder, {name if kind == "model" else f"unet/{name}": WEIGHTS})
    refused(
        folder, f"{name}: an adapter in the place of a component; expected the component's own "
        "weights and config.json; merge it, or name a LoRA under `adapters`",
    )  # fmt: skip


def test_components_that_nothing_lists(tmp_path: Path) -> None:
    folder = diffusers(tmp_path)
    (folder / "model_index.json").unlink()
    scan = scan_folder(folder)
    assert (scan.kind, set(scan.needed)) == ("parts", BASE - {"model_index.json"})
    assert scan.classes == {"scheduler": ("", ""), "unet": ("", "UNet2DModel")}


def test_a_network_at_the_root_of_its_pipeline(tmp_path: Path) -> None:
    """As the pipelines of google/ddpm-cifar10-32 lie."""
    put(
        tmp_path,
        {
            "model_index.json": PIPELINE,
            "config.json": {"_class_name": "UNet2DModel"},
            "scheduler_config.json": {},
            f"{NAME}.safetensors": WEIGHTS,
            f"{NAME}.bin": b"",
            "README.md": b"",
        },
    )
    scan = scan_folder(tmp_path)
    assert set(scan.needed) == {
        "model_index.json", "config.json", "scheduler_config.json", f"{NAME}.safetensors",
    }  # fmt: skip
    assert scan.skipped == {f"{NAME}.bin": "a pickle beside safetensors", "README.md": "not used"}


def test_a_pythae_folder(tmp_path: Path) -> None:
    model = saved({"model_state_dict": {"a": torch.ones(1)}})
    files = {"model_config.json": {"name": "VAEConfig"}, "environment.json": {}, "model.pt": model}
    put(tmp_path, files)
    assert (scan_folder(tmp_path).kind, set(scan_folder(tmp_path).needed)) == ("pythae", set(files))
    put(tmp_path, {"decoder.pkl": cloudpickle.dumps(lambda: 1)})
    refused(
        tmp_path, r"decoder\.pkl: a pickled class of pythae, which is a program; expected the "
        "default networks; take a model that needs no code of its own",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inside", "content", "text"),
    [
        ("unet/my_unet.py", b"", "unet/my_unet.py: a program; expected weights and settings"),
        ("pipeline.py", b"", "pipeline.py: a program"),
        ("other/native.so", b"", "native.so: a program"),
        ("unet/config.json", {"auto_map": {"AutoModel": "x.Y"}}, "auto_map asks for code"),
        ("unet/config.json", {"a": [{"trust_remote_code": True}]}, "trust_remote_code asks for c"),
        ("model_index.json", {**PIPELINE, "custom_pipeline": "x"}, "custom_pipeline asks for code"),
        ("model_index.json", {**PIPELINE, "_class_name": ["pipeline", "P"]}, "_class_name is"),
        ("model_index.json", {**PIPELINE, "unet": ["diffusers"]}, "component 'unet' is"),
        ("model_index.json", {**PIPELINE, "unet": ["os", "../x"]}, "component 'unet' is"),
        ("unet/config.json", b'{"a": 1, "a": 2}', "the key 'a' twice"),
        ("unet/config.json", b"{", "is not JSON"),
        (f"unet/{NAME}.safetensors", WEIGHTS[:-1], "not a whole safetensors file"),
        ("scheduler/evil.bin", b"", r"evil\.bin: a pickle, and no safetensors beside it"),
        ("a/b/c/d/e/f/g/h/i/j", b"", "a folder too deep"),
        ("odd\nname.json", {}, "an odd name"),
        ("back\\slash.json", {}, "an odd name"),
        ("unet/Config.json", {}, r"a name that differs from 'unet/.onfig\.json' by its case alone"),
        ("UNET/x", b"", "a name that differs from '(unet|UNET)' by its case alone"),
        ("unet/config.json", {"x": "y" * (1 << 20)}, "bytes; expected at most 1048576"),
    ],
)
def test_what_is_refused(tmp_path: Path, inside: str, content: Any, text: str) -> None:
    refused(put(diffusers(tmp_path), {inside: content}), text)


def test_sizes_are_limited(tmp_path: Path) -> None:
    refused(diffusers(tmp_path), "bytes; expected at most 20; take a smaller model", max_bytes=20)


def cache(tmp_path: Path) -> Path:
    """A model cache: the snapshot's files are links to blobs."""
    model = tmp_path / "models--x--y"
    snapshot = model / "snapshots" / "abc"
    contents = {
        "config.json": b"{}",
        "sub/model.safetensors": WEIGHTS,
        "model.safetensors": WEIGHTS,
    }
    for number, (inside, content) in enumerate(contents.items()):
        put(model, {f"blobs/{number}": content})
        (snapshot / inside).parent.mkdir(parents=True, exist_ok=True)
        depth = "../" * (2 + inside.count("/"))
        (snapshot / inside).symlink_to(f"{depth}blobs/{number}")
    return snapshot


def test_links_of_a_model_cache_are_followed(tmp_path: Path) -> None:
    scan = scan_folder(cache(tmp_path))
    assert set(scan.needed) == {"config.json", "model.safetensors"}
    assert scan.needed["config.json"].path == tmp_path / "models--x--y/blobs/0"


@pytest.mark.parametrize("target", ["../../../secret", "../../refs/x", "config.json", "nowhere"])
def test_other_links_are_refused(tmp_path: Path, target: str) -> None:
    snapshot = cache(tmp_path)
    put(tmp_path, {"secret": b"", "models--x--y/refs/x": b""})
    (snapshot / "extra.json").symlink_to(target)
    if target == "config.json":  # leads to a blob of the model all the same
        assert "extra.json" in scan_folder(snapshot).needed
        return
    refused(snapshot, r"extra\.json: a link that leaves the model; expected files, or links of a m")


def test_links_outside_a_cache_are_refused(tmp_path: Path) -> None:
    folder = diffusers(tmp_path / "m")
    put(tmp_path, {"outside/config.json": {}})
    (folder / "vae").symlink_to(tmp_path / "outside", target_is_directory=True)
    refused(folder, "m/vae: a link that leaves the model")


def test_a_blob_that_is_a_link_is_refused(tmp_path: Path) -> None:
    snapshot = cache(tmp_path)
    put(tmp_path, {"secret": b""})
    blob = tmp_path / "models--x--y/blobs/0"
    blob.unlink()
    blob.symlink_to(tmp_path / "secret")
    refused(snapshot, r"config\.json: a link that leaves the model")


def test_a_folder_under_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").mkdir()
    assert scan_folder(tmp_path).kind == "folder"


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    folder = diffusers(tmp_path)
    os.mkfifo(folder / "pipe.json")
    refused(folder, r"pipe\.json: no regular file")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="x: no such folder"):
        scan_folder(tmp_path / "x")
