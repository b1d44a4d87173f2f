"""What every generator family must do. A family's test subclasses one of four and gives `spec`:
`GeneratorContract` (it makes classes), `ImageGeneratorContract` (it makes every sample from a
source image), or, for a family with weights, `Trained...` of the two, which also want
`broken_host`: of `broken_class`, or of `broken_source`, it makes NaN.
"""

from __future__ import annotations

import dataclasses
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
from augment.seeds import class_conditioning, real_id, stream, synthetic_id
from augment.spec.generators import GeneratorSpec

ANY_CLASSES = ("no", "12:30", "a class that no checkpoint names")
"""Where a source image says what is made, names are the job's own."""
SOURCE_SIZE = (40, 56)
"""Height and width of the sources that requests bring; no usual network's own."""


def source(parent_id: str, size: tuple[int, int] = SOURCE_SIZE) -> np.ndarray:
    """(H, W, 3) uint8 of soft colours, the same for an id: a coarse grid, drawn out."""
    coarse = stream(parent_id, "test source").integers(0, 256, (5, 5, 3), dtype=np.uint8)
    height, width = size
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 5 // width
    return coarse[rows][:, columns]


def requests(
    info: GeneratorInfo,
    classes: Sequence[str],
    each: int,
    seed: int = 7,
    size: tuple[int, int] = SOURCE_SIZE,
) -> list[SampleRequest]:
    """`each` samples of every class, classes interleaved; where the generator takes an image,
    each has a source of its own, which does not depend on the seed."""

    def request(name: str, index: int) -> SampleRequest:
        key = (seed, info.identity, info.sampling_digest, class_conditioning(name), index)
        if not info.takes_image:
            return SampleRequest(synthetic_id(*key), name, index)
        parent = real_id("photos", f"{name}/{index}.png")
        return SampleRequest(synthetic_id(*key, parent), name, index, source(parent, size))

    return [request(name, index) for index in range(each) for name in classes]


def one_by_one(host: GeneratorHost, batch: Sequence[SampleRequest]) -> np.ndarray:
    return np.concatenate([host.generate([r]).images for r in batch])


class _AnyGenerator:
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
    def classes(self, info: GeneratorInfo) -> tuple[str, ...]:
        return info.classes

    @pytest.fixture
    def batch(self, info: GeneratorInfo, classes: tuple[str, ...]) -> list[SampleRequest]:
        return requests(info, classes, 4)

    @pytest.fixture
    def image_size(self, info: GeneratorInfo) -> tuple[int, int]:
        """Of the images of `batch`; a family whose images follow their source gives it."""
        return info.height, info.width

    def test_images_are_what_the_info_says(
        self, host: GeneratorHost, batch: list[SampleRequest], image_size: tuple[int, int]
    ) -> None:
        made = host.generate(batch)
        assert made.images.shape == (len(batch), host.info.channels, *image_size)
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
    def test_seeds_2_to_the_32_apart_differ_where_samples_vary(
        self, host: GeneratorHost, classes: tuple[str, ...], seed: int
    ) -> None:
        info = host.info
        low = host.generate(requests(info, classes, 2, seed)).images
        high = host.generate(requests(info, classes, 2, seed + 2**32)).images
        if info.varies:
            assert (np.abs(low - high).max(axis=(1, 2, 3)) > BATCH_TOLERANCE).all()
        else:
            assert np.array_equal(low, high)
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
        self, host: GeneratorHost, batch: list[SampleRequest], classes: tuple[str, ...]
    ) -> None:
        keys = {host.batch_key(r) for r in batch}
        assert len(keys) <= len(classes)

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
        assert there[:2] == (spec, info)
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
        planned = dataclasses.replace(info, **{what: "00" * 32})
        text = f"mine: it has changed since the job was planned: {what} is [0-9a-f]{{64}}, the plan"
        with pytest.raises(CheckpointError, match=text):
            load_host("mine", spec, planned)


class GeneratorContract(_AnyGenerator):
    """Of a family that makes the classes that its info names."""

    def test_unknown_class_is_refused(self, host: GeneratorHost) -> None:
        bad = SampleRequest("0" * 32, "no such class", 0)
        text = r"^generators\.mine: cannot make class 'no such class'; it knows \d+: '"
        with pytest.raises(RequestError, match=text):
            host.validate(bad)
        with pytest.raises(RequestError, match=text):
            host.generate([bad])


