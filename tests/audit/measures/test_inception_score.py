"""Inception Score: equal to torch-fidelity's, and to probabilities that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.audit.measures import Figure, NotComputed, inception_score


def value(found: object) -> float:
    assert isinstance(found, Figure)
    return found.value


@pytest.mark.parametrize("splits", [1, 3, 10])
def test_it_is_what_torch_fidelity_gives(splits: int) -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.from_numpy(2 * np.random.default_rng(1).standard_normal((1001, 10)))
    found = inception_score(logits.softmax(1).numpy(), splits)
    theirs = isc_features_to_metric(logits, splits, shuffle=False)
    assert isinstance(found, Figure)
    assert found.value == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert (found.n, found.n_real) == (1001, None)
    if splits == 1:
        assert found.interval is None
    else:
        assert found.interval is not None
        wanted = 1.959964 * theirs["inception_score_std"] / np.sqrt(splits - 1)
        assert found.interval.high - found.value == pytest.approx(wanted, rel=1e-5)
        assert found.value - found.interval.low == pytest.approx(wanted, rel=1e-5)


def test_scores_that_are_known() -> None:
    each = np.tile(np.eye(4), (100, 1))
    assert value(inception_score(each)) == pytest.approx(4)
    assert value(inception_score(np.full((400, 4), 0.25))) == pytest.approx(1)
    assert value(inception_score(np.tile([[0.0, 1, 0]], (400, 1)))) == pytest.approx(1)


def test_one_image_a_class_scores_as_high_as_it_goes() -> None:
    """How it lies: the set has four different images."""
    one_image_a_class = np.repeat(np.eye(4), 100, axis=0)
    assert value(inception_score(one_image_a_class, splits=1)) == pytest.approx(4)


def test_what_are_no_probabilities() -> None:
    rows = np.full((300, 2), 0.5)
    rows[7] = [1.5, -0.5]
    with pytest.raises(ValueError, match=r"probabilities_NC\[7\]: got least -0.5 and sum 1; exp"):
        inception_score(rows)
    rows[7] = [0.5, 0.6]
    with pytest.raises(ValueError, match=r"\[7\]: got least 0.5 and sum 1.1; expected .* logits"):
        inception_score(rows)
    for splits in (0, 301):
        with pytest.raises(ValueError, match=rf"splits: got {splits}; expected 1 to 300"):
            inception_score(np.full((300, 2), 0.5), splits)


def test_too_few() -> None:
    rows = np.full((199, 2), 0.5)
    assert inception_score(rows) == NotComputed("inception_score", "n < 200", 199)
    assert isinstance(inception_score(rows, least=199), Figure)
