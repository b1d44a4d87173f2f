"""Intervals and references: seeded, of the promised n, and right as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.measures import (
    Figure,
    Interval,
    Measured,
    Moments,
    NotComputed,
    Place,
    Reference,
    bootstrap,
    frechet,
    manifold,
    reference,
    where,
    with_interval,
)
from tests.audit.measures.sets import pair


def shift(real: np.ndarray, made: np.ndarray) -> Measured:
    return Figure("shift", float(made.mean() - real.mean()), len(made), len(real))


def fd(real: np.ndarray, made: np.ndarray) -> Measured:
    return frechet(Moments.of(real), Moments.of(made))


# ---- references --------------------------------------------------------------------------


def test_a_reference_is_of_disjoint_halves_of_n() -> None:
    seen = []

    def looked(a: np.ndarray, b: np.ndarray) -> Measured:
        seen.append((a[:, 0].tolist(), b[:, 0].tolist()))
        return shift(a, b)

    real = np.arange(100.0)[:, None]
    found = reference(real, 30, looked, 20, 1)
    assert isinstance(found, Reference)
    assert (found.measure, found.n, len(found.halves), found.holdout) == ("shift", 30, 20, ())
    assert list(found.halves) == sorted(found.halves)
    assert len(seen) == 20
    for a, b in seen:
        assert (len(a), len(b)) == (30, 30)
        assert len({*a, *b}) == 60
    assert len({tuple(a) for a, _ in seen}) == 20


def test_the_holdout_has_draws_of_its_own() -> None:
    real, holdout = pair(100, 50, 3)
    found = reference(real, 40, shift, 30, 1, holdout + 10)
    assert isinstance(found, Reference)
    assert (len(found.halves), len(found.holdout)) == (30, 30)
    assert max(found.halves) < 1
    assert min(found.holdout) > 9


def test_the_seed_decides() -> None:
    real, _ = pair(100, 1, 3)
    one, again, other = (reference(real, 40, shift, 20, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_a_reference_that_is_not_computed() -> None:
    real, few = pair(99, 49, 4)
    assert reference(real, 50, shift, 20, 1) == NotComputed(
        "reference", "n_real < 2 n = 100", 50, 99
    )
    assert reference(real, 49, shift, 20, 1, few[:48]) == NotComputed(
        "reference", "n_holdout < n = 49", 49, 48
    )
    assert reference(real, 49, fd, 20, 1) == NotComputed("frechet", "n < 50", 49, 49)
    for n, draws, text in ((0, 20, "n: got 0; expected"), (9, 19, "draws: got 19; expected")):
        with pytest.raises(ValueError, match=text):
            reference(real, n, shift, draws, 1)


def test_where_a_figure_lies() -> None:
    drawn = Reference("shift", 5, (1.0, 2.0, 2.0, 3.0))
    for value, quantile in ((0.5, 0), (1, 0.125), (2, 0.5), (2.5, 0.75), (9, 1)):
        assert where(Figure("shift", value, 5), drawn) == Place("shift", quantile, 4)
    held = Reference("shift", 5, (1.0,), (4.0, 5.0))
    assert where(Figure("shift", 4.5, 5), held) == Place("shift", 0.5, 2)


def test_where_there_is_no_place() -> None:
    drawn, none = Reference("shift", 5, (1.0,)), NotComputed("shift", "n < 9", 5)
    assert where(none, drawn) == none
    refused = NotComputed("reference", "n_real < 2 n = 10", 5, 9)
    assert where(Figure("shift", 1, 5), refused) == NotComputed("shift", refused.reason, 5, 9)
    with pytest.raises(ValueError, match=r"got shift of n = 5; expected shift of n = 6: figures"):
        where(Figure("shift", 1, 6), drawn)
    with pytest.raises(ValueError, match=r"got shift of n = 5; expected kid of n = 5"):
        where(Figure("kid", 1, 5), drawn)
    assert where(Figure("shift", 1, 5, 5), drawn) == Place("shift", 0.5, 1)
    with pytest.raises(ValueError, match=r"figure: got n_real = 6; expected 5, as the reference"):
        where(Figure("shift", 1, 5, 6), drawn)


def test_what_is_real_lies_inside_and_what_is_not_outside() -> None:
    real, made = pair(1000, 200, 8)
    drawn = reference(real[:800], 200, fd, 40, 1)
    fresh, other = fd(real[:200], real[800:]), fd(real[:200], made + 0.5)
    placed, outside = where(fresh, drawn), where(other, drawn)
    assert isinstance(placed, Place)
    assert isinstance(outside, Place)
    assert 0 < placed.quantile < 1
    assert outside.quantile == 1


# ---- intervals ---------------------------------------------------------------------------


def test_an_interval_of_halves_has_the_width_of_the_mean() -> None:
    real, made = np.random.default_rng(1).standard_normal((2, 400, 1))
    found = with_interval(real, made, shift, seed=1, draws=400)
    assert isinstance(found, Figure)
    assert found.value == shift(real, made).value  # type: ignore[union-attr]
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high
    width = found.interval.high - found.interval.low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(2 / 400), rel=0.2)


def test_an_interval_of_a_biased_distance_is_around_it() -> None:
    real, made = pair(200, 200, 16)
    found = with_interval(real, made, fd, seed=1, draws=40)
    assert isinstance(found, Figure)
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high


def test_the_level_and_the_seed_decide_the_interval() -> None:
    real, made = pair(100, 90, 2)
    narrow, wide = (with_interval(real, made, shift, seed=1, level=x) for x in (0.5, 0.95))
    assert isinstance(narrow, Figure)
    assert isinstance(wide, Figure)
    assert narrow.interval is not None
    assert wide.interval is not None
    assert wide.interval.low < narrow.interval.low < narrow.interval.high < wide.interval.high
    assert (
        with_interval(real, made, shift, seed=1) == wide != with_interval(real, made, shift, seed=2)
    )


def test_an_interval_that_is_not_computed() -> None:
    real, made = pair(60, 45, 4)
    assert with_interval(real, made, fd, seed=1) == NotComputed("frechet", "n < 50", 45, 60)
    real, made = pair(60, 60, 4)
    wanted = NotComputed("frechet", "halves: n < 50", 60, 60)
    assert with_interval(real, made, fd, seed=1) == wanted
    with pytest.raises(ValueError, match=r"draws: got 19; expected at least 20"):
        with_interval(real, made, fd, seed=1, draws=19)
    with pytest.raises(ValueError, match=r"level: got 1; expected a number between 0 and 1"):
        with_interval(real, made, lambda a, b: manifold(a, b).recall, seed=1, level=1)


def test_a_bootstrap_covers_the_mean() -> None:
    hits = 0
    for seed in range(100):
        values = np.random.default_rng(seed).random(80) < 0.3
        found = bootstrap(values, seed=seed, draws=200)
        hits += found.low <= 0.3 <= found.high
    assert 85 <= hits <= 100


def test_a_bootstrap_is_seeded_and_ordered() -> None:
    values = np.arange(50.0)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)
    assert bootstrap(np.ones(5), seed=1, level=0.9) == Interval(1.0, 1.0, 0.9)
    for bad in (np.zeros(0), np.zeros((2, 2)), np.array(["a"])):
        with pytest.raises(ValueError, match=r"values_N: got shape .*; expected \(N,\) of numbers"):
            bootstrap(bad, seed=1)
    with pytest.raises(ValueError, match=r"values_N: got numbers that are not finite"):
        bootstrap(np.array([1.0, np.nan]), seed=1)
    with pytest.raises(ValueError, match=r"draws: got 1; expected at least 20"):
        bootstrap(values, seed=1, draws=1)
