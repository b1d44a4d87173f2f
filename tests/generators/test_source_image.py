"""Sources on their way into a network: sizes, crops and pixels as the official program has
them, computed here once more."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment.errors import CheckpointError, RequestError
from augment.generators.protocol import SampleRequest
from augment.generators.source_image import Intake, Size, SourceImages, notes
from augment.spec.generator_base import Preprocess
from tests.contracts.generator_contract import source

RGB = Intake(channels=3, multiple=4, exact=False, least=5)
LUMA = dataclasses.replace(RGB, channels=1)
EIGHTHS = Intake(channels=3, multiple=8, exact=True, least=8)


def images(intake: Intake = RGB, **options: Any) -> SourceImages:
    return SourceImages("mine", Preprocess(**options), intake)


def request(size: Size, sample_id: str = "5" * 32) -> SampleRequest:
    return SampleRequest(sample_id, "any", 0, source("7" * 32, size))


def pixels(image: Image.Image) -> np.ndarray:
    """ToTensor and Normalize(0.5, 0.5)."""
    x = np.asarray(image, dtype=np.float32).reshape(image.height, image.width, -1)
    return (x.transpose(2, 0, 1) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)


def opened(r: SampleRequest) -> Image.Image:
    assert r.source is not None
    return Image.fromarray(r.source)


@pytest.mark.parametrize(
    ("options", "taken", "expected"),
    [
        ({"load_size": 32, "crop_size": 32}, (20, 50), (32, 32)),
        ({"load_size": 40, "crop_size": 32}, (20, 50), (32, 32)),
        ({"resize": "crop", "crop_size": 16}, (20, 50), (16, 16)),
        ({"resize": "scale_width", "load_size": 30, "crop_size": 8}, (41, 50), (24, 30)),
        ({"resize": "scale_width", "load_size": 30, "crop_size": 28}, (41, 50), (28, 30)),
        ({"resize": "scale_width", "load_size": 50, "crop_size": 8}, (41, 50), (41, 50)),
        ({"resize": "scale_width_and_crop", "load_size": 30, "crop_size": 8}, (41, 50), (8, 8)),
        ({"resize": "none"}, (22, 50), (24, 48)),  # 5.5 and 12.5 quarters: halves go to even
        ({"resize": "none"}, (20, 52), (20, 52)),
    ],
)
def test_size_of_the_input(options: dict[str, Any], taken: Size, expected: Size) -> None:
    made = images(**options)
    assert made.input_size(taken) == expected
    assert made.prepared([request(taken)]).shape == (1, 3, *expected)
    assert made.key(request(taken)) == (expected, None)


def test_resized_pixels_are_those_of_pillow() -> None:
    r = request((20, 50))
    found = images(load_size=32, crop_size=32).prepared([r])[0]
    assert np.array_equal(found, pixels(opened(r).resize((32, 32), Image.Resampling.BICUBIC)))


def test_grey_comes_before_the_resize() -> None:
    r = request((20, 50))
    found = images(LUMA, load_size=32, crop_size=32).prepared([r])[0]
    grey = opened(r).convert("L")
    assert np.array_equal(found, pixels(grey.resize((32, 32), Image.Resampling.BICUBIC)))


def test_a_source_of_the_right_size_is_left_as_it_is() -> None:
    r = request((20, 52))
    assert np.array_equal(images(resize="none").prepared([r])[0], pixels(opened(r)))


def test_the_crop_is_the_sample_s_own_and_noted() -> None:
    made = images(load_size=48, crop_size=32)
    batch = [request((20, 50), f"{n:032x}") for n in range(40)]
    found = [note["crop"] for note in notes(made, batch)]
    assert len({tuple(corner) for corner in found}) > 20
    assert {0 <= place <= 16 for corner in found for place in corner} == {True}
    assert notes(made, batch[7:8])[0]["crop"] == found[7]
    whole = opened(batch[7]).resize((48, 48), Image.Resampling.BICUBIC)
    top, left = found[7]
    expected = pixels(whole.crop((left, top, left + 32, top + 32)))
    assert np.array_equal(made.prepared(batch)[7], expected)


def test_what_had_to_be_rounded_is_noted() -> None:
    made = images(resize="none")
    assert notes(made, [request((20, 52))]) == ()
    assert notes(made, [request((20, 50))]) == ({"rounded": [20, 48]},)
    assert notes(images(load_size=32, crop_size=32), [request((20, 50))]) == ()


def test_images_go_back_to_the_size_of_their_source() -> None:
    made = images(load_size=32, crop_size=32, output="input_size")
    r = request((20, 50))
    assert made.key(r) == ((32, 32), (20, 50))
    x = np.linspace(-1.0, 1.0, 2 * 3 * 32 * 32, dtype=np.float32).reshape(2, 3, 32, 32)
    back = made.restored(x, [r, r])
    plane = Image.fromarray(x[1, 2]).resize((50, 20), Image.Resampling.BICUBIC)
    assert back.shape == (2, 3, 20, 50)
    assert np.array_equal(back[1, 2], np.asarray(plane))


def test_images_stay_as_they_are_where_nothing_is_to_be_done() -> None:
    x = np.zeros((1, 3, 32, 32), np.float32)
    assert images(load_size=32, crop_size=32).restored(x, [request((20, 50))]) is x
    same = images(resize="none", output="input_size")
    assert same.restored(x, [request((32, 32))]) is x


@pytest.mark.parametrize(
    ("options", "varies"),
    [
        ({}, False),
        ({"load_size": 286}, True),
        ({"resize": "crop"}, True),
        ({"resize": "scale_width"}, False),
        ({"resize": "scale_width_and_crop"}, True),
        ({"resize": "none"}, False),
    ],
)
def test_only_crops_vary(options: dict[str, Any], varies: bool) -> None:
    assert images(**options).varies is varies


# ---- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("intake", "options", "taken", "text"),
    [
        (
            RGB,
            {"resize": "crop", "crop_size": 32},
            (40, 20),
            "is 40 x 20 (height x width), smaller than preprocess.crop_size 32; expected larger "
            "sources, or resize: resize_and_crop",
        ),
        (
            EIGHTHS,
            {"resize": "scale_width", "load_size": 16, "crop_size": 8},
            (30, 40),
            "is 30 x 40 (height x width), and resize: scale_width makes it 12 x 16 (height x "
            "width); the network takes multiples of 8; expected resize: resize_and_crop, or none",
        ),
        (
            RGB,
            {"resize": "none"},
            (1, 40),
            "is 1 x 40 (height x width), and resize: none makes it 0 x 40 (height x width); the "
            "network takes sides of at least 5",
        ),
        (
            RGB,
            {"resize": "scale_width", "load_size": 8192},
            (100, 10),
            "is 100 x 10 (height x width), and resize: scale_width makes it 81920 x 8192 (height "
            "x width); the network takes at most 67108864 pixels",
        ),
    ],
)
def test_a_source_that_does_not_fit(
    intake: Intake, options: dict[str, Any], taken: Size, text: str
) -> None:
    with pytest.raises(RequestError) as caught:
        images(intake, **options).validate(request(taken))
    assert str(caught.value) == f"generators.mine: the source of sample {'5' * 32} {text}"


@pytest.mark.parametrize(
    ("intake", "options", "text"),
    [
        (
            EIGHTHS,
            {"load_size": 36, "crop_size": 36},
            "crop_size: got 36; expected a multiple of 8, which is all that the network takes",
        ),
        (
            EIGHTHS,
            {"resize": "scale_width", "load_size": 30},
            "load_size: got 30; expected a multiple of 8, which is all that the network takes",
        ),
        (
            RGB,
            {"resize": "crop", "crop_size": 4},
            "crop_size: got 4; expected at least 5, the least that the network takes",
        ),
    ],
)
def test_a_size_that_the_network_does_not_take(
    intake: Intake, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        images(intake, **options).check()
    assert str(caught.value) == f"generators.mine.preprocess.{text}"


def test_texts_about_the_source_itself() -> None:
    bad = SampleRequest("5" * 32, "any", 0)
    with pytest.raises(RequestError) as caught:
        images().validate(bad)
    assert str(caught.value) == (
        f"generators.mine: takes an image, and sample {'5' * 32} has none; expected a source for "
        "every sample: name the images under `input` of the rule that uses it"
    )
    grey = dataclasses.replace(bad, source=np.zeros((8, 9), np.uint8))
    with pytest.raises(RequestError) as caught:
        images().validate(grey)
    assert str(caught.value) == (
        f"generators.mine: takes an image of (H, W, 3) uint8, and sample {'5' * 32} has one of "
        "(8, 9) uint8"
    )
