"""From a file that its own program wrote to a host: the samples are those of its tensors, and
nothing in it was executed. Every import runs in its own limited process, as a user's does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from augment.errors import CheckpointError, RequestError, UnsafeCheckpoint
from augment.generators import describe, load_host
from augment.generators.importing import Bounds, Choice, ImportRequest, import_checkpoint, inspect
from augment.spec.generators import GeneratorSpec
from tests.checkpoints.evil import Evil, code
from tests.contracts.generator_contract import requests
from tests.generators.families import test_biggan, test_stylegan2, test_vae_kl, test_vae_pythae
from tests.generators.importing.nvidia_file import nvidia_file
from tests.generators.onnx_graphs import plain
from tests.generators.translators import arrays, resnet, unet

Arrays = Mapping[str, np.ndarray]


def spec(out: Path, **words: Any) -> GeneratorSpec:
    family = json.loads((out / "generator.json").read_text())["family"]
    found: GeneratorSpec = TypeAdapter(GeneratorSpec).validate_python(
        {"family": family, "checkpoint": str(out), **words}
    )
    return found


def weights(out: Path) -> Arrays:
    found: Arrays = load_file(out / "weights.safetensors")
    return found


def same(found: Arrays, expected: Arrays) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[k], expected[k]) for k in expected
    )


# ---- NVIDIA ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stylegan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Arrays]:
    """(the pickle, the canary that its embedded source would write, its tensors)."""
    folder = tmp_path_factory.mktemp("nvidia")
    canary = folder / "canary"
    shape = test_stylegan2.init()
    tensors = test_stylegan2.arrays(shape)
    mapping = shape.mapping
    kwargs = {
        "z_dim": mapping.z_dim, "c_dim": mapping.c_dim, "w_dim": mapping.w_dim,
        "img_resolution": 8, "img_channels": 3,
        "mapping_kwargs": {
            "num_layers": mapping.num_layers, "embed_features": mapping.embed_features,
            "layer_features": mapping.layer_features, "lr_multiplier": mapping.lr_multiplier,
        },
        "synthesis_kwargs": {"architecture": "skip"},
    }  # fmt: skip
    path = folder / "network-snapshot.pkl"
    path.write_bytes(nvidia_file(tensors, kwargs, source=code(canary)))
    return path, canary, tensors


def test_an_nvidia_pickle_becomes_a_host(
    tmp_path: Path, stylegan: tuple[Path, Path, Arrays]
) -> None:
    path, canary, tensors = stylegan
    names, out = test_stylegan2.CLASSES, tmp_path / "out"
    said = import_checkpoint(ImportRequest(str(path), str(out), classes=names, license="CC0-1.0"))
    assert (said["family"], said["classes"], said["named"]) == ("stylegan2", 3, True)
    assert said["smoke"]["same_under_global_seeds"] is True
    assert "NVIDIA Source Code License" in said["license_note"]
    stored = weights(out)
    assert all(np.array_equal(stored[k], tensors[k]) for k in stored)
    document = json.loads((out / "generator.json").read_text())
    assert document["imported"]["kind"] == "nvidia-pickle"
    assert len(document["imported"]["embedded_sha256"]) == 1
    assert "open(" not in (out / "generator.json").read_text()
    assert not canary.exists()
    assert sorted(p.name for p in out.iterdir()) == ["generator.json", "weights.safetensors"]
    found = spec(out)
    info = describe("g", found)
    assert (info.classes, info.license) == (tuple(names), "CC0-1.0")
    direct = test_stylegan2.checkpoint(tmp_path / "direct", test_stylegan2.init())
    batch = requests(info, info.classes, 2)
    expected = load_host("d", direct, describe("d", direct)).generate(batch).images
    assert np.array_equal(load_host("g", found, info).generate(batch).images, expected)


def test_inspecting_an_nvidia_pickle(stylegan: tuple[Path, Path, Arrays]) -> None:
    path, canary, tensors = stylegan
    said = inspect(str(path))
    assert (said["kind"], said["family"]) == ("nvidia-pickle", "stylegan2")
    assert (said["height"], said["width"], said["channels"]) == (8, 8, 3)
    assert said["classes"] == 3
    assert 0 < said["parameters"] <= sum(a.size for a in tensors.values())
    assert "refused" not in said
    assert not canary.exists()


def test_the_number_of_class_names_must_fit(
    tmp_path: Path, stylegan: tuple[Path, Path, Arrays]
) -> None:
    request = ImportRequest(str(stylegan[0]), str(tmp_path / "out"), classes=["cat"])
    with pytest.raises(CheckpointError, match=r"--classes: got 1 names; expected 3, one for each"):
        import_checkpoint(request)
    assert list(tmp_path.iterdir()) == []


# ---- translators -----------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_of_a_translator(tmp_path: Path, zipped: bool) -> None:
    tensors = arrays(resnet())
    state = {k: torch.from_numpy(v) for k, v in tensors.items()}
    path = tmp_path / "latest_net_G.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    said = import_checkpoint(ImportRequest(str(path), str(tmp_path / "out")))
    assert (said["family"], said["takes_image"]) == ("resnet_i2i", True)
    assert same(weights(tmp_path / "out"), tensors)


def test_both_directions_of_a_training(tmp_path: Path) -> None:
    run = tmp_path / "checkpoints" / "day2night"
    run.mkdir(parents=True)
    for name, seed in (("G_A", 1), ("G_B", 2)):
        state = {k: torch.from_numpy(v) for k, v in arrays(unet(), seed).items()}
        torch.save(state, run / f"latest_net_{name}.pth")
    torch.save({"model.0.weight": torch.ones(2)}, run / "latest_net_D_A.pth")
    (run / "opt.txt").write_text("options")
    out = tmp_path / "out"
    said = import_checkpoint(ImportRequest(str(run), str(out)))
    assert said["family"] == "unet_i2i"
    assert set(said["skipped"]) == {"latest_net_D_A.pth", "opt.txt"}
    stored = weights(out)
    for direction, seed in (("AtoB", 1), ("BtoA", 2)):
        own = {k.partition(".")[2]: v for k, v in stored.items() if k.startswith(direction)}
        assert same(own, arrays(unet(), seed))
        describe("g", spec(out, direction=direction))


# ---- folders ---------------------------------------------------------------------------


def test_a_folder_of_pythae(tmp_path: Path) -> None:
    run = tmp_path / "final_model"
    run.mkdir()
    tensors = test_vae_pythae.state_dict()
    state = {k: torch.from_numpy(v) for k, v in tensors.items()}
    torch.save({"model_state_dict": state}, run / "model.pt")
    (run / "model_config.json").write_text(json.dumps(test_vae_pythae.CONFIG))
    (run / "environment.json").write_text(json.dumps({"python_version": "3.11"}))
    said = import_checkpoint(ImportRequest(str(run), str(tmp_path / "out")))
    assert (said["family"], said["classes"]) == ("vae", 0)
    assert describe("g", spec(tmp_path / "out", label="shoe")).classes == ("shoe",)


def biggan_folder(folder: Path, *names: str) -> Path:
    """As transformers saves a network, with what public folders also hold beside it. names:
    of the weights; one that holds `fp16` is in half precision."""
    foreign = test_biggan.official()
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(dict(foreign.config)))
    for name in names:
        kind = np.float16 if "fp16" in name else np.float32
        tensors = {k: v.astype(kind) for k, v in foreign.tensors.items()}
        if name.endswith(".safetensors"):
            save_file(tensors, folder / name)
        else:
            torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, folder / name)
    (folder / "flax_model.msgpack").write_bytes(b"x")
    (folder / "model.onnx").write_bytes(b"x")
    return folder


PLAIN, HALF, PICKLED = "model.safetensors", "model.fp16.safetensors", "pytorch_model.bin"


@pytest.mark.parametrize(
    ("names", "variant", "skipped", "half"),
    [
        ([PICKLED], None, set(), False),
        ([PLAIN, PICKLED, HALF], None, {PICKLED, HALF}, False),
        ([PLAIN, PICKLED, HALF], "fp16", {PICKLED, PLAIN}, True),
    ],
)
def test_a_folder_gives_what_is_needed(
    tmp_path: Path, names: list[str], variant: str | None, skipped: set[str], half: bool
) -> None:
    folder = biggan_folder(tmp_path / "biggan", *names)
    out = tmp_path / "out"
    said = import_checkpoint(ImportRequest(str(folder), str(out), choice=Choice(variant)))
    assert (said["family"], said["classes"]) == ("biggan", test_biggan.init().num_classes)
    assert set(said["skipped"]) == skipped | {"flax_model.msgpack", "model.onnx"}
    official = test_biggan.official().tensors["embeddings.weight"]
    expected = official.astype(np.float16).astype(np.float32) if half else official
    assert np.array_equal(weights(out)["embeddings.weight"], expected)


def test_a_link_inside_a_model_cache_is_followed(tmp_path: Path) -> None:
    cache = tmp_path / "models--org--biggan"
    saved = biggan_folder(cache / "plain", PLAIN)
    snapshot = cache / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for i, name in enumerate(("config.json", PLAIN)):
        shutil.copy(saved / name, cache / "blobs" / f"{i:064x}")
        (snapshot / name).symlink_to(Path("..", "..", "blobs", f"{i:064x}"))
    assert inspect(str(snapshot))["family"] == "biggan"
    (snapshot / "extra.json").symlink_to("/etc/hostname")
    assert re.match(r"abc123/extra\.json: ", inspect(str(snapshot))["refused"])


def test_a_component_of_diffusers(tmp_path: Path) -> None:
    foreign = test_vae_kl.foreign()
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text(json.dumps(dict(foreign.config)))
    save_file(dict(foreign.tensors), tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    said = inspect(str(tmp_path / "vae"))
    assert (said["kind"], said["family"], said["takes_image"]) == ("model", "vae", True)


def test_an_onnx_graph(tmp_path: Path) -> None:
    path = tmp_path / "generator.onnx"
    path.write_bytes(plain().SerializeToString())
    out = tmp_path / "out"
    said = import_checkpoint(ImportRequest(str(path), str(out)))
    assert said["family"] == "onnx"
    assert sorted(p.name for p in out.iterdir()) == ["generator.json", "model.onnx"]
    assert (out / "model.onnx").read_bytes() == path.read_bytes()


# ---- refusals --------------------------------------------------------------------------


def evil_files(folder: Path, canary: Path) -> dict[str, Path]:
    """What people may be handed as a checkpoint."""
    hidden = {"model.1.weight": torch.ones(2), "model.4.weight": Evil(canary)}
    torch.save(hidden, folder / "latest_net_G.pth")
    module = torch.jit.script(torch.nn.Linear(2, 2))
    torch.jit.save(module, folder / "scripted.pt")
    save_file({"some.weight": np.ones(3, np.float32)}, folder / "unknown.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "unknown.safetensors").read_bytes()[:-4])
    (folder / "text.pkl").write_text("hello")
    wrong = arrays(resnet())
    wrong["model.1.weight"] = np.ones((2, 3, 7, 5), np.float32)
    save_file(wrong, folder / "shape.safetensors")
    broken = arrays(resnet())
    broken["model.1.weight"][0, 0, 0, 0] = np.nan
    save_file(broken, folder / "nan.safetensors")
    return {path.stem: path for path in folder.iterdir()}


REFUSED = {
    "latest_net_G": r"latest_net_G\.pth: .*(posix|os)\.?system",
    "scripted": r"scripted\.pt: a TorchScript archive, which is a program; expected one of safe",
    "unknown": r"unknown\.safetensors: of no family that is hosted \(kind safetensors; 1 tensors: ",
    "cut": r"cut\.safetensors: not a whole safetensors file",
    "text": r"text\.pkl: a file of the kind unknown; expected one of safetensors",
    "shape": r"shape\.safetensors: a generator of resnet_i2i by its names",
    "nan": r"weights\.safetensors: tensor 'model\.1\.weight' holds 1 NaN or infinite of 294 values",
}


@pytest.mark.filterwarnings("ignore:.*jit:FutureWarning")
def test_what_is_refused_and_why(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    canary = tmp_path / "canary"
    files = evil_files(tmp_path / "files", canary)
    assert files.keys() == REFUSED.keys()
    for stem, path in files.items():
        with pytest.raises(CheckpointError, match=REFUSED[stem]):
            import_checkpoint(ImportRequest(str(path), str(tmp_path / "out")))
        assert "refused" in inspect(str(path)), stem
        assert not canary.exists()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["files"]


def test_a_folder_with_a_program_is_refused(tmp_path: Path) -> None:
    folder = biggan_folder(tmp_path / "biggan", PLAIN)
    (folder / "modeling.py").write_text("1/0")
    with pytest.raises(UnsafeCheckpoint, match=r"biggan/modeling\.py: a program; expected weight"):
        import_checkpoint(ImportRequest(str(folder), str(tmp_path / "out")))


# ---- the process, and what it leaves ---------------------------------------------------


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    """A sparse file, larger than the address space that reading it may take."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 28], "data_offsets": [0, 1 << 30]}})
    path = tmp_path / "big.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        file.truncate(8 + len(header) + (1 << 30))
    request = ImportRequest(str(path), str(tmp_path / "out"))
    with pytest.raises(CheckpointError, match=r"needs more than 1 GiB of address space; give it"):
        import_checkpoint(request, Bounds(memory=1))
    assert not (tmp_path / "out").exists()


