"""The vae family on a CUDA device: `pytest -m gpu`, on a machine that has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augment.generators import GeneratorHost, Placement, describe, load_host
from augment.spec.generators import VaeGenerator
from tests.contracts.generator_contract import requests

pytestmark = pytest.mark.gpu

CHECKPOINT = Path(__file__).parents[3] / "examples" / "digits" / "checkpoint"


def host(device: str) -> GeneratorHost:
    spec = VaeGenerator(family="vae", checkpoint=str(CHECKPOINT))
    return load_host("digits", spec, describe("digits", spec), placement=Placement(device))


def test_a_gpu_gives_the_samples_of_the_cpu() -> None:
    on_cpu, on_gpu = host("cpu"), host("cuda")
    batch = requests(on_cpu.info, on_cpu.info.classes, 6)
    assert np.abs(on_gpu.generate(batch).images - on_cpu.generate(batch).images).max() <= 1e-3


def test_a_batch_of_many_equals_batches_of_one() -> None:
    on_gpu = host("cuda")
    batch = requests(on_gpu.info, on_gpu.info.classes, 2)
    whole = on_gpu.generate(batch).images
    alone = np.concatenate([on_gpu.generate([request]).images for request in batch])
    assert np.abs(whole - alone).max() <= 1e-4
