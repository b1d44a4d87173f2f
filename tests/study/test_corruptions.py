"""Each corruption does what it is called, worse with severity, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from augment.study.corruptions import CORRUPTIONS, corrupted, parameter
from tests.audit.conftest import DIGITS

GREY = (DIGITS.images[0] * 15).astype(np.uint8).repeat(4, 0).repeat(4, 1)
IMAGE = np.stack([GREY, GREY // 2 + 20, 255 - GREY], axis=2)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_it_changes_more_with_severity_and_is_repeatable(kind: str) -> None:
    changed = []
    for severity in range(1, 6):
        found = corrupted(IMAGE, kind, severity, "row")
        assert (found.shape, found.dtype) == (IMAGE.shape, np.uint8)
        np.testing.assert_array_equal(found, corrupted(IMAGE, kind, severity, "row"))
        changed.append(float(np.abs(found.astype(float) - IMAGE).mean()))
    assert changed[0] > 0
    assert changed[4] > changed[0]


@pytest.mark.parametrize("kind", ["gaussian_noise", "shot_noise", "impulse_noise"])
def test_rows_have_noise_of_their_own(kind: str) -> None:
    assert (corrupted(IMAGE, kind, 3, "a") != corrupted(IMAGE, kind, 3, "b")).any()


def test_parameters_are_the_published_ones_for_the_size() -> None:
    """CIFAR-10-C at 32 px, Tiny ImageNet-C at 64 px, ImageNet-C above."""
    assert [parameter("gaussian_noise", 5, side) for side in (32, 64, 224)] == [0.10, 0.18, 0.38]
    assert [parameter("jpeg", 1, side) for side in (32, 64, 224)] == [80, 65, 25]


def test_the_noise_has_the_deviation_that_is_said() -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    assert corrupted(flat, "gaussian_noise", 3, "x").std() == pytest.approx(0.12 * 255, rel=0.05)
    odd = corrupted(flat, "impulse_noise", 5, "x")
    assert np.isin(odd, (0, 255)).mean() == pytest.approx(0.14, abs=0.02)
    assert set(np.unique(odd)) == {0, 128, 255}


def test_brightness_raises_the_value_and_keeps_the_hue() -> None:
    import cv2

    found = corrupted(IMAGE, "brightness", 3, "x")
    before, after = (cv2.cvtColor(x, cv2.COLOR_RGB2HSV_FULL).astype(int) for x in (IMAGE, found))
    raised = np.minimum(before[..., 2] + round(0.15 * 255), 255)
    assert np.abs(after[..., 2] - raised).max() <= 1
    coloured = (before[..., 1] > 60) & (before[..., 2] > 60)
    assert np.abs(after[..., 0] - before[..., 0])[coloured].max() <= 6


def test_contrast_keeps_the_mean() -> None:
    found = corrupted(IMAGE, "contrast", 4, "x")
    np.testing.assert_allclose(found.mean((0, 1)), IMAGE.mean((0, 1)), atol=1.0)
    assert (found.std((0, 1)) < 0.35 * IMAGE.std((0, 1))).all()


def test_other_severities_are_none() -> None:
    with pytest.raises(IndexError, match="severity: got 0; expected 1 to 5"):
        corrupted(IMAGE, "jpeg", 0, "x")
