"""Warps: the same move whatever the size, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies.warps import (
    IDENTITY,
    MIRROR,
    displaced,
    moved,
    off_pixels,
    on_pixels,
    scaled,
    smooth_field,
    turned,
    warped,
)


def dot(height: int, width: int, y: int, x: int) -> np.ndarray:
    image = np.zeros((height, width), np.uint8)
    image[y, x] = 255
    return image


def at(image: np.ndarray) -> tuple[int, int]:
    y, x = np.unravel_index(image.argmax(), image.shape)
    return int(y), int(x)


@pytest.mark.parametrize("warp", [IDENTITY, MIRROR, moved(0.3, -0.1) @ turned(20) @ scaled(0.7)])
def test_pixels_and_back(warp: np.ndarray) -> None:
    matrix = on_pixels(warp, (20, 30), (50, 40))
    np.testing.assert_allclose(off_pixels(matrix, (20, 30), (50, 40)), warp, atol=1e-12)


def test_corners_are_the_edges_of_the_square() -> None:
    """(-1, -1) is half a pixel before the first centre, in images of any size."""
    matrix = on_pixels(IDENTITY, (10, 20), (5, 40))
    np.testing.assert_allclose(matrix @ [-0.5, -0.5, 1], [-0.5, -0.5])
    np.testing.assert_allclose(matrix @ [19.5, 9.5, 1], [39.5, 4.5])


def test_a_warp_says_where_a_pixel_is_taken_from() -> None:
    image = dot(20, 40, 10, 10)
    assert at(warped(image, moved(0.5, 0.0))) == (10, 0)
    assert at(warped(image, moved(0.0, -0.5))) == (15, 10)
    assert at(warped(image, MIRROR)) == (10, 29)


def test_a_turn_keeps_lengths_in_images_that_are_not_square() -> None:
    matrix = on_pixels(turned(30, 20, 60), (20, 60), (20, 60))[:, :2]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrix[0, 0], np.cos(np.pi / 6))


def test_the_edge_is_repeated_outside() -> None:
    image = np.tile(np.arange(10, dtype=np.uint8), (4, 1))
    assert (warped(image, moved(1.0, 0.0))[:, 5:] == 9).all()


def test_fields_are_smooth_bounded_and_seeded() -> None:
    field = smooth_field(30, 40, 5.0, 2.0, np.random.default_rng(1))
    assert field.shape == (30, 40, 2)
    assert np.hypot(field[..., 0], field[..., 1]).max() == pytest.approx(2.0, abs=1e-5)
    assert np.abs(np.diff(field, axis=0)).max() < 0.7
    again = smooth_field(30, 40, 5.0, 2.0, np.random.default_rng(1))
    np.testing.assert_array_equal(field, again)


def test_a_field_says_how_far_away_a_pixel_is_taken_from() -> None:
    field = np.zeros((20, 20, 2), np.float32)
    image = dot(20, 20, 10, 10)
    np.testing.assert_array_equal(displaced(image, field), image)
    field[..., 0] = 3
    assert at(displaced(image, field)) == (10, 7)
