"""Charts: every specification compiles, says what it was given, and two names never merge."""

from __future__ import annotations

import json

import pytest
import vl_convert

from augment.audit.report import charts
from augment.audit.report.blocks import Chart
from augment.audit.report.origins import Origins
from augment.audit.report.sections import Pictures, sections
from tests.audit.report.values import names, value

DRAWN = {
    block.name: block
    for section in sections(value(names(60)), Origins(), Pictures(), "0")
    + sections(value(names(3), copies=True), Origins(), Pictures(), "0")
    for block in section.blocks
    if isinstance(block, Chart)
}


def test_every_kind_of_chart_is_among_them() -> None:
    assert set(DRAWN) == {
        "all-test", "all-train", "rows-test", "rows-train", "limit-0", "frechet-ratios",
        "beside-real", "agreement", "confusion", "recall",
        "scores-train", "map",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_chart_is_drawn_as_svg_and_says_what_it_shows(name: str) -> None:
    chart = DRAWN[name]
    spec = {**chart.spec, "width": 400}  # a file has no container
    svg = vl_convert.vegalite_to_svg(json.dumps(spec))
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    assert chart.about.endswith(".")
    assert chart.spec["data"]["values"]


def test_two_names_that_are_cut_alike_stay_two() -> None:
    found = charts.labels(["a" * 100 + "x", "a" * 100 + "y", "a" * 100 + "x", "b\u202e"])
    assert len(set(found.values())) == 3
    assert found["b\u202e"] == r"b\u202e"


def _luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [*charts.KINDS.values(), *charts.GENERATORS])
@pytest.mark.parametrize("paper", ["#ffffff", "#15181c"])
def test_colours_of_data_are_seen_on_both_papers(colour: str, paper: str) -> None:
    light, dark = sorted((_luminance(colour), _luminance(paper)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3
