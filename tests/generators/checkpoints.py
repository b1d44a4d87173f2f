"""Checkpoint folders of tiny random networks, for tests of families."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import save

Arrays = dict[str, np.ndarray]
TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64


def randoms(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Arrays:
    """Normal numbers of moderate size in every shape."""
    rng = np.random.default_rng(seed)
    return {key: rng.normal(0.0, 0.5, shape).astype(np.float32) for key, shape in shapes.items()}


def write(folder: Path, family: str, init: BaseModel, arrays: Arrays, **config: Any) -> str:
    """The folder, with what `config` says changed in its `generator.json`."""
    weights = save(arrays)
    base = {
        "format": "augment-generator/1",
        "family": family,
        "init": init.model_dump(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "generator.json").write_text(json.dumps({**base, **config}))
    return str(folder)
