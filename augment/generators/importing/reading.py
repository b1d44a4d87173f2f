"""A file or folder as `Foreign`: the right reader by content, never by name.

A folder of one model gives its weights and its JSON settings; a training folder of CycleGAN
gives its two networks. Knows no family.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augment.checkpoints.blob import open_blob, shown
from augment.checkpoints.folders import FolderScan, scan_folder
from augment.checkpoints.inert import globals_in, read_pickle
from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.safetensors_file import SafeTensors, read_safetensors
from augment.checkpoints.sniff import READABLE, Found, sniff
from augment.checkpoints.tensors import TENSOR_GLOBALS
from augment.checkpoints.torch_file import read_torch
from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.generators.families.diffusers.parts import PIPELINES, check_pipeline
from augment.generators.foreign import Foreign

_BLOCK = 1 << 20
_MAX_JSON = 4 << 20
_NAMES = 3
_DIRECTIONS = ("net_G_A.pth", "net_G_B.pth")
"""Ends of the names of CycleGAN's two generators: nothing inside says which is which."""
_WEIGHTS = ("diffusion_pytorch_model.safetensors", "model.safetensors")
_OWN_SETTINGS = ("config.json", "model_config.json")
_WHY: Mapping[str, tuple[str, str]] = {
    "torchscript": (
        "a TorchScript archive, which is a program",
        "export the state dict: torch.save(model.state_dict(), ...)",
    ),
    "pt2": (
        "a torch.export archive, whose loader unpickles parts of it",
        "export the state dict: torch.save(model.state_dict(), ...)",
    ),
    "cloudpickle": ("a cloudpickle, which carries code", "save the weights as safetensors"),
    "joblib": (
        "a joblib file, which is a pickle of any objects",
        "save the weights as safetensors",
    ),
    "tensorflow-pickle": (
        "a StyleGAN pickle of the TensorFlow program",
        "convert it with legacy.py of NVlabs/stylegan3",
    ),
    "pickle": (
        "a pickle of no known program",
        "save the network's state_dict() with torch.save or as safetensors; a network that is not "
        "hosted can be exported as ONNX (docs/generators.md shows how), or hosted as family custom",
    ),
}
_KEYED = ("torch-zip", "torch-legacy", "nvidia-pickle")


@dataclass(frozen=True)
class Reading:
    """What was read of a checkpoint.

    kind: by content. sha256: of the file; of a folder, over the names and hashes of the
    files taken. foreigns: one, or both directions of a translation. embedded_sha256: of
    source texts inside. skipped: file -> why it was not taken. notes: what was odd.
    files: of a folder, those taken.
    """

    kind: str
    sha256: str
    foreigns: tuple[Foreign, ...] = ()
    embedded_sha256: tuple[str, ...] = ()
    skipped: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] | None = None
    pipeline: str | None = None
    """Class of a pipeline of several networks, which is taken as it is."""
    takes: str | None = None
    """What a job must say of such a pipeline: `classes`, or `class_index`."""


def read(path: Path, variant: str | None = None, key: str | None = None) -> Reading:
    """Read what stands at a local path. variant: of a folder's weights, for example `fp16`. key:
    where a file that holds several things has the network.

    Raises:
        UnsafeCheckpoint: it is damaged, more than data, or of a kind that is refused.
        CheckpointError, StorageError: it cannot be opened.
    """
    if key is not None and not key.strip("."):
        raise CheckpointError(f"{path.name}: got --key {key!r:.80}; expected the name of an entry")
    found = sniff(path)
    if key is not None and found.kind not in _KEYED:
        raise CheckpointError(
            f"{path.name}: got --key {key[:80]}, which has no effect: it is of the kind "
            f"{found.kind}; expected a pickle of torch.save or NVIDIA that holds several things"
        )
    if path.is_dir():
        return _read_folder(path, found, variant)
    if variant is not None:
        raise CheckpointError(f"{path.name}: got --variant {variant}; only folders have variants")
    return _read_file(path, found, key)


# ---- files -----------------------------------------------------------------------------


def _read_file(path: Path, found: Found, key: str | None) -> Reading:
    sha256 = sha256_of(path)
    match found.kind:
        case "nvidia-pickle":
            network = read_nvidia(path, key=key)
            config = {
                "class_name": network.class_name,
                "init_args": network.init_args,
                "init_kwargs": network.init_kwargs,
                "modules": network.attributes,
            }
            foreign = Foreign(path.name, "nvidia", network.tensors, config)
            embedded = tuple(sorted(set(network.source_sha256.values())))
            return Reading(
                found.kind, sha256, (foreign,), embedded, notes=(*found.notes, *network.notes)
            )
        case "torch-zip" | "torch-legacy":
            weights = read_torch(path, key=key)
            foreign = Foreign(path.name, "state_dict", weights.tensors)
            return Reading(found.kind, sha256, (foreign,), notes=(*found.notes, *weights.notes))
        case "safetensors":
            tensors = read_safetensors(path)
            foreign = Foreign(path.name, "safetensors", tensors, _metadata(tensors))
            return Reading(found.kind, sha256, (foreign,))
        case "onnx":
            foreign = Foreign(path.name, "onnx", {}, data=path.read_bytes())
            return Reading(found.kind, sha256, (foreign,), notes=found.notes)
        case _:
            raise _refused(path, found)


def _refused(path: Path, found: Found) -> UnsafeCheckpoint:
    why, way_out = _WHY.get(found.kind, (f"a file of the kind {found.kind}", ""))
    if found.kind == "pickle" and (named := _named(path)):
        why += f" (it names {named})"
    expected = f"one of {', '.join(READABLE)}"
    end = f"; {way_out}" if way_out else ""
    return UnsafeCheckpoint(f"{path.name}: {why}; expected {expected}{end}")


