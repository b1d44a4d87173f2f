"""Views: the same description whatever a copy's brightness, place or size."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies import views
from augment.audit.copies.images import SIDE, reduced
from augment.audit.copies.warps import IDENTITY, moved, scaled, turned, warped
from tests.audit.copies.pictures import blotches, things

THING = reduced(things(1)).grey[0]


def test_a_description_has_no_brightness_and_no_contrast() -> None:
    grey = (reduced(blotches(1)).grey[0] // 2 + 60).astype(np.uint8)
    found = views.described(grey)
    assert found.shape == (views.SEEN**2,)
    assert found.sum() == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(views.described(grey - 50), found, atol=0.01)
    np.testing.assert_allclose(views.described(grey * 2 - 100), found, atol=0.03)


def test_a_flat_image_is_described_as_nothing() -> None:
    flat = np.full((SIDE, SIDE), 90, np.uint8)
    assert np.linalg.norm(views.described(flat)) < 1e-4
    faint = flat + np.random.default_rng(0).integers(0, 2, flat.shape, np.uint8)
    assert np.linalg.norm(views.described(faint)) < 0.2


@pytest.mark.parametrize("warp", [moved(0.2, -0.15), scaled(1.3), moved(-0.1, 0.1) @ scaled(0.8)])
def test_a_thing_settles_wherever_it_stands(warp: np.ndarray) -> None:
    other = warped(THING, warp)
    first, second = (views.described(warped(grey, views.settling(grey))) for grey in (THING, other))
    assert float(first @ second) > 0.97
    assert float(views.described(THING) @ views.described(other)) < 0.9


def test_nothing_on_its_ground_stays_where_it_is() -> None:
    np.testing.assert_array_equal(views.settling(np.full((SIDE, SIDE), 255, np.uint8)), IDENTITY)


def test_a_turned_copy_is_near_the_turned_view() -> None:
    grey = reduced(blotches(1)).grey[0]
    seen = views.framed(grey)
    assert seen.shape == (len(views.FRAMED), views.SEEN**2)
    copy = views.described(warped(grey, turned(15)))
    assert int((seen @ copy).argmax()) == 1
    assert views.settled(THING, views.settling(THING)).shape == (3, views.SEEN**2)
