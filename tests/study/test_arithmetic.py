"""Student's t, Fisher's F and ranks are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from augment.study.arithmetic import beta_inc, f_tail, normal_quantile, ranks, t_cdf, t_quantile


@pytest.mark.parametrize("df", [1.0, 2.0, 2.7, 14.0, 150.3, 1e6])
def test_t_is_students(df: float) -> None:
    for p in (0.0005, 0.2, 0.5, 0.975, 0.99583):
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-9)
    for t in (-30.0, -1.5, 0.0, 0.1, 4.0):
        assert t_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), rel=1e-8, abs=1e-12)


def test_f_is_fishers() -> None:
    for f, a, b in ((0.0, 2, 12), (0.7, 2, 12), (1.56, 2, 12), (9.0, 4, 20), (50.0, 1, 3)):
        assert f_tail(f, a, b) == pytest.approx(stats.f.sf(f, a, b), rel=1e-8, abs=1e-12)


def test_the_ends() -> None:
    assert beta_inc(2.0, 3.0, 0.0) == 0.0
    assert beta_inc(2.0, 3.0, 1.0) == 1.0
    assert normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975), abs=1e-12)


def test_ranks_share_ties() -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0, 1.0, 7.0])
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values))
