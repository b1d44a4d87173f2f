"""augment's own decoder in numpy beside the one in torch: the same images from another host."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import RequestError
from augment.generators import BATCH_TOLERANCE, SampleRequest, describe, load_host
from augment.generators.families.vae.host import Decoder, VaeInit, parameter_shapes
from augment.generators.families.vae.plain import PlainHost, decoded
from augment.generators.loading import opened
from augment.spec.generators import VaeGenerator

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "checkpoint"
SPEC = VaeGenerator(family="vae", checkpoint=str(DIGITS))

INITS = st.builds(
    VaeInit,
    latent=st.integers(1, 9),
    embedding=st.integers(1, 5),
    hidden=st.integers(1, 17),
    base=st.integers(1, 5),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    channels=st.integers(1, 4),
)


@settings(max_examples=40, deadline=None)
@given(init=INITS, classes=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_every_architecture_makes_the_images_of_the_network_in_torch(
    init: VaeInit, classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        for name, shape in parameter_shapes(init, classes).items()
    }
    z_BZ = rng.normal(size=(3, init.latent)).astype(np.float32)
    class_B = rng.integers(0, classes, 3)
    network = Decoder(init, {name: torch.from_numpy(a) for name, a in arrays.items()})
    expected = network(torch.from_numpy(z_BZ), torch.from_numpy(class_B)).numpy()
    found = decoded(init.base, arrays, z_BZ, class_B)
    assert found.dtype == np.float32
    assert found.shape == (3, init.channels, init.side, init.side)
    np.testing.assert_allclose(found, expected, rtol=0, atol=BATCH_TOLERANCE)


def plain(**changes: np.ndarray) -> PlainHost:
    """A host of the digits' decoder. changes: other parameters."""
    found = opened("g", SPEC, "vae", None)
    init = found.init(VaeInit)
    arrays = found.weights(parameter_shapes(init, 10), True)
    indexes = {str(k): k for k in range(10)}
    return PlainHost(describe("g", SPEC), init.base, {**arrays, **changes}, indexes, 1.0)


def requests() -> list[SampleRequest]:
    return [SampleRequest(f"{k:032x}", str(k % 10), k) for k in range(24)]


def test_a_host_makes_the_samples_that_the_one_in_torch_makes() -> None:
    """Here torch is installed, so it is what `load_host` takes."""
    other = load_host("g", SPEC, describe("g", SPEC))
    assert not isinstance(other, PlainHost)
    host = plain()
    found, expected = host.generate(requests()), other.generate(requests())
    assert found.failed == expected.failed == (None,) * 24
    np.testing.assert_allclose(found.images, expected.images, rtol=0, atol=BATCH_TOLERANCE)
    assert float(np.std(found.images)) > 0.1


def test_a_row_depends_on_no_other() -> None:
    host = plain()
    whole = host.generate(requests()).images
    for k in (0, 7, 23):
        [alone] = host.generate([requests()[k]]).images
        np.testing.assert_allclose(alone, whole[k], rtol=0, atol=BATCH_TOLERANCE)
    assert len({host.batch_key(request) for request in requests()}) == 1
    assert host.generate([]).images.shape == (0, 1, 32, 32)


def test_a_row_that_is_not_finite_fails_alone() -> None:
    embedding = plain()._parameters["embedding.weight"].copy()
    embedding[3] = np.nan
    made = plain(**{"embedding.weight": embedding}).generate(requests())
    assert [k for k, why in enumerate(made.failed) if why == "nan"] == [3, 13, 23]
    assert not made.images[3].any()


def test_a_class_that_it_does_not_know_is_refused() -> None:
    wrong = dataclasses.replace(requests()[0], label_name="ten")
    with pytest.raises(RequestError, match="ten"):
        plain().validate(wrong)
    with pytest.raises(RequestError, match="ten"):
        plain().generate([wrong])
