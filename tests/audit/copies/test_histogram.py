"""Bins about a threshold: nothing is lost, and what lies beyond it is counted as such."""

from __future__ import annotations

import numpy as np
import pytest

from augment.audit.copies.histogram import BINS, Histogram, width_of


def test_the_threshold_is_an_edge_that_belongs_to_what_is_below() -> None:
    found = Histogram(0.5)
    found.add([0.0, 1e-9, 0.5, 0.5 + 1e-9, -0.5, None])
    assert (found.n, found.unlike) == (6, 1)
    assert found.to_json() == {"n": 6, "unlike": 1, "first": -2, "counts": [1, 1, 2, 1]}


def test_what_is_far_off_is_in_the_outermost_bins() -> None:
    found = Histogram(0.5)
    found.add([-1e6, 1e6])
    assert (found.counts[0], found.counts[-1], sum(found.counts)) == (1, 1, 2)
    assert found.to_json()["first"] == -BINS


def test_parts_add_up_in_any_order() -> None:
    margins = np.random.default_rng(0).normal(size=500).tolist()
    whole, parts = Histogram(0.1), Histogram(0.1)
    whole.add(margins)
    parts.add(margins[300:])
    parts.add(margins[:300])
    assert whole == parts


@pytest.mark.parametrize("scale", [1e-3, 1.0, 37.0, 5e4])
def test_the_width_shows_how_real_images_are_spread(scale: float) -> None:
    margins = (-np.abs(np.random.default_rng(0).normal(size=1000)) * scale).tolist()
    width = width_of(margins)
    assert f"{width:.0e}"[0] in "125"
    found = Histogram(width)
    found.add(margins)
    assert found.counts[0] <= 0.01 * len(margins)
    assert sum(n > 0 for n in found.counts) >= 10


@pytest.mark.parametrize("margins", [[], [None], [0.0, 0.0], [3.0]])
def test_without_a_spread_bins_are_one_wide(margins: list[float | None]) -> None:
    assert width_of(margins) == 1.0
    assert Histogram(1.0).to_json() == {"n": 0, "unlike": 0, "first": 0, "counts": []}
