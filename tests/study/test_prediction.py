"""A measure that orders the gains is seen, one that only follows the amount is not."""

from __future__ import annotations

import numpy as np
import pytest

from augment.study import Arm
from augment.study.prediction import Gain, measures_of, predicted

CLASSES = [f"c{n}" for n in range(20)]


def gains(
    value: np.ndarray, amounts: np.ndarray, shares: tuple[float, ...] = (0.25, 0.5)
) -> list[Gain]:
    """(class, share) with its value and a little of the share."""
    return [
        Gain(name, "g", Arm(share=share), int(amounts[n]), float(value[n] + 0.1 * share))
        for n, name in enumerate(CLASSES) for share in shares
    ]  # fmt: skip


def measure(values: np.ndarray) -> dict[tuple[str, str], float]:
    return {(name, "g"): float(values[n]) for n, name in enumerate(CLASSES)}


def test_what_orders_the_gains_predicted_them() -> None:
    rng = np.random.default_rng(0)
    good = rng.random(20)
    amounts = rng.integers(10, 100, 20)
    found = {one.measure: one for one in predicted(
        {"coverage": measure(good), "frechet": measure(-good), "noise": measure(rng.random(20))},
        gains(good + 0.05 * rng.random(20), amounts),
    )}  # fmt: skip
    assert [found[name].verdict for name in ("coverage", "frechet", "noise")] == [
        "predicted", "predicted", "no evidence",
    ]  # fmt: skip
    assert (found["coverage"].correlation or 0) > 0.8
    assert (found["frechet"].correlation or 0) < -0.8
    assert (found["coverage"].groups, found["coverage"].rows) == (20, 40)


def test_a_measure_that_follows_the_amount_alone_is_no_predictor() -> None:
    rng = np.random.default_rng(1)
    amounts = np.arange(10, 210, 10)
    follows = measure(amounts + rng.normal(0, 20, 20))
    value = amounts / 100 + rng.normal(0, 0.3, 20)
    (found,) = predicted({"follows": follows}, gains(value, amounts))
    assert found.verdict == "no evidence"
    assert abs(found.correlation or 0) < 0.6


def test_more_shares_of_the_same_classes_are_no_more_evidence() -> None:
    rng = np.random.default_rng(2)
    good, amounts = rng.random(20), np.full(20, 50)
    value = good + rng.normal(0, 0.2, 20)
    few, many = (
        predicted({"m": measure(good)}, gains(value, amounts, shares))[0]
        for shares in ((0.5,), tuple(np.linspace(0.1, 0.9, 9).tolist()))
    )
    assert few.interval is not None
    assert many.interval is not None
    assert many.groups == few.groups == 20
    widths = [np.arctanh(one.high) - np.arctanh(one.low) for one in (few.interval, many.interval)]
    assert widths[0] == pytest.approx(widths[1])


def test_few_groups_are_not_judged() -> None:
    some = [one for one in gains(np.arange(20.0), np.full(20, 5)) if one.class_name in CLASSES[:3]]
    (found,) = predicted({"m": measure(np.arange(20.0))}, some)
    assert (found.verdict, found.correlation) == ("not judged", None)
    assert found.why == "3 groups of class and generator; at least 4 are needed"


def test_equal_gains_are_not_judged() -> None:
    (found,) = predicted({"m": measure(np.ones(20))}, gains(np.arange(20.0), np.full(20, 5)))
    assert found.verdict == "not judged"
    assert "the same everywhere" in (found.why or "")


def test_measures_are_read_from_an_audit() -> None:
    figure = {"measure": "coverage", "split": "train", "class": "a", "maker": "g", "ratio": 0.5}
    label = {"split": "train", "class": "a", "maker": "g", "agreement": 0.75}
    quality = {
        "figures": [figure, figure | {"ratio": 0.7}, figure | {"ratio": None},
                    figure | {"ratio": 0.9}, figure | {"class": None, "ratio": 3.0},
                    figure | {"split": "test", "ratio": 3.0}],
        "labels": [label, label | {"maker": None, "agreement": 0.1}],
    }  # fmt: skip
    assert measures_of(quality, "train") == {
        "coverage": {("a", "g"): 0.7}, "labels": {("a", "g"): 0.75},
    }  # fmt: skip