def test_too_little_time_is_said(tmp_path: Path, stylegan: tuple[Path, Path, Arrays]) -> None:
    request = ImportRequest(str(stylegan[0]), str(tmp_path / "out"))
    with pytest.raises(CheckpointError, match=r"used more than 1 s of CPU time, or was killed; gi"):
        import_checkpoint(request, Bounds(cpu_seconds=1, patience=600))
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_only_waits_ends_too(
    tmp_path: Path, stylegan: tuple[Path, Path, Arrays]
) -> None:
    request = ImportRequest(str(stylegan[0]), str(tmp_path / "out"))
    with pytest.raises(
        CheckpointError, match=r"the import took longer than 0\.001 x 60 s, most of"
    ):
        import_checkpoint(request, Bounds(cpu_seconds=60, patience=0.001))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(RequestError, match="out: exists already; expected a folder that is not"):
        import_checkpoint(ImportRequest("nothing.pkl", str(tmp_path / "out")))


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.pkl: no such file or folder; expected a"):
        import_checkpoint(ImportRequest(str(tmp_path / "nothing.pkl"), str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


def test_an_imported_folder_is_not_imported_again(tmp_path: Path) -> None:
    (tmp_path / "generator.json").write_text("{}")
    assert (
        "an imported folder already; name it as `checkpoint`" in inspect(str(tmp_path))["refused"]
    )
