"""The exact interval of a share, beside scipy's quantiles of the beta distribution."""

from __future__ import annotations

import pytest
from scipy.stats import beta, binom

from augment.audit.measures.shares import at_most, clopper_pearson


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 1), (1, 1), (0, 200), (2, 598), (90, 100), (100, 100), (5000, 100_000)]
)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_it_is_the_exact_one(hits: int, n: int, level: float) -> None:
    found = clopper_pearson(hits, n, level)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else beta.ppf(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else beta.ppf(1 - tail, hits + 1, n - hits)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.level == level


def test_of_nothing_everything_is_possible() -> None:
    found = clopper_pearson(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_tail_is_the_binomial_one() -> None:
    assert at_most(3, 50, 0.1) == pytest.approx(binom.cdf(3, 50, 0.1), abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "n", "level", "text"),
    [
        (-1, 5, 0.95, r"^hits: got -1 of n = 5; expected 0 to n$"),
        (6, 5, 0.95, r"^hits: got 6 of n = 5; expected 0 to n$"),
        (1, 5, 1.0, r"^level: got 1\.0; expected a number between 0 and 1$"),
    ],
)
def test_other_questions_are_refused(hits: int, n: int, level: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        clopper_pearson(hits, n, level)
