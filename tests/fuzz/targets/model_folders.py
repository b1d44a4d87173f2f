"""A model folder one of whose files, chosen by the first byte, is somebody's: scanned, and
described as a job's generator."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from augment.checkpoints.sniff import sniff
from augment.errors import CheckpointError
from augment.generators.families.diffusers.folder import read_facts
from augment.spec.generators import DiffusersGenerator

WEIGHTS = save({"a.weight": np.ones((4, 4), np.float32), "b": np.ones(3, np.float32)})
INDEX = {"weight_map": {"a.weight": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
DIT = {
    "_class_name": "DiTPipeline", "transformer": ["diffusers", "DiTTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "DDIMScheduler"],
    "id2label": {"0": "tench"},
}  # fmt: skip
FILES: Mapping[str, bytes] = {
    "model_index.json": json.dumps(DIT).encode(),
    "scheduler/scheduler_config.json": b'{"num_train_timesteps": 1000, "trained_betas": [0.1]}',
    "transformer/config.json": json.dumps(
        {
            "_class_name": "DiTTransformer2DModel",
            "num_layers": 2,
            "num_embeds_ada_norm": 10,
            "sample_size": 8,
            "patch_size": 2,
        }
    ).encode(),
    "transformer/diffusion_pytorch_model.safetensors": WEIGHTS,
    "transformer/diffusion_pytorch_model.safetensors.index.json": json.dumps(INDEX).encode(),
    "vae/config.json": b'{"_class_name": "AutoencoderKL", "block_out_channels": [4, 8]}',
    "vae/diffusion_pytorch_model.safetensors": WEIGHTS,
}
TOKENS = (b'"auto_map":{}', b"[null,null]", b'["diffusers","VQModel"]', b'"_class_name":[]',
          b'"weight_map":{"a":5}', b"../x.safetensors", b"\\u202e", b"[[[[",
          b'"sample_size":null', b'"sample_size":[8]', b'"block_out_channels":4',
          b'"patch_size":1', b'"num_embeds_ada_norm":null')  # fmt: skip
_FOLDER = tempfile.TemporaryDirectory(prefix="augment-fuzz-")
_PLACE = Path(_FOLDER.name)
_SPEC = DiffusersGenerator.model_validate({
    "family": "diffusers", "checkpoint": _FOLDER.name, "class_index": {"cat": 0},
    "sampling": {"call": {"guidance_scale": 1.0}},
})  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    for name, data in FILES.items():
        _put(name, data)
    return {name: bytes([n]) + data for n, (name, data) in enumerate(FILES.items())}


def one(data: bytes) -> None:
    chosen = list(FILES)[data[0] % len(FILES)] if data else "model_index.json"
    _put(chosen, data[1:])
    sniff(_PLACE)
    with contextlib.suppress(CheckpointError):
        read_facts("x", _SPEC)
    _put(chosen, FILES[chosen])


def _put(name: str, data: bytes) -> None:
    """The list of shards stands there only where it is the file in question: with it, the whole
    weights would be passed over."""
    path = _PLACE / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    if data is FILES[name] and "index.json" in name:
        path.unlink()
