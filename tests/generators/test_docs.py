"""What docs/generators.md shows is what works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from augment.generators import SampleRequest, describe, load_host
from augment.generators.importing import ImportRequest, import_checkpoint
from augment.seeds import normals
from augment.spec.generators import OnnxGenerator

DOCS = Path(__file__).parents[2] / "docs" / "generators.md"


@pytest.mark.filterwarnings("ignore")
def test_a_network_is_exported_as_the_docs_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes the images that it made before."""
    section = DOCS.read_text().split("\n## onnx\n")[1].split("\n## ")[0]
    (lines,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(8, 4, 4, 1, 0), torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 3, 4, 2, 1), torch.nn.Tanh(),
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    exec(lines, {"network": network, "latent_shape": (8, 1, 1)})
    import_checkpoint(ImportRequest("model.onnx", "out"))
    spec = OnnxGenerator(family="onnx", checkpoint="out", label="any")
    host = load_host("m", spec, describe("m", spec))
    made = host.generate([SampleRequest(f"{n:032x}", "any", n) for n in range(3)]).images
    z = normals([f"{n:032x}" for n in range(3)], "z", 8).astype(np.float32).reshape(3, 8, 1, 1)
    expected = network(torch.from_numpy(z)).detach().numpy()
    assert np.abs(made - expected).max() < 1e-5
