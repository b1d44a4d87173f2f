"""The projection: what a small change moves counts for less than what tells images apart."""

from __future__ import annotations

import numpy as np

from augment.audit.copies import projection, views
from augment.audit.copies.images import reduced
from augment.audit.copies.warps import moved, turned, warped
from tests.audit.copies.pictures import blotches, things


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_it_brings_copies_nearer_than_the_pixels_do() -> None:
    """Things on a ground that all share."""
    grey = reduced(things(60)).grey
    project = projection.learned(grey[:30], views.described, rng())
    changed = [warped(one, moved(0.06, -0.05) @ turned(4)) for one in grey[30:]]
    plain, asked = (np.stack([views.described(g) for g in some]) for some in (grey[30:], changed))

    def margin(a: np.ndarray, b: np.ndarray) -> float:
        alike = a @ b.T
        own = np.diag(alike).copy()
        np.fill_diagonal(alike, -1)
        return float(((1 - alike.max(axis=1)) / (1 - own)).mean())

    assert margin(project(plain), project(asked)) > 2 * margin(plain, asked)


def test_directions_have_length_one_and_are_seeded() -> None:
    grey = reduced(blotches(12)).grey
    project, again = (projection.learned(grey, views.described, rng()) for _ in range(2))
    seen = project(np.stack([views.described(one) for one in grey]))
    assert seen.shape == (12, projection.DIMENSIONS)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(project.axes, again.axes)
    assert not project(project.mean).any()


def test_one_image_and_flat_ones_are_enough_for_some_projection() -> None:
    for images in (blotches(1), [np.full((8, 8, 3), 9, np.uint8)] * 3):
        grey = reduced(images).grey
        project = projection.learned(grey, views.described, rng())
        assert np.isfinite(project(views.described(grey[0]))).all()
