"""The verifier: the penalised logistic regression that it says it is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from augment.audit.copies.evidence import NAMES
from augment.audit.copies.verifier import learned, unlearned


def drawn(n: int, shift: float, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, len(NAMES)))
    rows[:, 0] += shift
    return rows * np.arange(1, len(NAMES) + 1)


def test_it_is_the_regression_of_scikit_learn() -> None:
    copies, others = drawn(40, 1.5, 1), drawn(300, 0.0, 2)
    found = learned(copies, others)
    rows, is_copy = np.concatenate([copies, others]), np.arange(340) < 40
    theirs = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-10, max_iter=1000)
    theirs.fit((rows - rows.mean(axis=0)) / rows.std(axis=0), is_copy)
    np.testing.assert_allclose(found.weights, theirs.coef_[0], atol=1e-4)
    assert found.bias == pytest.approx(theirs.intercept_[0], abs=1e-4)
    score = theirs.decision_function((copies[:1] - rows.mean(axis=0)) / rows.std(axis=0))
    assert found(copies[0]) == pytest.approx(score[0], abs=1e-3)


def test_it_stays_finite_where_one_number_tells_all() -> None:
    copies, others = drawn(5, 100.0, 1), drawn(5, -100.0, 2)
    found = learned(copies, others)
    assert np.isfinite(found.weights).all()
    assert min(map(found, copies)) > max(map(found, others))


def test_a_number_that_never_changes_is_no_evidence() -> None:
    copies, others = drawn(9, 2.0, 1), drawn(9, 0.0, 2)
    for rows in (copies, others):
        rows[:, 4] = 7.0
    found = learned(copies, others)
    assert found.weights[4] == pytest.approx(0, abs=1e-9)


def test_unlearned_it_is_the_correlation() -> None:
    row = np.arange(10.0, 10.0 + len(NAMES))
    assert unlearned()(row) == row[NAMES.index("alike")]


def test_no_number_outweighs_all_others_by_going_on_for_ever() -> None:
    rng = np.random.default_rng(5)
    copies = rng.normal(1.0, 1.0, (60, len(NAMES)))
    verify = learned(copies, rng.normal(-1.0, 1.0, (60, len(NAMES))))
    usual = copies.mean(axis=0)
    at = int(np.argmax(np.abs(verify.weights)))
    beyond = usual.copy()
    beyond[at] += np.sign(verify.weights[at]) * 1e6
    most = (copies[:, at] - verify.mean[at]) / verify.scale[at] * verify.weights[at]
    own = (usual[at] - verify.mean[at]) / verify.scale[at] * verify.weights[at]
    assert verify(beyond) == pytest.approx(verify(usual) + most.max() - own)


def test_what_agrees_less_than_any_copy_or_is_flat_is_none() -> None:
    rng = np.random.default_rng(6)
    copies = rng.normal(1.0, 0.1, (60, len(NAMES)))
    verify = learned(copies, rng.normal(-1.0, 1.0, (60, len(NAMES))))
    usual = copies.mean(axis=0)
    assert verify.could_be(usual)
    bounds = {"alike_bent": 0.0, "contrast": np.log(2)}
    for name, slack in bounds.items():
        at, less = NAMES.index(name), usual.copy()
        less[at] = copies[:, at].min() - slack
        assert verify.could_be(less)
        less[at] -= 1e-6
        assert not verify.could_be(less)
    assert unlearned().could_be(np.full(len(NAMES), -1e9))


def test_what_agrees_well_could_be_a_copy_though_planted_ones_agree_better() -> None:
    rng = np.random.default_rng(7)
    copies = rng.normal(3.0, 0.1, (60, len(NAMES)))
    verify = learned(copies, rng.normal(-1.0, 1.0, (60, len(NAMES))))
    less = copies.mean(axis=0)
    less[NAMES.index("alike_bent")] = np.arctanh(0.9)
    assert verify.could_be(less)
    less[NAMES.index("alike_bent")] -= 1e-6
    assert not verify.could_be(less)
