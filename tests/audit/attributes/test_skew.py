"""Values of generated rows beside those of real ones: skews are found, chance is not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augment.audit.attributes.skew import DRAWS, LEAST, skew


def drawn(n: int, night: float, seed: int, classes: int = 3) -> dict[str, Counter[str]]:
    """n rows of each class, a share of them at night."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in range(classes):
        dark = int(rng.binomial(n, night))
        found[str(name)] = Counter({"night": dark, "day": n - dark})
    return found


@pytest.mark.parametrize("n", [8, 30, 200])
def test_what_has_the_same_shares_raises_nothing(n):
    found = [skew(drawn(n, 0.3, 2 * s), drawn(n, 0.3, 2 * s + 1), s, "x") for s in range(200)]
    assert sum(one.warns for one in found) <= 2  # of 200
    assert all(one.low <= one.median <= one.high for one in found)


@pytest.mark.parametrize("n", [30, 200])
def test_what_has_other_shares_is_found(n):
    found = [skew(drawn(n, 0.05, 2 * s), drawn(n, 0.5, 2 * s + 1), s, "x") for s in range(50)]
    assert all(one.warns for one in found)
    made, expected = found[0].values["night"]
    assert made < 0.15
    assert 0.3 < expected < 0.7


def test_a_generator_of_rare_classes_is_not_blamed_for_their_mix():
    real = {"day class": Counter(day=500), "night class": Counter(night=40)}
    made = {"night class": Counter(night=400)}
    found = skew(made, real, 0, "x")
    assert (found.distance, found.warns) == (0.0, False)
    assert (found.n, found.n_real) == (400, 40)


def test_a_value_that_no_real_row_has_counts():
    found = skew({"a": Counter(fog=30)}, {"a": Counter(day=30)}, 0, "x")
    assert found.distance == 1.0
    assert found.warns
    assert found.to_json()["values"]["fog"] == {"generated": 1.0, "expected": 0.0}
    assert found.to_json()["reference"]["draws"] == DRAWS


@pytest.mark.parametrize(("made", "real"), [(LEAST - 1, 100), (100, LEAST - 1), (0, 0), (50, 0)])
def test_too_few_rows_are_not_computed(made, real):
    found = skew({"a": Counter(x=made)}, {"a": Counter(x=real)}, 0, "x")
    assert found.distance is None
    assert not found.warns
    assert f"expected {LEAST}" in found.why


def _draws(seed: int) -> tuple[float, float]:
    """Of values so many that no two draws are alike."""
    many = {"a": Counter({str(i): 5 for i in range(40)})}
    found = skew(many, many, seed, "x")
    return found.low, found.high


def test_the_seed_decides():
    made, real = drawn(40, 0.3, 1), drawn(40, 0.3, 2)
    assert skew(made, real, 5, "x") == skew(made, real, 5, "x")
    other = skew(made, real, 6, "x")
    assert other.distance == skew(made, real, 5, "x").distance
    assert other.median == pytest.approx(skew(made, real, 5, "x").median, abs=0.02)
    assert _draws(5) != _draws(6)
