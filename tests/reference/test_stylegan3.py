from __future__ import annotations

from pathlib import Path

import pytest
import torch

from augment.generators.families.stylegan.stylegan3 import Generator, convert
from augment.spec.generators import StyleGan3Generator
from tests.reference.official import agree, hosted, reference

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("name", ["stylegan3t_cond4_32", "stylegan3r_uncond_32"])
@torch.inference_mode()
def test_images_are_those_of_the_official_program(name: str, tmp_path: Path) -> None:
    given = reference(name)
    io = {key: torch.from_numpy(value) for key, value in given.io.items()}
    names = {f"class {i}": i for i in range(io["c"].shape[1])} if "c" in io else None
    job: dict[str, object] = {"label": "x"} if names is None else {"class_index": names}
    network: Generator = hosted(tmp_path, convert(given.foreign), StyleGan3Generator, **job).network
    class_B = io["c"].argmax(1) if "c" in io else torch.zeros(len(io["z"]), dtype=torch.int64)
    ws, near = network.ws(io["z"], class_B), network.ws(io["z"], class_B, 0.7)
    made = {
        "ws": ws,
        "ws_psi0.7": near,
        "img": torch.cat([network.synthesis(row[None]) for row in ws]),
        "img_batched": network.synthesis(ws),
        "img_psi0.7": network.synthesis(near),
    }
    agree(made, {key: value for key, value in io.items() if key.startswith(("img", "ws"))})
