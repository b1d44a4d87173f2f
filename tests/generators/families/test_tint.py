"""The fake among the families that take an image keeps the contract of those that are trained."""

from __future__ import annotations

import numpy as np
import pytest

from augment.generators import describe, load_host
from augment.spec.generators import TintGenerator
from tests.contracts.generator_contract import ImageGeneratorContract, requests


def tint(**more: object) -> TintGenerator:
    return TintGenerator.model_validate({"family": "tint", **more})


class TestTintContract(ImageGeneratorContract):
    @pytest.fixture
    def spec(self) -> TintGenerator:
        return tint(size=16)


def test_without_a_size_an_image_is_as_large_as_its_source() -> None:
    spec = tint()
    info = describe("t", spec)
    host = load_host("t", spec, info)
    for size in ((8, 12), (5, 3)):
        batch = requests(info, ("any",), 2, size=size)
        assert {host.batch_key(request) for request in batch} == {size}
        assert host.generate(batch).images.shape == (2, 3, *size)


def test_little_strength_is_nearly_the_source_itself() -> None:
    spec = tint(sampling={"strength": 1e-6})
    info = describe("t", spec)
    batch = requests(info, ("any",), 2)
    images = load_host("t", spec, info).generate(batch).images
    for request, image in zip(batch, images, strict=True):
        assert request.source is not None
        shown = (image.transpose(1, 2, 0) + 1.0) * 127.5
        assert np.abs(shown - request.source).max() < 1e-2


def test_identity_holds_the_size_and_sampling_has_its_own() -> None:
    base, sized = describe("t", tint()), describe("t", tint(size=17))
    assert base.identity != sized.identity
    softer = describe("t", tint(sampling={"strength": 0.1}))
    assert softer.identity == base.identity
    assert softer.sampling_digest != base.sampling_digest
