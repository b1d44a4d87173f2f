"""Planted copies: each kind does what its parameters say, to images of any size."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies import KINDS, planted
from augment.audit.copies.planted import BIAS, CROP, DEGREES, ELASTIC_MOST, GAIN, NOISE, SHIFT
from tests.audit.copies.pictures import blotches


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dotted(side: int, *dots: tuple[int, int]) -> np.ndarray:
    """Black, with white squares of 3 px around the dots (y, x)."""
    image = np.zeros((side, side, 3), np.uint8)
    for y, x in dots:
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def centre(image: np.ndarray) -> np.ndarray:
    """(y, x) of what is light."""
    weight = image[..., 0].astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (5, 90), (40, 48)])
def test_every_kind_keeps_the_size_and_is_seeded(kind: str, size: tuple[int, int]) -> None:
    image = blotches(1, height=40, width=90)[0][: size[0], : size[1]]
    before = image.copy()
    made = KINDS[kind](image, rng(3))
    assert (made.shape, made.dtype) == (image.shape, np.uint8)
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(made, KINDS[kind](image, rng(3)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "exact"])
def test_every_kind_but_one_changes_pixels(kind: str) -> None:
    image = blotches(1)[0]
    assert (KINDS[kind](image, rng()) != image).any()
    np.testing.assert_array_equal(planted.exact(image, rng()), image)


def test_noise_has_its_deviation() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert planted.noisy(grey, rng()).std() == pytest.approx(NOISE, rel=0.02)


def test_jpeg_keeps_the_order_of_channels() -> None:
    image = np.full((16, 16, 3), (200, 100, 30), np.uint8)
    assert np.abs(planted.jpeg(image, rng()).astype(int) - image).max() <= 4


def test_flipped_is_the_mirror_image() -> None:
    image = blotches(1)[0]
    np.testing.assert_array_equal(planted.flipped(image, rng())[:, ::-1], image)


@pytest.mark.parametrize("seed", range(6))
def test_a_shift_is_within_its_bounds_on_both_axes(seed: int) -> None:
    image = dotted(200, (100, 100))
    off = np.abs(centre(planted.shifted(image, rng(seed))) - 100) / 200
    assert ((off > SHIFT[0] - 0.002) & (off < SHIFT[1] + 0.002)).all()


def test_shifts_go_every_way() -> None:
    image = dotted(200, (100, 100))
    ways = {tuple(np.sign(centre(planted.shifted(image, rng(seed))) - 100)) for seed in range(40)}
    assert ways == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


@pytest.mark.parametrize("seed", range(4))
def test_a_crop_enlarges_a_window_inside_the_image(seed: int) -> None:
    apart = [centre(planted.cropped(dotted(200, one), rng(seed))) for one in ((90, 90), (110, 110))]
    np.testing.assert_allclose(apart[1] - apart[0], 20 / CROP, atol=0.5)
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 200, 3))
    seen = planted.cropped(ramp, rng(seed))[:, 0, 0].astype(int)
    assert seen[-1] - seen[0] == pytest.approx(200 * CROP - 1, abs=2)


@pytest.mark.parametrize("seed", range(4))
def test_a_turn_is_around_the_centre(seed: int) -> None:
    y, x = centre(planted.rotated(dotted(201, (100, 180)), rng(seed))) - 100
    assert np.hypot(x, y) == pytest.approx(80, abs=0.5)
    assert abs(np.degrees(np.arctan2(y, x))) == pytest.approx(DEGREES, abs=0.5)


def test_colours_get_a_gain_and_a_bias_a_channel() -> None:
    ramp = np.tile(np.arange(60, 160, dtype=np.uint8)[:, None, None], (1, 4, 3))
    made = planted.recoloured(ramp, rng(2))[:, 0].astype(float)
    gains = [np.polyfit(np.arange(60, 160), made[:, c], 1) for c in range(3)]
    assert all(GAIN[0] - 0.01 < gain < GAIN[1] + 0.01 for gain, _ in gains)
    assert all(abs(bias) < BIAS + 1 for _, bias in gains)
    assert len({round(gain, 2) for gain, _ in gains}) == 3


def test_an_elastic_change_moves_nothing_far() -> None:
    far = [np.abs(centre(planted.elastic(dotted(200, (80, 120)), rng(seed))) - (80, 120)).max()
           for seed in range(6)]  # fmt: skip
    assert max(far) < 200 * ELASTIC_MOST + 1
    assert max(far) > 1
