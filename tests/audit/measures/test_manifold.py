"""Precision, recall, density, coverage: equal to prdc and torch-fidelity, and to sets by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from augment.audit.measures import Figure, Manifold, NotComputed, class_coverage, manifold
from tests.audit.measures.sets import collapsed, pair, rotation

NAMES = ("precision", "recall", "density", "coverage")


def numbers(found: Manifold) -> dict[str, float]:
    figures = [getattr(found, name) for name in NAMES]
    assert all(isinstance(one, Figure) for one in figures)
    assert tuple(one.measure for one in figures) == NAMES
    return {one.measure: one.value for one in figures}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shape", [(500, 300, 8), (1100, 1200, 64), (60, 50, 2048)])
def test_it_is_what_others_compute(shape: tuple[int, int, int], k: int, dtype: type) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, made = (x.astype(dtype) for x in pair(*shape))
    ours = numbers(manifold(real, made, k))
    wide = [x.astype(np.float64) for x in (real, made)]
    assert ours == pytest.approx(compute_prdc(*wide, k), rel=1e-9)
    theirs = prc_features_to_metric(
        torch.from_numpy(wide[1]), torch.from_numpy(wide[0]), prc_neighborhood=k,
        prc_batch_size=10000, save_cpu_ram=True, verbose=False,
    )  # fmt: skip
    # its means are float32; the counts below them are whole
    assert round(theirs["precision"] * shape[1]) == round(ours["precision"] * shape[1])
    assert round(theirs["recall"] * shape[0]) == round(ours["recall"] * shape[0])


def test_n_of_both_sides() -> None:
    found = manifold(*pair(60, 50, 4)).density
    assert isinstance(found, Figure)
    assert (found.n, found.n_real) == (50, 60)


def test_equal_sets() -> None:
    real, _ = pair(300, 1, 6)
    found = numbers(manifold(real, real.copy(), 5))
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert found["density"] == pytest.approx(1)  # itself and all neighbours but the one on the rim


def test_sets_that_do_not_meet() -> None:
    real, made = pair(100, 100, 6)
    assert set(numbers(manifold(real, made + 1000)).values()) == {0.0}


def test_one_image_over_and_over() -> None:
    """Precise, and neither dense nor covering: an image in a ball of no radius is on its rim."""
    real, _ = pair(200, 1, 6)
    found = numbers(manifold(real, np.repeat(real[:1], 200, axis=0), 5))
    assert found["precision"] == 1
    assert found["recall"] == 1 / 200
    assert found["coverage"] < 0.2


def test_rotation_and_order_change_nothing() -> None:
    real, made = pair(200, 150, 7)
    turn, value = rotation(7, 2), numbers(manifold(real, made))
    assert numbers(manifold(real @ turn, made @ turn)) == pytest.approx(value, rel=1e-12)
    assert numbers(manifold(real[::-1], made[::-1])) == pytest.approx(value, rel=1e-12)


def test_one_collapsed_class_is_plain_in_its_class() -> None:
    real, labels, made, made_labels = collapsed()
    overall = numbers(manifold(real, made))["coverage"]
    by_class = class_coverage(real, labels, made, made_labels)
    assert list(by_class) == list(range(20))
    values = {label: one.value for label, one in by_class.items() if isinstance(one, Figure)}
    assert len(values) == 20
    assert values.pop(19) < 0.2
    assert min(values.values()) > 0.8
    assert overall > 0.8


def test_too_few() -> None:
    real, made = pair(30, 19, 4)
    found = manifold(real, made)
    wanted = [NotComputed(name, "n < 20", 19, 30) for name in NAMES]
    assert [found.precision, found.recall, found.density, found.coverage] == wanted
    assert manifold(made, real).recall == NotComputed("recall", "n_real < 20", 30, 19)
    assert manifold(real, made, k=25, least=2).recall == NotComputed("recall", "n < 26", 19, 30)
    assert isinstance(manifold(real, made, k=18, least=2).recall, Figure)
    with pytest.raises(ValueError, match=r"k: got 0; expected at least 1"):
        manifold(real, made, k=0)
