"""Evidence: every number says what its name says."""

from __future__ import annotations

import numpy as np

from augment.audit.copies.alignment import Side, aligned
from augment.audit.copies.candidates import Start
from augment.audit.copies.evidence import NAMES, evidence
from augment.audit.copies.images import Image, reduced
from augment.audit.copies.warps import IDENTITY, scaled, warped
from tests.audit.copies.pictures import blotches

IMAGES = blotches(3, height=64, width=64)


def of(query: Image, protected: Image, warp: np.ndarray = IDENTITY) -> dict[str, float]:
    asked, base = reduced([query]), reduced([protected])
    side = Side.of(asked.grey[0])
    (pair,) = aligned(side, [Start(0, warp)], base)
    found = evidence(side, asked.colour[0], Side.of(base.grey[0]), base.colour[0], pair)
    assert found.shape == (len(NAMES),)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    return dict(zip(NAMES, found.tolist(), strict=True))


def test_an_image_beside_itself() -> None:
    same, other = of(IMAGES[0], IMAGES[0]), of(IMAGES[0], IMAGES[1])
    assert same["alike"] > 2.5 > 1.5 > other["alike"]
    assert same["detail"] > other["detail"]
    assert same["overlap"] > 0.9
    assert same["gain"] < 0.01
    assert same["offset"] < 0.01
    assert same["residual"] < other["residual"]
    assert abs(same["contrast"] - other["contrast"]) < 0.1  # of the same query


def test_colours_have_a_gain_and_an_offset() -> None:
    soft = (IMAGES[0] // 2 + 40).astype(np.uint8)
    found = of((soft * 1.5).astype(np.uint8), soft)
    assert abs(found["gain"] - np.log(1.5)) < 0.05
    assert abs(found["offset"] - 0.5 * soft.reshape(-1, 3).mean(axis=0).max() / 255) < 0.02


def test_channels_that_trade_places_disagree() -> None:
    found = of(np.ascontiguousarray(IMAGES[0][..., [1, 2, 0]]), IMAGES[0])
    assert found["colour_least"] < 1 < of(IMAGES[0], IMAGES[0])["colour_least"]


def test_the_scales_of_the_warp_are_told() -> None:
    found = of(warped(IMAGES[0], scaled(0.8)), IMAGES[0], scaled(0.85))
    np.testing.assert_allclose(
        [found["stretched_least"], found["stretched_most"]], np.log(0.8), atol=0.02
    )


def test_flat_images_have_numbers_too() -> None:
    black, white = (np.full((5, 9, 3), level, np.uint8) for level in (0, 255))
    found = of(black, white)
    assert found["offset"] == 1.0
    assert found["alike"] == 0
