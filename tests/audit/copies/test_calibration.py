"""Thresholds: from real images alone, with what they can promise, and none from too few."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies import Calibration, NotCalibrated, Threshold, Twin
from augment.audit.copies.calibration import (
    NOWHERE,
    calibrated,
    least_n,
    shown_rate,
    threshold,
)


def scored(scores: np.ndarray) -> list[Twin]:
    return [Twin(row, 100 + row, float(score)) for row, score in enumerate(scores)]


@pytest.mark.parametrize(("n", "j"), [(200, 1), (398, 1), (399, 2), (1000, 5)])
def test_the_threshold_is_a_score_of_a_real_image(n: int, j: int) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    found = threshold(scored(scores), 0.005)
    assert isinstance(found, Threshold)
    assert found.n == n
    assert found.score == np.sort(scores)[-j]
    assert (scores > found.score).sum() == j - 1
    assert [twin.holdout for twin in found.twins] == np.argsort(-scores)[:j].tolist()


def test_another_real_image_is_above_it_as_rarely_as_asked() -> None:
    rng, above = np.random.default_rng(0), []
    for _ in range(400):
        found = threshold(scored(rng.normal(size=59)), 0.05)
        assert isinstance(found, Threshold)
        above.append((rng.normal(size=400) > found.score).mean())
    assert np.mean(above) == pytest.approx(3 / 60, abs=0.004)
    assert np.mean(above) < 0.054


def test_the_bound_is_what_so_few_images_can_show() -> None:
    small, large = (threshold(scored(np.arange(n)), 0.005) for n in (200, 10_000))
    assert isinstance(small, Threshold)
    assert isinstance(large, Threshold)
    assert small.upper == pytest.approx(0.01487, abs=1e-5)  # 1 - 0.05 ** (1 / 200)
    assert 0.005 < large.upper < 0.0065


def test_what_chance_explains_is_the_greatest_bound() -> None:
    overall, own = (threshold(scored(np.arange(n)), 0.005) for n in (1000, 200))
    assert isinstance(overall, Threshold)
    assert isinstance(own, Threshold)
    assert Calibration(0.005, overall).most == overall.upper < own.upper
    assert Calibration(0.005, overall, {"a": own}).most == own.upper
    assert Calibration(0.005, NotCalibrated("few", 3)).most == 0


def test_from_too_few_there_is_none() -> None:
    assert least_n(0.005) == 200
    found = threshold(scored(np.arange(199)), 0.005)
    assert found == NotCalibrated("not calibrated: n_holdout < 200", 199)
    assert not Calibration(0.005, found).is_copy(1e9)
    assert Calibration(0.005, found).margin(1e9) is None
    assert calibrated(scored(np.arange(199)), None, 0.005).margins == ()


def test_so_few_show_a_looser_rate() -> None:
    assert shown_rate(200, 0.005, 0.05) == 0.005
    for n in range(20, 200):
        rate = shown_rate(n, 0.005, 0.05)
        assert rate == pytest.approx(max(0.005, 1 / n))
        found = threshold(scored(np.arange(n)), rate)
        assert isinstance(found, Threshold)
        assert found.score == n - 1
    for n in (0, 1, 19):
        assert shown_rate(n, 0.005, 0.05) == 0.05
    assert shown_rate(30, 0.005, 0.005) == 0.005


def test_classes_with_enough_have_their_own() -> None:
    scores = np.concatenate([np.arange(40), np.arange(1000, 1010)])
    labels = ["often"] * 40 + ["rare"] * 10
    found = calibrated(scored(scores), labels, 0.05)
    assert list(found.by_class) == ["often"]
    assert found.of("often") == found.by_class["often"]
    assert found.of("rare") == found.of(None) == found.of("never seen") == found.overall
    assert found.is_copy(500, "often")
    assert len(found.margins) == 50
    assert found.margins[0] == 0 - found.of("often").score  # type: ignore[union-attr]
    assert found.margins[49] == 1009 - found.overall.score  # type: ignore[union-attr]
    assert found.margin(NOWHERE, "often") is None
    assert not found.is_copy(500, "rare")
    assert not found.is_copy(500)


def test_equal_scores_are_not_above_the_threshold() -> None:
    found = calibrated(scored(np.zeros(30)), None, 0.05, [(3, 4)])
    assert not found.is_copy(0.0)
    assert found.is_copy(1e-9)
    assert found.equal == ((3, 4),)


@pytest.mark.parametrize("n", [200, 398, 399, 450])
def test_the_least_rate_says_what_the_threshold_of_any_rate_says(n: int) -> None:
    rng = np.random.default_rng(n)
    scores = rng.normal(size=n).round(1)  # with ties
    labels = ["often"] * 200 + ["rare"] * (n - 200)
    usual = calibrated(scored(scores), labels, 0.005)
    for score in [*rng.normal(1.5, size=40).round(1), *np.sort(scores)[-4:], 9.0]:
        for rate in (0.005, 0.01, 0.02):
            asked = calibrated(scored(scores), None, rate)
            assert asked.is_copy(score) == (usual.held.least_rate(score) <= rate)
        for label in ("often", "rare"):
            least = usual.held.least_rate(score, label)
            assert usual.is_copy(score, label) == (least <= 0.005)


def test_a_class_has_a_rate_of_its_own_from_two_hundred_images_on() -> None:
    scores = np.concatenate([np.arange(200), np.arange(1000, 1600)])
    held = calibrated(scored(scores), ["low"] * 200 + ["high"] * 600, 0.005).held
    assert held.least_rate(150, "low") == 51 / 201
    assert held.least_rate(500, "low") == 1 / 201  # above all of its class, below all others
    assert held.least_rate(2000, "low") == 1 / 801  # what a stricter rate asks of all images
    assert held.least_rate(500) == held.least_rate(500, "never seen") == 601 / 801
    fewer = calibrated(scored(scores[1:]), ["low"] * 199 + ["high"] * 600, 0.005).held
    assert fewer.least_rate(500, "low") == 601 / 800
