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
