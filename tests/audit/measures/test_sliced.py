"""Sliced Wasserstein distance: sorted projections, of equal and of unequal n."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from augment.audit.measures import Figure, NotComputed, sliced_wasserstein
from augment.audit.measures.sliced import squared_distances
from tests.audit.measures.sets import pair


def value(found: object) -> float:
    assert isinstance(found, Figure)
    return found.value


def by_transport(a: np.ndarray, b: np.ndarray) -> float:
    """The cheapest plan that moves one set onto the other, by linear programming."""
    n, m = len(a), len(b)
    cost = np.square(a[:, None] - b[None]).ravel()
    moved = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    wanted = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return float(linprog(cost, A_eq=moved, b_eq=wanted, method="highs").fun)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7))
def test_along_a_line_it_is_the_cheapest_transport(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.sort(rng.standard_normal((2, n))), np.sort(rng.standard_normal((2, m)))
    found = squared_distances(a, b)
    assert found.shape == (2,)
    for row in range(2):
        assert found[row] == pytest.approx(by_transport(a[row], b[row]), rel=1e-7, abs=1e-9)


def test_in_one_dimension_there_is_one_direction() -> None:
    real, made = pair(300, 250, 1)
    along = squared_distances(np.sort(real.T), np.sort(made.T))
    found = value(sliced_wasserstein(real, made, seed=1, projections=3))
    assert found == pytest.approx(np.sqrt(along[0]), rel=1e-9)


def test_a_shift_is_seen_by_its_length() -> None:
    """Of a shift v every direction sees (v . u)^2, |v|^2 / D in the mean."""
    real, _ = pair(1000, 1, 8)
    shift = np.full(8, 5.0)
    found = value(sliced_wasserstein(real, real + shift, seed=1, projections=4000))
    assert found == pytest.approx(5, rel=0.05)


def test_more_directions_than_a_block_are_all_counted() -> None:
    real, made = pair(300, 300, 5)
    few, many = (value(sliced_wasserstein(real, made, seed=1, projections=p)) for p in (32, 33))
    assert few != many
    assert few == pytest.approx(many, rel=0.1)


def test_from_1000_images_it_tells_sets_apart() -> None:
    real, made = pair(2000, 1000, 64)
    between_real = value(sliced_wasserstein(real[:1000], real[1000:], seed=1))
    assert value(sliced_wasserstein(real[:1000], made, seed=1)) > 2 * between_real


def test_what_changes_nothing() -> None:
    real, made = pair(300, 250, 6)
    wanted = value(sliced_wasserstein(real, made, seed=1))
    assert value(sliced_wasserstein(made, real, seed=1)) == pytest.approx(wanted, rel=1e-9)
    turned = sliced_wasserstein(real[::-1], made[::-1], seed=1)
    assert value(turned) == pytest.approx(wanted, rel=1e-9)
    assert value(sliced_wasserstein(real, real[::-1], seed=1)) < 1e-12
    other = value(sliced_wasserstein(real, made, seed=2))
    assert other != wanted
    assert other == pytest.approx(wanted, rel=0.1)
    twice = np.repeat(made, 2, axis=0)
    assert value(sliced_wasserstein(real, twice, seed=1)) == pytest.approx(wanted, rel=1e-9)


def test_too_few() -> None:
    real, made = pair(200, 199, 4)
    name = "sliced_wasserstein"
    assert sliced_wasserstein(real, made, seed=1) == NotComputed(name, "n < 200", 199, 200)
    assert sliced_wasserstein(made, real, seed=1) == NotComputed(name, "n_real < 200", 200, 199)
    assert isinstance(sliced_wasserstein(made, real, seed=1, least=199), Figure)
    with pytest.raises(ValueError, match=r"projections: got 0; expected at least 1"):
        sliced_wasserstein(real, real, seed=1, projections=0)
