"""The map on the page: what it says of itself, and what stands where there is none."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from augment.audit import audit_schema
from augment.audit.report.blocks import Chart, Table, Text
from augment.audit.report.embedding import embedding
from tests.audit.report.values import VAE, names, value


def section(found: Any, thumbnails: Any = None) -> tuple[str, list[Chart], list[Table]]:
    blocks = embedding(found, "ask", thumbnails or {}).blocks
    said = " ".join(one.text for one in blocks if isinstance(one, Text))
    return (said, [one for one in blocks if isinstance(one, Chart)],
            [one for one in blocks if isinstance(one, Table)])  # fmt: skip


def test_it_says_how_much_it_shows_and_of_what() -> None:
    said, (chart,), _ = section(value(names(3)))
    assert "24 images (12 real, 6 augmented, 6 generated)" in chart.about
    assert "principal components of their features by task, which show 70 % of the" in chart.about
    assert "It is no verdict" in said
    (layer,) = chart.spec["layer"]
    assert layer["encoding"]["x"]["title"] == "first direction, 50 % of the variance"
    assert layer["encoding"]["y"]["title"] == "second direction, 20 % of the variance"
    picked = chart.spec["params"][1]["bind"]["options"]
    assert picked == ["every class", *names(3)]


def test_points_have_their_origin_maker_and_picture() -> None:
    found = value(names(2))
    _, (chart,), _ = section(found, {f"{1:032x}": b"webp"})
    points = found["quality"]["embedding"]["points"]
    drawn = chart.spec["data"]["values"]
    assert [(one["x"], one["y"]) for one in drawn] == [(one["x"], one["y"]) for one in points]
    assert {(one["k"], one["m"]) for one in drawn} == {
        ("real", "-"), ("augmented", "augmented"), ("generated", "gan"),
    }  # fmt: skip
    assert drawn[1]["p"] == "data:image/webp;base64,d2VicA=="
    assert {one["p"] for n, one in enumerate(drawn) if n != 1} == {""}


def test_middles_stand_in_parts_of_the_spread_of_real_images() -> None:
    found = value(["a", "b"])
    square = [(None, 1, 1), (None, 1, -1), (None, -1, 1), (None, -1, -1)]
    made = [(VAE, 5, 0), (VAE, 7, 0), ("augmented", 0, 0)]
    points = [
        {"sample_id": str(n), "split": "train", "class": "a", "maker": maker, "x": x, "y": y}
        for n, (maker, x, y) in enumerate([*square, *made])
    ]  # fmt: skip
    points += [{**points[0], "class": "b"}, {**points[4], "class": "b"}]
    found["quality"]["embedding"]["points"] = points
    _, _, (table,) = section(found)
    assert [row.cells for row in table.rows] == [
        ("a", "gan", "2", "4", "4.24"),
        ("a", "augmented", "1", "4", "0.00"),
        ("b", "gan", "1", "1", "-"),
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_a_report_without_a_map_says_so(gone: bool) -> None:
    found = value(names(2))
    if gone:
        del found["quality"]["embedding"]  # as a report from before maps has it
    else:
        found["quality"]["embedding"] = None
    jsonschema.validate(found, audit_schema())
    said, chart, _ = section(found)
    assert said.startswith("No map was drawn")
    assert chart == []
    assert "This was not asked for" in section(value(names(2), quality=False))[0]
