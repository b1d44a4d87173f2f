"""Tiny image translators with random weights, for tests of the families that host them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from augment.generators.foreign import Conversion
from augment.generators.translation import TranslatorInit, all_shapes

Arrays = dict[str, np.ndarray]


def arrays(init: TranslatorInit, seed: int = 0) -> Arrays:
    """Random tensors of a checkpoint; variances and blurs are what such tensors can be."""
    rng = np.random.default_rng(seed)
    found = {}
    for key, shape in all_shapes(init).items():
        if key.endswith("running_var"):
            found[key] = rng.uniform(0.5, 2.0, shape).astype(np.float32)
        elif key.endswith("filt"):
            found[key] = blur(shape)
        else:
            found[key] = rng.normal(0.0, 0.2, shape).astype(np.float32)
    return found


def blur(shape: tuple[int, ...]) -> np.ndarray:
    """The filters that CUT stores: of a halving 3 x 3, of a doubling 4 x 4 and four times."""
    taps = np.array([1, 2, 1] if shape[-1] == 3 else [1, 3, 3, 1], dtype=np.float32)
    plane = np.outer(taps, taps) / taps.sum() ** 2 * (1 if shape[-1] == 3 else 4)
    return np.broadcast_to(plane, shape).astype(np.float32)


def written(folder: Path, conversion: Conversion, **config: Any) -> str:
    """The checkpoint folder of a conversion."""
    weights = save({k: np.ascontiguousarray(v) for k, v in conversion.tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    base = {
        "format": "augment-generator/1",
        "family": conversion.family,
        "init": conversion.init,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps({**base, **config}))
    return str(folder)
