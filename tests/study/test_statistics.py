"""Intervals hold as often as they say, and say nothing where too little is known."""

from __future__ import annotations

import numpy as np
import pytest

from augment.study.statistics import estimate, weights_of

LABELS = np.repeat(np.arange(4), (40, 40, 30, 10))
CLASSES = 4


def differences(
    rng: np.random.Generator, effect: float, draws: int, seeds: int, of_draw: float, of_image: float
) -> np.ndarray:
    """(D, R, N): differences of two arms whose chance is that of draws, trainings and images."""
    values = effect + of_draw * rng.standard_normal((draws, 1, 1))
    values = values + 0.02 * rng.standard_normal((draws, seeds, 1))
    values = values + of_image * rng.standard_normal((1, 1, len(LABELS)))
    return np.asarray(values + 0.3 * rng.standard_normal((draws, seeds, len(LABELS))))


@pytest.mark.parametrize(
    ("of_draw", "of_image"), [(0.0, 0.0), (0.0, 0.2), (0.03, 0.0), (0.03, 0.2)]
)
def test_where_nothing_differs_the_interval_holds_it(of_draw: float, of_image: float) -> None:
    """Of 400 studies without an effect at most 8 % say that there is one."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        found = estimate(differences(rng, 0.0, 3, 5, of_draw, of_image), LABELS, CLASSES, 1, -1.0)
        assert found.interval is not None
        wrong += not found.interval.low <= 0.0 <= found.interval.high
    assert wrong <= 32


def test_an_effect_is_seen() -> None:
    rng = np.random.default_rng(6)
    found = estimate(differences(rng, 0.1, 3, 5, 0.0, 0.1), LABELS, CLASSES, 8, -1.0)
    assert found.interval is not None
    assert 0.0 < found.interval.low < 0.1 < found.interval.high
    assert (found.n, found.draws) == (15, 3)


def test_images_are_no_less_chance_for_more_trainings() -> None:
    """All trainings have the same test images."""
    rng = np.random.default_rng(7)
    few, many = (
        estimate(differences(rng, 0.0, draws, 5, 0.0, 0.4), LABELS, CLASSES, 1, -1.0).interval
        for draws in (3, 60)
    )
    assert few is not None
    assert many is not None
    assert many.high - many.low > 0.6 * (few.high - few.low)


def test_draws_that_differ_widen_it() -> None:
    values = np.zeros((3, 5, len(LABELS)))
    values += np.random.default_rng(1).standard_normal(values.shape) * 0.01
    alike = estimate(values, LABELS, CLASSES, 1, -1.0).interval
    values += np.array([-0.1, 0.0, 0.1])[:, None, None]
    apart = estimate(values, LABELS, CLASSES, 1, -1.0).interval
    assert alike is not None
    assert apart is not None
    assert apart.high > 0.2 > 0.05 > alike.high


def test_more_comparisons_widen_it() -> None:
    values = differences(np.random.default_rng(2), 0.0, 3, 5, 0.0, 0.1)
    one, ten = (estimate(values, LABELS, CLASSES, n, -1.0).interval for n in (1, 10))
    assert one is not None
    assert ten is not None
    assert ten.low < one.low < one.high < ten.high


def test_classes_count_evenly() -> None:
    weights = weights_of(LABELS, CLASSES)
    assert weights.sum() == pytest.approx(1.0)
    right = (LABELS == 3).astype(float)[None, None].repeat(3, axis=1)
    assert estimate(right, LABELS, CLASSES).value == pytest.approx(0.25)


def test_two_pairs_say_nothing() -> None:
    found = estimate(np.zeros((1, 2, len(LABELS))), LABELS, CLASSES)
    assert (found.interval, found.why) == (None, "n < 3")


def test_single_test_images_say_nothing_of_images() -> None:
    labels = np.arange(4)
    found = estimate(np.zeros((3, 5, 4)), labels, CLASSES)
    assert (found.interval, found.why) == (None, "no class has 2 test images")


def test_images_that_all_agree_do_not_prove_that_the_next_will() -> None:
    """Of 120 right ones a rule of three says 1 - 3 / 120 at least."""
    ones = estimate(np.ones((3, 5, len(LABELS))), LABELS, CLASSES)
    assert ones.interval is not None
    assert ones.interval.high == 1.0
    assert 0.96 < ones.interval.low < 0.99
    same = estimate(np.zeros((3, 5, len(LABELS))), LABELS, CLASSES, 1, -1.0)
    assert same.interval is not None
    assert -0.04 < same.interval.low < -0.01
    assert same.interval.high == -same.interval.low


def test_nothing_leaves_its_range() -> None:
    rng = np.random.default_rng(3)
    wide = estimate((rng.random((2, 2, len(LABELS))) > 0.02).astype(float), LABELS, CLASSES, 500)
    assert wide.interval is not None
    assert 0.0 <= wide.interval.low < wide.interval.high == 1.0
