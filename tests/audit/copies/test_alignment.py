"""Alignment: the warp that made a copy is found again, and nothing breaks where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies.alignment import (
    FINE,
    LEAST_OVERLAP,
    Side,
    aligned,
    correlation,
    scales,
)
from augment.audit.copies.candidates import Start
from augment.audit.copies.images import SIDE, reduced
from augment.audit.copies.planted import elastic
from augment.audit.copies.warps import IDENTITY, MIRROR, displaced, moved, scaled, turned, warped
from tests.audit.copies.pictures import blotches

IMAGES = blotches(6, height=64, width=64)
PROTECTED = reduced(IMAGES)
ALL = np.ones((SIDE, SIDE), bool)


@pytest.mark.parametrize(
    "warp",
    [IDENTITY, moved(0.15, -0.1), turned(12), moved(0.1, 0.05) @ scaled(0.85),
     turned(-8) @ MIRROR],
)  # fmt: skip
def test_the_warp_of_a_copy_is_found(warp: np.ndarray) -> None:
    copy = Side.of(warped(PROTECTED.grey[2], warp))
    near = MIRROR if np.linalg.det(warp[:2, :2]) < 0 else IDENTITY
    (found,) = aligned(copy, [Start(2, near)], PROTECTED)
    assert found.protected == 2
    np.testing.assert_allclose(found.warp, warp, atol=0.01)
    assert correlation(copy.soft, found.soft, found.inside) > 0.99
    assert found.inside.mean() >= LEAST_OVERLAP


def test_what_comes_from_outside_does_not_count() -> None:
    copy = Side.of(warped(PROTECTED.grey[0], moved(0.4, 0.0)))
    (found,) = aligned(copy, [Start(0, moved(0.35, 0.0))], PROTECTED)
    assert not found.inside[:, -11:].any()  # a fifth of the side, and the outermost pixels
    assert found.inside[5:-5, 5:-16].all()


def test_the_best_come_first_and_are_few() -> None:
    starts = [Start(row, IDENTITY) for row in (5, 4, 3, 2, 1, 0)]
    found = aligned(Side.of(PROTECTED.grey[3]), starts, PROTECTED)
    assert len(found) == FINE
    assert found[0].protected == 3


def test_the_better_of_two_starts_is_kept() -> None:
    starts = [Start(1, turned(170)), Start(1, IDENTITY), Start(1, scaled(1.5))]
    (found,) = aligned(Side.of(PROTECTED.grey[1]), starts, PROTECTED)
    np.testing.assert_allclose(found.warp, IDENTITY, atol=0.01)


def test_too_little_overlap_is_none() -> None:
    flat = reduced([np.full((9, 9, 3), 7, np.uint8)])
    assert aligned(Side.of(flat.grey[0]), [Start(0, moved(1.5, 0.0))], flat) == []
    assert aligned(Side.of(flat.grey[0]), [], flat) == []


def test_flat_images_are_alike_in_nothing() -> None:
    flat = reduced([np.full((9, 9, 3), 7, np.uint8)])
    (found,) = aligned(Side.of(flat.grey[0]), [Start(0, IDENTITY)], flat)
    np.testing.assert_array_equal(found.warp, IDENTITY)
    assert correlation(found.soft, found.soft, found.inside) == 0
    assert np.isfinite(found.flow).all()


def test_the_flow_takes_an_elastic_change_away() -> None:
    copy = Side.of(reduced([elastic(IMAGES[4], np.random.default_rng(0))]).grey[0])
    (found,) = aligned(copy, [Start(4, IDENTITY)], PROTECTED)
    before = correlation(copy.soft, found.soft, found.inside)
    after = correlation(copy.soft, displaced(found.soft, found.flow), found.inside)
    assert 1 - after < (1 - before) / 2


def test_correlation_is_the_usual_one_where_there_is_contrast() -> None:
    a, b = (PROTECTED.grey[row].astype(np.float32) for row in (0, 1))
    assert correlation(a, b, ALL) == pytest.approx(
        np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=0.01
    )
    assert correlation(a, a * 0.5 + 9, ALL) == pytest.approx(1, abs=0.03)
    assert correlation(a / 1000, a / 1000, ALL) < 0.01


def test_scales_are_the_least_and_the_greatest() -> None:
    warp = turned(30) @ np.diag([0.7, 1.2, 1.0]) @ turned(-80)
    assert scales(warp) == pytest.approx((0.7, 1.2))
