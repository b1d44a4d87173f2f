"""From a folder to the facts of its family; what a folder must hold: test_checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from augment.errors import CheckpointError
from augment.generators.loading import Opened, checkpoint_info, class_info, opened
from augment.sample import DigitalSourceType
from augment.seeds import digest
from augment.spec.generator_base import ClassConditional
from tests.generators.checkpoints import write


class Init(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int
    depth: int = 2


class Sampling(BaseModel):
    model_config = ConfigDict(extra="forbid")

    psi: float = 0.5


SHAPES = {"w": (2, 3)}


def found(folder: Path, spec: dict[str, Any] | None = None, **config: Any) -> Opened:
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    path = write(folder, "toy", Init(width=4), arrays, **config)
    return opened(
        "g", ClassConditional.model_validate({"checkpoint": path} | (spec or {})), "toy", None
    )


def test_a_folder_is_read_in_steps(tmp_path: Path) -> None:
    folder = found(tmp_path)
    assert folder.init(Init) == Init(width=4, depth=2)
    assert folder.weights(SHAPES)["w"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert folder.weights(SHAPES, keep=False) == {}


def test_what_is_refused_names_the_place(tmp_path: Path) -> None:
    folder = found(tmp_path, {"sha256": "0" * 64})
    with pytest.raises(CheckpointError, match=r"generators\.g: generator\.json: init\.width: "):
        folder.init(Sampling)
    with pytest.raises(CheckpointError, match="the job says 0000"):
        folder.weights(SHAPES)
    with pytest.raises(CheckpointError, match="family is 'toy', the job says 'other'"):
        opened("g", folder.spec, "other", None)


def test_a_folder_is_opened_for_its_own_kind_of_weights(tmp_path: Path) -> None:
    spec = ClassConditional(checkpoint=str(tmp_path))
    with pytest.raises(CheckpointError, match=r"a folder with generator\.json and model\.onnx"):
        opened("g", spec, "toy", None, "model.onnx")


def test_the_identity_is_what_decides_pixels(tmp_path: Path) -> None:
    folder = found(tmp_path)
    weights = hashlib.sha256((tmp_path / "weights.safetensors").read_bytes()).hexdigest()
    info = checkpoint_info(
        folder, 3, pixels={"init": {"width": 4}}, sampling={"noise": 1}, shape=(1, 16, 32)
    )
    identity = {"family": "toy", "version": 3, "weights": weights, "init": {"width": 4}}
    assert info.identity == digest(identity)
    assert info.sampling_digest == digest({"family": "toy", "noise": 1})
    assert (info.name, info.family, info.checkpoint_sha256) == ("g", "toy", weights)
    assert (info.channels, info.height, info.width) == (1, 16, 32)
    assert (info.classes, info.takes_image, info.takes_mask, info.varies) == (
        (),
        False,
        False,
        True,
    )
    assert info.digital_source_type == DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value


def test_a_translator_says_that_it_takes_an_image(tmp_path: Path) -> None:
    kind = DigitalSourceType.COMPOSITE_WITH_TRAINED
    info = checkpoint_info(
        found(tmp_path), 1, pixels={}, sampling={}, shape=(3, 8, 8),
        kind=kind, takes_image=True, varies=False,
    )  # fmt: skip
    assert (info.takes_image, info.varies, info.digital_source_type) == (True, False, kind.value)


def test_classes_are_part_of_what_decides_pixels(tmp_path: Path) -> None:
    folder = found(tmp_path)
    info = class_info(folder, 1, {"width": 4}, Sampling(), (3, 8, 8), {"cat": 1, "dog": 0})
    assert info.classes == ("cat", "dog")
    assert info.sampling_digest == digest({"family": "toy", "sampling": {"psi": 0.5}})
    pixels = {"init": {"width": 4}, "classes": {"cat": 1, "dog": 0}}
    same = checkpoint_info(folder, 1, pixels=pixels, sampling={}, shape=(3, 8, 8))
    assert info.identity == same.identity


@pytest.mark.parametrize(
    ("job", "config", "expected"),
    [("MIT", "CC0-1.0", "MIT"), (None, "CC0-1.0", "CC0-1.0"), (None, None, None)],
)
def test_the_jobs_license_comes_before_the_checkpoints(
    tmp_path: Path, job: str | None, config: str | None, expected: str | None
) -> None:
    folder = found(tmp_path, {"license": job}, license=config)
    info = checkpoint_info(folder, 1, pixels={}, sampling={}, shape=(3, 8, 8))
    assert info.license == expected
