from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from augment.errors import CheckpointError
from augment.generators.families.translation.resnet_i2i import ResnetInit, convert
from augment.generators.foreign import Foreign
from tests.contracts.generator_contract import SOURCE_SIZE
from tests.generators.golden import assert_golden
from tests.generators.translators import (
    TranslatorContract,
    arrays,
    foreign,
    resnet,
    spec_of,
    unet,
)


class TestInstanceNorm(TranslatorContract):
    init = resnet()


class TestBatchNormWithDropout(TranslatorContract):
    init = resnet(norm="batch", dropout=True, output_nc=1)
    options: ClassVar = {
        "sampling": {"norm_mode": "per_sample", "dropout": "seeded"},
        "preprocess": {"resize": "scale_width", "load_size": 20, "crop_size": 8},
    }

    @pytest.fixture
    def image_size(self) -> tuple[int, int]:
        return 16, 20  # of a source of 40 x 56: 14 x 20, and the next multiples of 4


class TestAntialiasedAndRounded(TranslatorContract):
    init = resnet(antialias_down=True, antialias_up=True)
    options: ClassVar = {"preprocess": {"resize": "none", "output": "input_size"}}

    @pytest.fixture
    def image_size(self) -> tuple[int, int]:
        return SOURCE_SIZE


VARIANTS = {
    "instance": resnet(),
    "batch": resnet(norm="batch"),
    "no norm": resnet(norm="none"),
    "dropout": resnet(norm="batch", dropout=True),
    "antialias": resnet(antialias_down=True, antialias_up=True),
    "antialias_down": resnet(antialias_down=True),
    "antialias_up": resnet(antialias_up=True, norm="batch", dropout=True, input_nc=1),
    "one block": resnet(n_blocks=1, ngf=5, output_nc=1),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pixels_are_the_golden_ones(tmp_path: Path, variant: str) -> None:
    init = VARIANTS[variant]
    sampling = {"dropout": "seeded", "norm_mode": "per_sample"} if init.dropout else {}
    assert_golden(f"resnet_i2i {variant}", spec_of(tmp_path, init, sampling=sampling))


# ---- from the official program -------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_architecture_is_inferred(variant: str) -> None:
    init = VARIANTS[variant]
    conversion = convert(foreign(init))
    assert conversion is not None
    assert ResnetInit.model_validate(conversion.init) == init
    assert conversion.num_classes == 0
    for key, value in arrays(init).items():
        assert np.array_equal(conversion.tensors[key], value)
    assert conversion.quirks[0].startswith(
        f"inferred from names and shapes: input_nc {init.input_nc}, output_nc {init.output_nc}, "
        f"ngf {init.ngf}, norm {init.norm}, dropout {init.dropout}, n_blocks {init.n_blocks}, "
    )


def test_names_are_the_official_ones() -> None:
    assert list(resnet(n_blocks=1).shapes().items()) == [
        ("model.1.weight", (2, 3, 7, 7)),
        ("model.1.bias", (2,)),
        ("model.4.weight", (4, 2, 3, 3)),
        ("model.4.bias", (4,)),
        ("model.7.weight", (8, 4, 3, 3)),
        ("model.7.bias", (8,)),
        ("model.10.conv_block.1.weight", (8, 8, 3, 3)),
        ("model.10.conv_block.1.bias", (8,)),
        ("model.10.conv_block.5.weight", (8, 8, 3, 3)),
        ("model.10.conv_block.5.bias", (8,)),
        ("model.11.weight", (8, 4, 3, 3)),
        ("model.11.bias", (4,)),
        ("model.14.weight", (4, 2, 3, 3)),
        ("model.14.bias", (2,)),
        ("model.18.weight", (3, 2, 7, 7)),
        ("model.18.bias", (3,)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        foreign(unet()),
        Foreign("x", "state_dict", {}),
        Foreign("x", "state_dict", {"model.1.weight": np.zeros((2, 3, 7, 7))}),
        Foreign("x", "diffusers", arrays(resnet())),
    ],
    ids=["unet", "nothing", "a stem alone", "another format"],
)
def test_what_is_none_of_this_family(other: Foreign) -> None:
    assert convert(other) is None


def refused(tensors: dict[str, np.ndarray], text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(Foreign("net.pth", "state_dict", tensors))
    assert str(caught.value) == f"net.pth: a generator of resnet_i2i by its names{text}"


def test_tensors_that_do_not_fit() -> None:
    tensors = arrays(resnet())
    tensors["mlp.0.weight"] = tensors.pop("model.4.bias")
    tensors["model.12.conv_block.5.weight"] = tensors["model.12.conv_block.5.weight"][:, :4]
    refused(
        tensors,
        " (input_nc 3, output_nc 3, ngf 2, norm instance, dropout False, n_blocks 3, "
        "antialias_down False, antialias_up False), but its tensors are not those of one (missing: "
        "model.4.bias; unknown: mlp.0.weight; wrong shape: model.12.conv_block.5.weight "
        "[8, 4, 3, 3] (expected [8, 8, 3, 3])); expected the state dict of an unchanged official "
        "network: export one, or host the network as custom code",
    )


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 5])
def test_a_last_layer_that_is_none(shape: tuple[int, ...]) -> None:
    given = foreign(resnet())
    last = max(given.tensors, key=lambda key: int(key.split(".")[1]) if key.endswith("t") else 0)
    odd = Foreign("x", "state_dict", {**given.tensors, last: np.zeros(shape, np.float32)})
    with pytest.raises(CheckpointError, match=r"^x: "):
        convert(odd)


def test_channels_that_no_source_has() -> None:
    tensors = arrays(resnet())
    tensors["model.1.weight"] = np.zeros((2, 4, 7, 7), np.float32)
    refused(tensors, ", but input_nc: Input should be 1 or 3, got 4")


def test_another_padding_moves_the_parts_of_a_block() -> None:
    """Zero padding is no layer, so the second convolution stands elsewhere."""
    tensors = {
        key.replace("conv_block.5", "conv_block.4"): v for key, v in arrays(resnet()).items()
    }
    with pytest.raises(CheckpointError, match=r"missing: model\.10\.conv_block\.5\.bias"):
        convert(Foreign("net.pth", "state_dict", tensors))
