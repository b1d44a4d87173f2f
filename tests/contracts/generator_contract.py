"""What every generator family must do. A family's test subclasses `GeneratorContract` and
gives `spec`; a family with weights subclasses `TrainedGeneratorContract` and also gives
`broken_host`, whose class `broken_class` comes out as NaN.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence

import numpy as np
import pytest

from augment.errors import CheckpointError, RequestError
from augment.generators import (
    BATCH_TOLERANCE,
    GeneratorHost,
    GeneratorInfo,
    SampleRequest,
    describe,
    load_host,
    universe,
)
from augment.seeds import class_conditioning, synthetic_id
from augment.spec.generators import GeneratorSpec


def requests(
    info: GeneratorInfo, classes: Sequence[str], each: int, seed: int = 7
) -> list[SampleRequest]:
    """`each` samples of every class, classes interleaved."""

    def request(name: str, index: int) -> SampleRequest:
        key = (seed, info.identity, info.sampling_digest, class_conditioning(name), index)
        return SampleRequest(synthetic_id(*key), name, index)

    return [request(name, index) for index in range(each) for name in classes]


def one_by_one(host: GeneratorHost, batch: Sequence[SampleRequest]) -> np.ndarray:
    return np.concatenate([host.generate([r]).images for r in batch])


class GeneratorContract:
    @pytest.fixture
    def spec(self) -> GeneratorSpec:
        raise NotImplementedError("give the family's spec")

    @pytest.fixture
    def info(self, spec: GeneratorSpec) -> GeneratorInfo:
        return describe("mine", spec)

    @pytest.fixture
    def host(self, spec: GeneratorSpec, info: GeneratorInfo) -> GeneratorHost:
        return load_host("mine", spec, info)

    @pytest.fixture
    def batch(self, info: GeneratorInfo) -> list[SampleRequest]:
        return requests(info, info.classes, 4)

    def test_images_are_what_the_info_says(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        info = host.info
        made = host.generate(batch)
        assert made.images.shape == (len(batch), info.channels, info.height, info.width)
        assert made.images.dtype == np.float32
        assert made.images.min() >= -1.0
        assert made.images.max() <= 1.0
        assert made.failed == (None,) * len(batch)

    def test_empty_batch(self, host: GeneratorHost) -> None:
        info = host.info
        made = host.generate([])
        assert made.images.shape == (0, info.channels, info.height, info.width)
        assert made.failed == ()

    def test_same_ids_same_pixels_whatever_the_global_state(
        self, spec: GeneratorSpec, info: GeneratorInfo, batch: list[SampleRequest]
    ) -> None:
        first = load_host("mine", spec, info).generate(batch).images
        random.seed(1)
        np.random.seed(1)
        again = load_host("mine", spec, info).generate(batch).images
        assert np.array_equal(first, again)

    def test_global_random_numbers_are_left_alone(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        before = np.random.get_state(legacy=False), random.getstate()
        host.generate(batch)
        after = np.random.get_state(legacy=False), random.getstate()
        assert pickle.dumps(before) == pickle.dumps(after)

    def test_every_sample_differs(self, host: GeneratorHost, batch: list[SampleRequest]) -> None:
        images = host.generate(batch).images
        assert len({image.tobytes() for image in images}) == len(batch)

    @pytest.mark.parametrize("seed", [0, 7, 2**31])
    def test_seeds_2_to_the_32_apart_differ(self, host: GeneratorHost, seed: int) -> None:
        info = host.info
        low = host.generate(requests(info, info.classes, 2, seed)).images
        high = host.generate(requests(info, info.classes, 2, seed + 2**32)).images
        assert (np.abs(low - high).max(axis=(1, 2, 3)) > BATCH_TOLERANCE).all()
        assert universe(seed, info) != universe(seed + 2**32, info)

    def test_a_batch_of_n_equals_n_of_one(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        together = host.generate(batch).images
        assert np.abs(together - one_by_one(host, batch)).max() <= BATCH_TOLERANCE

    def test_order_does_not_matter(self, host: GeneratorHost, batch: list[SampleRequest]) -> None:
        forward = host.generate(batch).images
        backward = host.generate(batch[::-1]).images[::-1]
        assert np.abs(forward - backward).max() <= BATCH_TOLERANCE

    def test_rows_with_an_equal_key_share_a_batch(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        keys = {host.batch_key(r) for r in batch}
        assert len(keys) <= len(host.info.classes)

    def test_unknown_class_is_refused(self, host: GeneratorHost) -> None:
        bad = SampleRequest("0" * 32, "no such class", 0)
        text = r"^generators\.mine: cannot make class 'no such class'; it knows \d+: '"
        with pytest.raises(RequestError, match=text):
            host.validate(bad)
        with pytest.raises(RequestError, match=text):
            host.generate([bad])

    def test_known_classes_are_accepted(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        for request in batch:
            host.validate(request)

    def test_survives_pickling(
        self, spec: GeneratorSpec, info: GeneratorInfo, batch: list[SampleRequest]
    ) -> None:
        """What travels to a worker is spec, info and requests; the host is loaded there."""
        there = pickle.loads(pickle.dumps((spec, info, batch)))
        assert there == (spec, info, batch)
        here = load_host("mine", spec, info).generate(batch).images
        assert np.array_equal(load_host("mine", there[0], there[1]).generate(there[2]).images, here)

    def test_facts_are_stable(self, spec: GeneratorSpec, info: GeneratorInfo) -> None:
        assert describe("mine", spec) == info
        assert describe("other", spec).identity == info.identity
        for text in (info.identity, info.sampling_digest, universe(7, info)):
            assert len(bytes.fromhex(text)) == 32

    @pytest.mark.parametrize("what", ["identity", "sampling_digest"])
    def test_what_changed_since_the_plan_is_refused(
        self, spec: GeneratorSpec, info: GeneratorInfo, what: str
    ) -> None:
        import dataclasses

        planned = dataclasses.replace(info, **{what: "00" * 32})
        text = f"mine: it has changed since the job was planned: {what} is [0-9a-f]{{64}}, the plan"
        with pytest.raises(CheckpointError, match=text):
            load_host("mine", spec, planned)


class TrainedGeneratorContract(GeneratorContract):
    @pytest.fixture
    def broken_host(self) -> GeneratorHost:
        raise NotImplementedError("give a host of at least two classes")

    @pytest.fixture
    def broken_class(self) -> str:
        raise NotImplementedError("give the class of broken_host that comes out as NaN")

    def test_a_row_that_is_not_finite_fails_alone(
        self, broken_host: GeneratorHost, broken_class: str
    ) -> None:
        batch = requests(broken_host.info, broken_host.info.classes, 3)
        bad = np.array([r.label_name == broken_class for r in batch])
        made = broken_host.generate(batch)
        assert made.failed == tuple("nan" if b else None for b in bad)
        assert (made.images[bad] == 0.0).all()
        good = [r for r in batch if r.label_name != broken_class]
        assert np.abs(made.images[~bad] - one_by_one(broken_host, good)).max() <= BATCH_TOLERANCE
