from __future__ import annotations

from pathlib import Path

import pytest
import torch

from augment.generators.families.stylegan.ops import conv, fir, modulated, up_conv, upsampled
from augment.generators.families.stylegan.stylegan2 import Generator, convert
from augment.spec.generators import StyleGan2Generator
from tests.reference.official import agree, hosted, reference

pytestmark = pytest.mark.reference

NAMES = [
    "stylegan2_uncond_32",
    "stylegan2_cond10_32",
    "stylegan2_resnet_16_gray",
    "stylegan2_orig_16_nonoise",
    "stylegan2_clamp_16",
]


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_images_are_those_of_the_official_program(name: str, tmp_path: Path) -> None:
    given = reference(name)
    io = {key: torch.from_numpy(value) for key, value in given.io.items()}
    names = {f"class {i}": i for i in range(io["c"].shape[1])} if "c" in io else None
    job: dict[str, object] = {"label": "x"} if names is None else {"class_index": names}
    network: Generator = hosted(tmp_path, convert(given.foreign), StyleGan2Generator, **job).network
    class_B = io["c"].argmax(1) if "c" in io else torch.zeros(len(io["z"]), dtype=torch.int64)

    def ws(psi: float = 1.0, cutoff: int | None = None) -> torch.Tensor:
        return network.ws(io["z"], class_B, psi, cutoff)

    const = network.constant_noise()
    made = {
        "ws": ws(),
        "ws_psi0.7": ws(0.7),
        "ws_psi0.5_cut2": ws(0.5, 2),
        "img_const": network.synthesis(ws(), const),
        "img_none": network.synthesis(ws(), {}),
        "img_const_psi0.7": network.synthesis(ws(0.7), const),
    }
    agree(made, {key: value for key, value in io.items() if key.startswith(("img", "ws"))})


@torch.inference_mode()
def test_operations_are_those_of_the_official_program() -> None:
    io = {key: torch.from_numpy(value) for key, value in reference("stylegan2_ops").io.items()}
    x, w, styles = io["x"], io["w"], io["styles"]
    even, skewed = io["f_1331"], io["f_1234"]
    made = {
        "upsample2d_1331": upsampled(x, even),
        "downsample2d_1331": fir(x, even, down=2, pad=(1, 1, 1, 1)),
        "filter2d_1234": fir(x, skewed, pad=(2, 1, 2, 1)),
        "upfirdn_1234_up2_down1_pad2_1_gain4": fir(x, skewed, up=2, pad=(2, 1, 2, 1), gain=4.0),
        "conv3x3_up1_flipw1_f1331": conv(x, w),
        "conv3x3_up1_flipw1_f1234": conv(x, w),
        "conv3x3_up2_flipw0_f1331": up_conv(x, w, even),
        "conv3x3_up2_flipw0_f1234": up_conv(x, w, skewed),
        "modconv_up1": modulated(x, w, styles, conv),
        "modconv_up2_f1331": modulated(x, w, styles, lambda x, w: up_conv(x, w, even)),
        "modconv_1x1_nodemod": modulated(x, w[:, :, :1, :1], styles, conv, demodulate=False),
    }
    inputs = {"x", "w", "styles", "f_1331", "f_1234"}
    agree(made, {key: value for key, value in io.items() if key not in inputs})
