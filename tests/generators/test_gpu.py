"""Every family on a CUDA device, by the questions of benchmarks/gpu.py: `pytest -m gpu`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from augment.generators.catalog import FAMILIES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]
ROOT = Path(__file__).parents[2]


def test_every_family_keeps_its_contract_and_makes_the_images_of_the_cpu() -> None:
    words = [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--section", "contract", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row for row in rows if row["verdict"].startswith(("FAILED", "not measured"))] == []
    assert {row["name"] for row in rows} == {family.name for family in FAMILIES}
