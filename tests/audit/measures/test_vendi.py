"""Vendi score: equal to the full kernel's, both ways round, and to sets that are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from sklearn.metrics.pairwise import cosine_similarity

from augment.audit.measures import Figure, NotComputed, vendi, vendi_ratio
from tests.audit.measures.sets import pair, rotation


def value(found: object) -> float:
    assert isinstance(found, Figure)
    return found.value


def by_kernel(features: np.ndarray) -> float:
    shares = scipy.linalg.eigvalsh(cosine_similarity(features) / len(features))
    return float(np.exp(scipy.stats.entropy(shares.clip(min=0))))


@pytest.mark.parametrize("shape", [(300, 8), (40, 100), (64, 64), (30, 2048)])
def test_it_is_what_the_full_kernel_gives(shape: tuple[int, int]) -> None:
    real, _ = pair(shape[0], 1, shape[1])
    assert value(vendi(real)) == pytest.approx(by_kernel(real), rel=1e-9)


def test_more_than_a_block() -> None:
    real, _ = pair(5000, 1, 6)
    unit = real / np.linalg.norm(real, axis=1, keepdims=True)
    shares = scipy.linalg.eigvalsh(unit.T @ unit / 5000)
    assert value(vendi(real)) == pytest.approx(np.exp(scipy.stats.entropy(shares)), rel=1e-9)


def test_sets_that_are_known() -> None:
    assert value(vendi(np.ones((30, 4)))) == pytest.approx(1)
    assert value(vendi(np.eye(30))) == pytest.approx(30)
    assert value(vendi(np.tile(np.eye(5), (10, 1)))) == pytest.approx(5)


def test_length_rotation_and_order_change_nothing() -> None:
    real, _ = pair(100, 1, 8)
    wanted = value(vendi(real))
    assert value(vendi(real[::-1] @ rotation(8, 1) * 1e200)) == pytest.approx(wanted, rel=1e-9)


def test_the_ratio_is_of_equal_n() -> None:
    real, made = pair(400, 100, 32)
    found = vendi_ratio(real, made, seed=1)
    assert isinstance(found, Figure)
    assert (found.measure, found.n, found.n_real) == ("vendi_ratio", 100, 100)
    rows = {value(vendi(real)) for _ in range(1)}
    assert found.value != value(vendi(made)) / rows.pop()
    assert found == vendi_ratio(real, made, seed=1)
    assert found != vendi_ratio(real, made, seed=2)
    assert value(vendi_ratio(made, real, seed=1)) == pytest.approx(1 / found.value, rel=0.2)


def test_the_ratio_of_equal_and_of_collapsed_sets() -> None:
    real, _ = pair(100, 1, 16)
    assert value(vendi_ratio(real, real, seed=1)) == pytest.approx(1)
    collapsed = np.repeat(real[:1], 100, axis=0)
    assert value(vendi_ratio(real, collapsed, seed=1)) < 0.2


def test_too_few() -> None:
    real, made = pair(20, 19, 4)
    assert vendi(made) == NotComputed("vendi", "n < 20", 19)
    assert vendi_ratio(real, made, seed=1) == NotComputed("vendi_ratio", "n < 20", 19, 20)
    assert vendi_ratio(made, real, seed=1) == NotComputed("vendi_ratio", "n_real < 20", 20, 19)
    assert isinstance(vendi(made, least=19), Figure)


def test_what_all_images_have_in_common_hides_nothing():
    """Features that lie in a narrow cone, as those of many networks do."""
    rng = np.random.default_rng(0)
    common = np.full(16, 50.0)
    real, made = common + rng.normal(size=(60, 16)), common + rng.normal(size=(60, 16))
    one = common + rng.normal(size=(3, 16))
    collapsed = np.concatenate([one] * 20) + 0.01 * rng.normal(size=(60, 16))
    assert value(vendi(real)) < 1.1  # the score itself sees little
    assert value(vendi_ratio(real, made, seed=1)) == pytest.approx(1, rel=0.15)
    assert value(vendi_ratio(real, collapsed, seed=1)) < 0.35


def test_moving_turning_and_stretching_everything_changes_nothing():
    rng = np.random.default_rng(1)
    real, made = rng.normal(size=(40, 8)), rng.normal(size=(40, 8)) * np.arange(1, 9)
    wanted = value(vendi_ratio(real, made, seed=1))
    turn = rotation(8, 2)
    for scale, move in ((1e-150, 0.0), (1e200, 0.0), (3.0, 7.0)):
        found = vendi_ratio(scale * (real @ turn + move), scale * (made @ turn + move), seed=1)
        assert value(found) == pytest.approx(wanted, rel=1e-6)


def test_images_that_are_all_one_count_as_one():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(30, 8))
    assert value(vendi_ratio(real, np.tile(real.mean(axis=0), (30, 1)), seed=1)) < 0.2
    same = np.ones((30, 8))
    assert value(vendi_ratio(same, same, seed=1)) == pytest.approx(1)
    assert value(vendi_ratio(same, real, seed=1)) > 4
