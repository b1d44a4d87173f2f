"""Duplicates, classes reached, distances inside a class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from augment.audit.measures import (
    Figure,
    NotComputed,
    by_class,
    class_coverage,
    classes_reached,
    duplicate_rate,
    intra_distance,
    intra_ratio,
)
from tests.audit.measures.sets import collapsed, pair, rotation


def value(found: object) -> float:
    assert isinstance(found, Figure)
    return found.value


def test_duplicates() -> None:
    assert duplicate_rate([b"a", b"b"] * 10) == Figure("duplicate_rate", 0.9, 20)
    assert value(duplicate_rate(range(20))) == 0
    assert duplicate_rate(["a"] * 19) == NotComputed("duplicate_rate", "n < 20", 19)
    assert duplicate_rate([], least=0) == NotComputed("duplicate_rate", "n < 1", 0)


def test_classes_that_are_reached() -> None:
    real = [0, 1, 2, 3] * 5
    assert classes_reached(real, [0, 1, 9] * 10) == Figure("classes_reached", 0.5, 30, 20)
    assert value(classes_reached(real, real)) == 1
    assert classes_reached(real, [0]) == NotComputed("classes_reached", "n < 20", 1, 20)


@pytest.mark.parametrize("shape", [(60, 5), (1200, 8), (30, 2048)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_distance_inside_a_class_is_scipys(shape: tuple[int, int], dtype: type) -> None:
    made = (pair(shape[0], 1, shape[1])[0] + 50).astype(dtype)
    made[3] = made[4]
    wanted = pdist(made.astype(np.float64)).mean()
    assert value(intra_distance(made)) == pytest.approx(wanted, rel=1e-9)


def test_images_that_are_nearly_one_keep_their_digits() -> None:
    rng = np.random.default_rng(0)
    made = rng.standard_normal((50, 4)) * 1e-9
    made[0] += 1000
    assert value(intra_distance(made)) == pytest.approx(pdist(made).mean(), rel=1e-9)
    assert value(intra_distance(made[1:])) == pytest.approx(pdist(made[1:]).mean(), rel=1e-9)
    assert value(intra_distance(np.full((40, 3), 0.1))) == 0


def test_rotation_and_order_change_nothing() -> None:
    made = pair(60, 1, 5)[0]
    wanted = value(intra_distance(made))
    assert value(intra_distance(made[::-1] @ rotation(5, 3) + 4)) == pytest.approx(wanted, rel=1e-9)


def test_the_ratio_to_real() -> None:
    real, _ = pair(60, 1, 5)
    found = intra_ratio(real, real[:40] / 2)
    assert isinstance(found, Figure)
    assert (found.n, found.n_real) == (40, 60)
    assert found.value == pytest.approx(pdist(real[:40]).mean() / pdist(real).mean() / 2, rel=1e-9)
    equal = np.ones((30, 5))
    reason = "all real images are equal"
    assert intra_ratio(equal, real) == NotComputed("intra_ratio", reason, 60, 30)
    assert value(intra_ratio(real, equal)) == 0


def test_one_collapsed_class_is_plain_in_its_class() -> None:
    real, labels, made, made_labels = collapsed()
    ratios = by_class(intra_ratio, "intra_ratio", real, labels, made, made_labels)
    values = [value(one) for one in ratios.values()]
    assert values[-1] < 0.1
    assert min(values[:-1]) > 0.8
    assert value(intra_ratio(real, made)) > 0.8


def test_a_class_without_made_images_is_not_computed() -> None:
    real, made = pair(60, 30, 3)
    found = class_coverage(real, ["b"] * 30 + ["a"] * 30, made, ["a"] * 29 + ["strange"])
    assert list(found) == ["b", "a"]
    assert found["b"] == NotComputed("coverage", "n < 1", 0, 30)
    assert isinstance(found["a"], Figure)
    assert (found["a"].n, found["a"].n_real) == (29, 30)


def test_labels_that_do_not_fit() -> None:
    real, made = pair(60, 30, 3)
    with pytest.raises(ValueError, match=r"real_labels: got 1; expected 60, one a row"):
        class_coverage(real, ["a"], made, ["a"] * 30)
    with pytest.raises(ValueError, match=r"made_labels: got 31; expected 30, one a row"):
        class_coverage(real, ["a"] * 60, made, ["a"] * 31)


def test_too_few() -> None:
    real, made = pair(20, 19, 3)
    assert intra_distance(made) == NotComputed("intra_distance", "n < 20", 19)
    assert intra_ratio(real, made) == NotComputed("intra_ratio", "n < 20", 19, 20)
    assert intra_ratio(made, real) == NotComputed("intra_ratio", "n_real < 20", 20, 19)
    assert intra_distance(made[:1], least=0) == NotComputed("intra_distance", "n < 2", 1)
