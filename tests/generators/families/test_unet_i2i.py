from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from augment.errors import CheckpointError
from augment.generators.families.translation.unet_i2i import UnetInit, convert
from augment.generators.foreign import Foreign
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
    init = unet(num_downs=5)


class TestBatchNormWithDropout(TranslatorContract):
    init = unet(norm="batch", dropout=True, input_nc=1)
    options: ClassVar = {"sampling": {"norm_mode": "per_sample", "dropout": "seeded"}}


class TestCropped(TranslatorContract):
    init = unet(norm="batch", dropout=True, num_downs=5)
    options: ClassVar = {"preprocess": {"load_size": 300, "crop_size": 32}}


VARIANTS = {
    "instance": unet(),
    "batch": unet(norm="batch"),
    "no norm": unet(norm="none"),
    "dropout": unet(norm="batch", dropout=True),
    "shallow": unet(num_downs=5, ngf=3, output_nc=1),
    "deep": unet(num_downs=7, ngf=1, norm="batch", dropout=True, input_nc=1),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pixels_are_the_golden_ones(tmp_path: Path, variant: str) -> None:
    init = VARIANTS[variant]
    sampling = {"dropout": "seeded", "norm_mode": "per_sample"} if init.dropout else {}
    preprocess = {"load_size": 128, "crop_size": 128}
    spec = spec_of(tmp_path, init, sampling=sampling, preprocess=preprocess)
    assert_golden(f"unet_i2i {variant}", spec)


# ---- from the official program -------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_architecture_is_inferred(variant: str) -> None:
    init = VARIANTS[variant]
    conversion = convert(foreign(init, config={"use_dropout": init.dropout}))
    assert conversion is not None
    assert UnetInit.model_validate(conversion.init) == init
    assert conversion.num_classes == 0
    for key, value in arrays(init).items():
        assert np.array_equal(conversion.tensors[key], value)
    assert conversion.quirks == (
        f"inferred from names and shapes: input_nc {init.input_nc}, output_nc {init.output_nc}, "
        f"ngf {init.ngf}, norm {init.norm}, dropout {init.dropout}, num_downs {init.num_downs}",
    )


@pytest.mark.parametrize(("norm", "dropout"), [("batch", True), ("instance", False)])
def test_dropout_that_nothing_tells_is_the_official_default(norm: Any, dropout: bool) -> None:
    conversion = convert(foreign(unet(norm=norm)))
    assert conversion is not None
    assert conversion.init["dropout"] is dropout
    assert conversion.quirks[1] == (
        f"dropout taken as {'there' if dropout else 'not there'}, the official default beside "
        f"norm {norm}: a U-Net's tensors do not say"
    )


def test_names_are_the_official_ones() -> None:
    """Of the outermost, a middle and the innermost level."""
    shapes = unet(num_downs=5, norm="batch").shapes()
    inner = "model.model.1.model.3.model.3.model.3.model."
    assert {k: v for k, v in shapes.items() if k.startswith(inner)} == {
        f"{inner}1.weight": (16, 16, 4, 4),
        f"{inner}3.weight": (16, 16, 4, 4),
        f"{inner}4.weight": (16,),
        f"{inner}4.bias": (16,),
        f"{inner}4.running_mean": (16,),
        f"{inner}4.running_var": (16,),
    }
    assert shapes["model.model.0.weight"] == (2, 3, 4, 4)
    assert shapes["model.model.3.weight"] == (4, 3, 4, 4)
    assert shapes["model.model.3.bias"] == (3,)
    assert shapes["model.model.1.model.1.weight"] == (4, 2, 4, 4)
    assert shapes["model.model.1.model.5.weight"] == (8, 2, 4, 4)
    assert "model.model.0.bias" not in shapes


def test_dropout_stands_where_the_official_network_has_it() -> None:
    inner = "model.model.1.model.3.model.3.model.3.model."
    assert unet(num_downs=7, dropout=True).dropped((256, 128)) == {
        f"{inner}7": (16, 16, 8),
        f"{inner}3.model.7": (16, 8, 4),
    }


@pytest.mark.parametrize(
    "other",
    [
        foreign(resnet()),
        Foreign("x", "state_dict", {}),
        Foreign("x", "diffusers", arrays(unet())),
    ],
    ids=["resnet", "nothing", "another format"],
)
def test_what_is_none_of_this_family(other: Foreign) -> None:
    assert convert(other) is None


def test_a_network_that_is_too_shallow() -> None:
    tensors = {k: v for k, v in arrays(unet()).items() if ".3.model.3.model.3" not in k}
    with pytest.raises(CheckpointError) as caught:
        convert(Foreign("net.pth", "safetensors", tensors))
    assert str(caught.value) == (
        "net.pth: a generator of unet_i2i by its names, but num_downs: Input should be greater "
        "than or equal to 5, got 4"
    )


def test_tensors_that_do_not_fit() -> None:
    tensors = arrays(unet(num_downs=5))
    tensors["attention.weight"] = tensors.pop("model.model.1.model.1.bias")
    with pytest.raises(CheckpointError) as caught:
        convert(Foreign("net.pth", "state_dict", tensors))
    assert str(caught.value) == (
        "net.pth: a generator of unet_i2i by its names (input_nc 3, output_nc 3, ngf 2, norm "
        "instance, dropout False, num_downs 5), but its tensors are not those of one (missing: "
        "model.model.1.model.1.bias; unknown: attention.weight); expected the state dict of an "
        "unchanged official network: export one, or host the network as custom code"
    )
