"""A family whose library is not installed says which extra to install, and only when it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from augment.generators import describe
from augment.spec.generators import OnnxGenerator, VaeGenerator
from tests.generators import onnx_graphs
from tests.generators.families import test_vae_kl

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"
_PROGRAM = """
import json, sys
library, family, folder, more = sys.argv[1:]
sys.modules[library] = None  # as Python does for a module that cannot be imported
from pydantic import TypeAdapter
from augment.errors import CheckpointError
from augment.generators import describe, load_host
from augment.spec.generators import GeneratorSpec
raw = {"family": family, "checkpoint": folder, **json.loads(more)}
spec = TypeAdapter(GeneratorSpec).validate_python(raw)
try:
    load_host("g", spec, describe("g", spec))
except CheckpointError as error:
    print(error)
"""


def said_without(library: str, spec: OnnxGenerator | VaeGenerator) -> str:
    more = spec.model_dump(mode="json", include={"label", "sampling"}, exclude_unset=True)
    words = [library, spec.family, spec.checkpoint, json.dumps(more)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("library", ["onnxruntime", "diffusers"])
def test_a_missing_library_names_the_extra(library: str, tmp_path: Path) -> None:
    if library == "onnxruntime":
        spec: OnnxGenerator | VaeGenerator = onnx_graphs.write(
            tmp_path, onnx_graphs.plain(), label="x"
        )
        expected = (
            "family onnx needs onnxruntime, which is not installed; install augment-vision[onnx]"
        )
    else:
        spec = test_vae_kl.write(tmp_path)
        expected = (
            "an AutoencoderKL needs diffusers, which is not installed; install "
            "augment-vision[diffusers]"
        )
    assert describe("g", spec).family == spec.family
    assert said_without(library, spec) == f"generators.g: {expected}"


def test_a_missing_torch_names_the_extra(tmp_path: Path) -> None:
    """But for augment's own decoder, which has another way (families/test_vae_plain.py)."""
    spec = VaeGenerator(family="vae", checkpoint=str(DIGITS), sampling={"precision": "bf16"})
    assert said_without("torch", spec) == (
        "generators.g: family vae needs torch, which is not installed; install "
        "augment-vision[torch]"
    )