def _named(path: Path) -> str:
    """The first of the classes that a pickle names, beside those of plain values and tensors."""
    try:
        found = globals_in(read_pickle(open_blob(path)).root) - TENSOR_GLOBALS
    except UnsafeCheckpoint:
        return ""
    own = sorted(name for name in found if not name.startswith("torch."))
    return ", ".join(shown(name)[1:-1] for name in own[:_NAMES]) + (", ..." if own[_NAMES:] else "")


def _metadata(tensors: SafeTensors) -> Mapping[str, Any]:
    """A configuration that stands as JSON in the header's free texts."""
    try:
        config = json.loads(tensors.metadata.get("config", "{}"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def sha256_of(path: Path) -> str:
    """Of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


# ---- folders ---------------------------------------------------------------------------


def _read_folder(path: Path, found: Found, variant: str | None) -> Reading:
    if found.kind == "generator":
        raise CheckpointError(
            f"{path.name}: an imported folder already; name it as `checkpoint` in a job"
        )
    if found.kind == "folder":
        return _read_training(path, variant)
    scan = scan_folder(path, variant=variant, pickled=True)
    pipeline = _pipeline(path, scan)
    files = {name: file.path for name, file in scan.needed.items()}
    foreigns = () if pipeline else (_read_model(path, scan),)
    return Reading(
        scan.kind,
        _folder_sha256(files),
        foreigns,
        skipped=scan.skipped,
        notes=(*found.notes, *scan.notes),
        files=files,
        pipeline=pipeline,
        takes=_takes(pipeline),
    )


def _pipeline(path: Path, scan: FolderScan) -> str | None:
    """The class of a pipeline of several networks, which is taken as it is; None of a folder of
    one network.

    Raises:
        CheckpointError: the family diffusers hosts no such pipeline: the same is said to a job.
        UnsafeCheckpoint: its settings are refused.
    """
    if scan.kind not in ("diffusers", "parts"):
        return None
    networks = {name.rpartition("/")[0] for name in scan.needed if name.endswith("/config.json")}
    if scan.kind == "parts":
        if len(networks) > 1:
            listed = ", ".join(sorted(networks))
            raise CheckpointError(
                f"{path.name}: no model_index.json, and several networks ({listed}); expected "
                "a pipeline as save_pretrained writes it, or name one network's folder"
            )
        return None
    own = scan.classes[""][1]
    hosted = any(own in kinds.values() for kinds in PIPELINES.values())
    if not hosted and len(networks) < 2:
        return None
    check_pipeline(path, scan)
    return own


def _takes(pipeline: str | None) -> str | None:
    """What a job must say of a pipeline's classes."""
    if pipeline is None:
        return None
    return "class_index" if pipeline == "DiTPipeline" else "classes"


def _read_model(path: Path, scan: FolderScan) -> Foreign:
    """One network and its settings: `config` has what its own settings file says, the file
    of a component under the component's name, and any other under its own."""
    tensors: dict[str, np.ndarray] = {}
    config: dict[str, Any] = {}
    for name, file in scan.needed.items():
        if name.endswith(".safetensors"):
            tensors |= read_safetensors(file.path, f"{path.name}/{name}")
        elif name.endswith((".pt", ".bin")):
            tensors |= read_torch(file.path, f"{path.name}/{name}").tensors
        elif name.endswith(".json") and file.size <= _MAX_JSON:
            config |= _settings(name, _json(file.path))
    if not tensors:
        raise CheckpointError(
            f"{path.name}: settings and no weights; expected {', '.join(_WEIGHTS)} or alike beside "
            "them: fetch the folder again, whole"
        )
    return Foreign(path.name, scan.kind, tensors, config)


def _settings(name: str, found: Any) -> dict[str, Any]:
    folder, _, own = name.rpartition("/")
    if not folder and own in _OWN_SETTINGS and isinstance(found, dict):
        return found
    key = folder if own.endswith("config.json") and folder else own.removesuffix(".json")
    return {key: found}


def _json(path: Path) -> Any:
    """A settings file; one that is no JSON was noted by the scan and says nothing here."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def _read_training(path: Path, variant: str | None) -> Reading:
    """The two generators of a CycleGAN training."""
    names = {end: sorted(p for p in path.iterdir() if p.name.endswith(end)) for end in _DIRECTIONS}
    latest = [next((p for p in some if p.name.startswith("latest_")), None) or
              (some[0] if len(some) == 1 else None) for some in names.values()]  # fmt: skip
    if variant is not None or not all(latest):
        raise CheckpointError(
            f"{path.name}: a folder with none of model_index.json, config.json, "
            "model_config.json, nor both of latest_net_G_A.pth and latest_net_G_B.pth; expected "
            "one of these, or name the one file to import"
        )
    files = {p.name: p for p in latest if p is not None}
    for file in files.values():
        if file.is_symlink() or not file.is_file():
            raise UnsafeCheckpoint(
                f"{path.name}/{file.name}: not a regular file; expected the network itself"
            )
    weights = {name: read_torch(file) for name, file in files.items()}
    foreigns = tuple(Foreign(n, "state_dict", w.tensors) for n, w in weights.items())
    others = [p.name for p in sorted(path.iterdir()) if p.name not in files]
    return Reading(
        "cyclegan",
        _folder_sha256(files),
        foreigns,
        skipped=dict.fromkeys(others, "not a generator that is taken"),
        notes=tuple(note for w in weights.values() for note in w.notes),
        files=files,
    )


def _folder_sha256(files: Mapping[str, Path]) -> str:
    lines = _lines(files, sha256_of)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _lines(files: Mapping[str, Path], digest: Callable[[Path], str]) -> Iterable[str]:
    return (f"{digest(files[name])}  {name}\n" for name in sorted(files))
