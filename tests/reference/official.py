"""Outputs of the official programs, and the way from their tensors to a loaded host."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save

from augment.generators import describe, load_host
from augment.generators.foreign import Conversion, Foreign
from augment.spec.generators import GeneratorSpec

TOLERANCE = 1e-4
"""Of the references, for every `img*` and `y_*` tensor."""


@dataclass(frozen=True)
class Reference:
    """weights, io: tensors as the official program had them. config: of the weights file."""

    name: str
    weights: dict[str, np.ndarray]
    io: dict[str, np.ndarray]
    config: dict[str, Any]

    @property
    def foreign(self) -> Foreign:
        return Foreign(f"{self.name}.weights.safetensors", "safetensors", self.weights, self.config)


def agree(made: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Every expected tensor was made, within the tolerance; prints the largest error of each."""
    assert made.keys() == expected.keys()
    errors = {key: float((made[key] - expected[key]).abs().max()) for key in made}
    print({key: f"{error:.1e}" for key, error in errors.items()})
    assert max(errors.values()) <= TOLERANCE, errors


def _tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with safe_open(path, "np") as file:
        config = json.loads((file.metadata() or {}).get("config", "{}"))
        return {key: file.get_tensor(key) for key in file.keys()}, config  # noqa: SIM118


def reference(name: str) -> Reference:
    """A reference by its name; the test is skipped where there are none."""
    folder = os.environ.get("AUGMENT_REFERENCE_DIR")
    if not folder:
        pytest.skip("AUGMENT_REFERENCE_DIR is not set")
    io, _ = _tensors(Path(folder, f"{name}.io.safetensors"))
    weights = Path(folder, f"{name}.weights.safetensors")
    tensors, config = _tensors(weights) if weights.exists() else ({}, {})
    return Reference(name, tensors, io, config)


def hosted(
    folder: Path, conversion: Conversion | None, spec: Callable[..., GeneratorSpec], **job: Any
) -> Any:
    """The host of a conversion that was written as a checkpoint folder and loaded as a job
    loads it. Any: of the family that was converted."""
    assert conversion is not None
    weights = save(dict(conversion.tensors))
    config = {
        "format": "augment-generator/1",
        "family": conversion.family,
        "init": conversion.init,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "generator.json").write_text(json.dumps(config))
    made = spec(family=conversion.family, checkpoint=str(folder), **job)
    return load_host("reference", made, describe("reference", made))
