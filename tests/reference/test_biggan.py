from __future__ import annotations

from pathlib import Path

import pytest
import torch

from augment.generators.families.biggan import convert
from augment.spec.generators import BigGanGenerator
from tests.reference.official import agree, hosted, reference

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("truncation", [1.0, 0.5, 0.33])
@torch.inference_mode()
def test_images_are_those_of_the_official_program(truncation: float, tmp_path: Path) -> None:
    given = reference("biggan_deep_hf_16")
    io = {key: torch.from_numpy(value) for key, value in given.io.items()}
    job = {
        "class_index": {f"class {i}": i for i in range(10)},
        "sampling": {"truncation": truncation},
    }
    network = hosted(tmp_path, convert(given.foreign), BigGanGenerator, **job).network
    made = network(io["c"].argmax(1), {"z": io["z"] * truncation})
    key = f"img_trunc{truncation}"
    agree({key: made}, {key: io[key]})
