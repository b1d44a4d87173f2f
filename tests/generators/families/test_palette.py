from __future__ import annotations

import colorsys

import numpy as np
import pytest

from augment.errors import RequestError
from augment.generators import describe, load_host
from augment.spec.generators import PaletteGenerator
from tests.contracts.generator_contract import GeneratorContract, requests


def palette(classes: tuple[str, ...] = ("cat", "dog", "no"), **more: object) -> PaletteGenerator:
    return PaletteGenerator.model_validate(
        {"family": "palette", "classes": list(classes), "size": 16, **more}
    )


class TestPaletteContract(GeneratorContract):
    @pytest.fixture
    def spec(self) -> PaletteGenerator:
        return palette()


def test_the_hue_says_the_class() -> None:
    spec = palette(("a", "b", "c", "d"))
    info = describe("p", spec)
    batch = requests(info, info.classes, 20)
    images = (load_host("p", spec, info).generate(batch).images + 1.0) / 2.0
    for request, image in zip(batch, images, strict=True):
        hue, _, _ = colorsys.rgb_to_hsv(*image.reshape(3, -1).mean(axis=1).tolist())
        assert round(hue * 4) % 4 == info.classes.index(request.label_name)


def test_rows_are_bitwise_in_any_batch() -> None:
    spec = palette()
    host = load_host("p", spec, describe("p", spec))
    batch = requests(host.info, host.info.classes, 5)
    assert np.array_equal(host.generate(batch).images[3:5], host.generate(batch[3:5]).images)


def test_no_contrast_is_a_flat_colour() -> None:
    spec = palette(sampling={"contrast": 0.0})
    info = describe("p", spec)
    images = load_host("p", spec, info).generate(requests(info, info.classes, 2)).images
    assert images.std(axis=(2, 3)).max() < 1e-6


def test_identity_holds_what_changes_pixels_and_sampling_has_its_own() -> None:
    base = describe("p", palette())
    others = [describe("p", palette(size=17)), describe("p", palette(("dog", "cat", "no")))]
    assert len({base.identity, *(o.identity for o in others)}) == 3
    softer = describe("p", palette(sampling={"contrast": 0.5}))
    assert softer.identity == base.identity
    assert softer.sampling_digest != base.sampling_digest


def test_a_near_name_is_offered() -> None:
    spec = palette(("cat", "dog"))
    host = load_host("p", spec, describe("p", spec))
    batch = requests(host.info, ["dogs"], 1)
    with pytest.raises(RequestError, match=r"it knows 2: 'cat', 'dog'; did you mean 'dog'\?$"):
        host.validate(batch[0])