class ImageGeneratorContract(_AnyGenerator):
    """Of a family that makes every sample from a source image, whatever its class."""

    @pytest.fixture
    def classes(self) -> tuple[str, ...]:
        return ANY_CLASSES

    def test_it_takes_an_image_and_so_any_class(self, info: GeneratorInfo) -> None:
        assert info.takes_image
        assert info.classes == ()
        assert all(info.makes(name) for name in ANY_CLASSES)

    def test_a_missing_source_is_refused(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        bad = dataclasses.replace(batch[0], source=None)
        text = r"^generators\.mine: takes an image"
        with pytest.raises(RequestError, match=text):
            host.validate(bad)
        with pytest.raises(RequestError, match=text):
            host.batch_key(bad)
        with pytest.raises(RequestError, match=text):
            host.generate([batch[1], bad])

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((8, 8), np.uint8),
            np.zeros((8, 8, 4), np.uint8),
            np.zeros((8, 8, 3), np.float32),
            np.zeros((0, 8, 3), np.uint8),
        ],
        ids=["no channels", "alpha", "floats", "no pixels"],
    )
    def test_a_source_that_is_no_rgb_image_is_refused(
        self, host: GeneratorHost, batch: list[SampleRequest], wrong: np.ndarray
    ) -> None:
        bad = dataclasses.replace(batch[0], source=wrong)
        with pytest.raises(RequestError, match=r"^generators\.mine: takes an image of \(H, W, 3\)"):
            host.validate(bad)

    def test_the_source_decides_the_image_and_is_left_alone(
        self, host: GeneratorHost, batch: list[SampleRequest]
    ) -> None:
        before = [r.source.copy() for r in batch if r.source is not None]
        images = host.generate(batch).images
        assert all(np.array_equal(r.source, b) for r, b in zip(batch, before, strict=True))
        swapped = [
            dataclasses.replace(r, source=other.source)
            for r, other in zip(batch, batch[::-1], strict=True)
        ]
        moved = np.abs(host.generate(swapped).images - images).max(axis=(1, 2, 3))
        assert (moved > BATCH_TOLERANCE).all()

    def test_sources_of_two_sizes_in_one_unit(
        self, host: GeneratorHost, classes: tuple[str, ...]
    ) -> None:
        """Whatever shares a key can be made together, and comes out in one size."""
        sizes = [SOURCE_SIZE, (SOURCE_SIZE[1] * 2, SOURCE_SIZE[0] * 2)]
        unit = [r for size in sizes for r in requests(host.info, classes, 2, size=size)]
        groups: dict[object, list[SampleRequest]] = {}
        for request in unit:
            groups.setdefault(host.batch_key(request), []).append(request)
        for group in groups.values():
            together = host.generate(group).images
            assert np.abs(together - one_by_one(host, group)).max() <= BATCH_TOLERANCE


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


class TrainedImageGeneratorContract(ImageGeneratorContract):
    @pytest.fixture
    def broken_host(self) -> GeneratorHost:
        raise NotImplementedError("give a host that makes NaN of one source")

    @pytest.fixture
    def broken_source(self) -> np.ndarray:
        raise NotImplementedError("give the source, of SOURCE_SIZE, that becomes NaN")

    def test_a_row_that_is_not_finite_fails_alone(
        self, broken_host: GeneratorHost, broken_source: np.ndarray, batch: list[SampleRequest]
    ) -> None:
        bad = np.arange(len(batch)) % 3 == 1
        mixed = [
            dataclasses.replace(r, source=broken_source) if b else r
            for r, b in zip(batch, bad, strict=True)
        ]
        made = broken_host.generate(mixed)
        assert made.failed == tuple("nan" if b else None for b in bad)
        assert (made.images[bad] == 0.0).all()
        good = [r for r, b in zip(mixed, bad, strict=True) if not b]
        assert np.abs(made.images[~bad] - one_by_one(broken_host, good)).max() <= BATCH_TOLERANCE
